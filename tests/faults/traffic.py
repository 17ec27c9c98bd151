"""Traffic on a server that is being killed: real clients that remember what they were told, judged by its journal."""

import asyncio
import time
from pathlib import Path
from random import Random
from typing import Self

from msgspec.structs import replace

from acd_core.commands import (
    AgentLogin,
    Command,
    ConfigApply,
    ContactAbandon,
    ContactComplete,
    ContactEnqueue,
    OfferAccept,
)
from acd_core.config import Agent, Config, Queue, Settings, Tenant
from acd_core.events import ContactOffered, Event
from acd_protocol.client import Client, Refused
from acd_protocol.messages import Gap, Ok
from server.journal.stores import journal_in
from tests.simulation.checks import Replay, check
from tests.simulation.history import Heard, History, Sent
from tests.support.wait import patient, until

CONFIG = Config(
    settings=Settings(missed_offers_max=0, client_grace_s=0),
    tenants=(Tenant(name="acme"),),
    queues=(Queue(tenant="acme", name="support", offer_timeout_s=0.3, no_answer_cooldown_s=0, max_wait_s=5),),
    agents=tuple(Agent(agent=f"pbx-{client}-a{number}") for client in range(3) for number in range(3)),
)


class Traffic:
    """Three PBXs that work for as long as the block lasts, whatever becomes of the server.

    Attributes:
        history: what they were told.
    """

    def __init__(self, port: int, seed: int = 1) -> None:
        self._port = port
        self._rng = Random(seed)
        self._numbers = 0
        self._stopping = False
        self._working: list[asyncio.Task[None]] = []
        self.history = History()

    @property
    def acknowledged(self) -> int:
        """Commands that were answered with `ok`."""
        return sum(isinstance(sent.answer, Ok) for sent in self.history.sent)

    async def __aenter__(self) -> Self:
        """Configure the server and begin."""
        async with self._client("operator") as operator:
            await self._send(operator, ConfigApply(config=CONFIG))
        self._working = [asyncio.create_task(self._work(f"pbx-{number}")) for number in range(3)]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let everything be answered, and end."""
        self._stopping = True
        async with asyncio.timeout(patient(60)):
            await asyncio.gather(*self._working)

    def _client(self, name: str) -> Client:
        return Client(
            port=self._port,
            name=name,
            events_max=0,
            connect_deadline_s=60,
            reconnect_deadline_s=60,
            heartbeat_s=1,
            rng=self._rng,
        )

    def _send(self, client: Client, command: Command) -> "asyncio.Future[Ok]":
        self._numbers += 1
        sent = Sent(client.name, 1, replace(command, id=f"n-{self._numbers}"), time.monotonic_ns())
        self.history.sent.append(sent)
        answer = client.send(sent.command)

        def on_answer(done: "asyncio.Future[Ok]") -> None:
            problem = done.exception()
            if isinstance(problem, Refused):
                sent.answer = (problem.code, problem.number, problem.message)
            elif problem is None:
                sent.answer = done.result()
            sent.answered_ns = time.monotonic_ns()

        answer.add_done_callback(on_answer)
        return answer

    async def _work(self, name: str) -> None:
        rng = self._rng
        client = self._client(name)
        heard = Heard(name, 1, -1)
        self.history.heard.append(heard)
        going = False

        def on_event(event: Event) -> None:
            heard.items.append(event)
            if going:
                return
            if isinstance(event, ContactOffered) and event.agent.startswith(name) and rng.random() < 0.7:
                self._send(client, OfferAccept(offer=event.offer))
                self._send(client, ContactComplete(contact=event.contact))

        client.on(Event, on_event)
        client.on(Gap, heard.items.append)
        async with client:
            assert client.welcome is not None
            heard.since = client.welcome.seq
            for number in range(3):
                self._send(client, AgentLogin(agent=f"{name}-a{number}", ready=True))
            number = 0
            while not self._stopping:
                for _ in range(rng.randrange(1, 10)):
                    number += 1
                    contact = f"{name}:{number}"
                    self._send(
                        client, ContactEnqueue(contact=contact, tenant="acme", queue="support", priority=number % 3)
                    )
                    if rng.random() < 0.3:
                        self._send(client, ContactAbandon(contact=contact))
                if client.unanswered > 500:
                    await asyncio.sleep(0.05)
                await asyncio.sleep(rng.uniform(0, 0.02))
            await until(lambda: not client.unanswered, 60)
            going = True  # nothing is asked any more that the end of the connection would leave without an answer
            heard.due_until = (await client.ping()).seq

    def judge(self, data: Path) -> Replay:
        """Compare all of it with the journal of a server that has ended. Raises `Violation`."""
        journal = journal_in(data)
        journal.open()
        try:
            replay = Replay(journal.read())
        finally:
            journal.close()
        unanswered = [sent for sent in self.history.sent if sent.answer is None]
        assert not unanswered, unanswered[0]
        check(self.history, replay)
        return replay
