"""A floor of agents who answer everything, and callers who come regularly: calm unless somebody disturbs it."""

import asyncio
from typing import Any

from acd_core import commands
from acd_core.config import Agent, Config, Queue, Settings, Tenant
from acd_core.events import AgentChanged, ContactConnected, ContactOffered, Event
from acd_protocol.client import Client, ClientError

AGENTS = 20
CALL_EVERY_S = 6.0
RING_S = 2.0
TALK_S = 60.0
"""With these, half of the agents are busy."""


def configuration() -> Config:
    """Two queues: one for the regular callers, and a small one to be flooded."""
    return Config(
        settings=Settings(client_grace_s=30),
        tenants=(Tenant(name="acme"),),
        queues=(
            Queue(tenant="acme", name="support", wrapup_s=5, service_level_s=20, max_waiting=200),
            Queue(tenant="acme", name="orders", wrapup_s=5, service_level_s=20, max_waiting=20, require="orders"),
        ),
        skills=("orders",),
        agents=tuple(Agent(agent=f"a-{number:02d}") for number in range(AGENTS)),
    )


class Floor:
    """One adapter with its agents and callers.

    Args:
        port: of the server.
        speed: of the server's clock; durations are in engine time.
    """

    def __init__(self, port: int, speed: float) -> None:
        self.client: Client | None = None
        self._port = port
        self._speed = speed
        self._calls = 0
        self._calling: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, and let agents log in and callers call."""
        await self.connect()
        assert self.client is not None
        await self.client.apply_config(configuration())
        await self.log_in()
        self._calling = asyncio.create_task(self._call())

    async def connect(self) -> None:
        """Come (back) as the same adapter, and take up what is there."""
        self.client = Client(port=self._port, name="pbx-1", events_max=0, reconnect_deadline_s=30)
        self.client.on(Event, self._handle)
        await self.client.connect()
        for contact in await self.client.listing("contacts"):
            if contact["state"] == "offered":
                self._later(RING_S, commands.OfferAccept(offer=contact["offer"]))
            elif contact["state"] == "connected":
                self._later(TALK_S, commands.ContactComplete(contact=contact["contact"], reason="completed_caller"))

    async def vanish(self) -> None:
        """Go without a word."""
        client, self.client = self.client, None
        if client is not None:
            await client.close(0)

    async def log_in(self) -> None:
        """All agents come."""
        for number in range(AGENTS):
            await self._client().login(f"a-{number:02d}", ready=True)

    async def log_out(self) -> None:
        """All agents go."""
        for number in range(AGENTS):
            await self._client().logout(f"a-{number:02d}")

    async def flood(self, contacts: int) -> None:
        """So many callers at once for the queue that nobody serves."""
        client = self._client()
        await asyncio.gather(*(client.enqueue(f"flood-{number}", "acme", "orders") for number in range(contacts)))

    async def ebb(self, contacts: int) -> None:
        """They give up."""
        client = self._client()
        await asyncio.gather(*(client.abandon(f"flood-{number}") for number in range(contacts)))

    async def close(self) -> None:
        """End it."""
        if self._calling is not None:
            self._calling.cancel()
        await self.vanish()

    def _client(self) -> Client:
        assert self.client is not None, "the adapter is gone"
        return self.client

    async def _call(self) -> None:
        while True:
            self._calls += 1
            self._send(commands.ContactEnqueue(contact=f"c-{self._calls}", tenant="acme", queue="support"))
            await asyncio.sleep(CALL_EVERY_S / self._speed)

    def _handle(self, event: Any) -> None:
        if isinstance(event, ContactOffered):
            self._later(RING_S, commands.OfferAccept(offer=event.offer))
        elif isinstance(event, ContactConnected):
            self._later(TALK_S, commands.ContactComplete(contact=event.contact, reason="completed_caller"))
        elif isinstance(event, AgentChanged) and event.state == "paused" and event.reason == "missed_offers":
            self._later(TALK_S, commands.AgentReady(agent=event.agent))

    def _later(self, seconds: float, command: commands.Command) -> None:
        asyncio.get_running_loop().call_later(seconds / self._speed, self._send, command)

    def _send(self, command: commands.Command) -> None:
        if self.client is not None:
            try:
                self.client.send(command).add_done_callback(_taken)
            except ClientError:
                pass  # the server is away


def _taken(answer: "asyncio.Future[Any]") -> None:
    """Refusals of what was overtaken are expected."""
    if not answer.cancelled():
        answer.exception()
