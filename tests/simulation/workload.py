"""The PBXs: programs with the real client that enqueue contacts, play their agents, and remember what they were told.

A program outlives its process: it is killed, comes back with or without `resume`, or comes back while its old self
still lives. Its contacts' ids never repeat.
"""

import asyncio
from random import Random

from msgspec.structs import replace

from acd_core import Outcome
from acd_core.commands import (
    AgentLogin,
    AgentLogout,
    AgentPause,
    AgentReady,
    AgentUpdate,
    AgentWrapupDone,
    Command,
    ConfigApply,
    ContactAbandon,
    ContactComplete,
    ContactEnqueue,
    ContactHold,
    ContactUnhold,
    ContactUpdate,
    ContactWithdraw,
    OfferAccept,
    OfferReject,
)
from acd_core.config import Agent, Config, Queue, Settings, Step, Tenant
from acd_core.events import AgentChanged, ContactConnected, ContactEnded, ContactOffered, Event
from acd_protocol.client import Client, ClientError, ConnectionState, Refused, Replaced
from acd_protocol.messages import DEFAULT_PORT, Explain, Gap, List, Ok, Ping, Stats
from tests.simulation.history import Heard, History, Sent
from tests.simulation.loop import PROCESS, Process, SimLoop
from tests.simulation.network import Network
from tests.simulation.trace import Trace

HOST = "127.0.0.1"
GIVES_UP_EVERY_NS = 5_000_000_000
QUEUES = ("sales", "support")
STRATEGIES = ("longest_idle", "most_skilled", "fewest_contacts", "round_robin", "linear", "lowest_cost")


def centre(rng: Random, clients: list[str], agents_each: int) -> Config:
    """A small centre whose times are as short as the simulation."""
    agents = [
        Agent(
            agent=agent_name(client, number),
            skills={skill: rng.randrange(1, 101) for skill in ("a", "b") if rng.random() < 0.7},
            cost=rng.randrange(5),
            ranks={f"acme/{queue}": rng.randrange(3) for queue in QUEUES if rng.random() < 0.3},
        )
        for client in clients
        for number in range(agents_each)
    ]
    queues = [
        Queue(
            tenant="acme",
            name=name,
            require=rng.choice(("", "", "a", "a | b>=30")),
            strategy=rng.choice(STRATEGIES),  # type: ignore[arg-type]
            offer_timeout_s=rng.choice((0.2, 1, 2)),
            wrapup_s=rng.choice((0, 0.3, 1)),
            reject_cooldown_s=rng.choice((0, 0.5)),
            no_answer_cooldown_s=rng.choice((0, 0.5)),
            max_waiting=rng.choice((0, 0, 5)),
            max_wait_s=rng.choice((2, 10, 60)),
            max_talk_s=rng.choice((3, 60)),
            steps=(Step(after_s=1, require=""), Step(after_s=2, priority=10)) if rng.random() < 0.5 else (),
        )
        for name in QUEUES
    ]
    settings = Settings(
        missed_offers_max=rng.choice((0, 2, 3)),
        client_grace_s=rng.choice((0, 1, 3)),
        absent_client_contacts=rng.choice(("keep", "end")),
    )
    return Config(settings=settings, tenants=(Tenant(name="acme"),), queues=tuple(queues), agents=tuple(agents))


def agent_name(client: str, number: int) -> str:
    """The id of a client's agent."""
    return f"{client}-a{number}"


class Program:
    """One PBX.

    Attributes:
        process: its latest life's.
        client: likewise.
        ending: it begins nothing new, serves what is there, and in the end gives up what nobody serves.
    """

    def __init__(
        self, name: str, loop: SimLoop, network: Network, rng: Random, history: History, trace: Trace, agents: int
    ) -> None:
        self.name = name
        self.loop = loop
        self.network = network
        self.rng = rng
        self.history = history
        self.trace = trace
        self.agents = [agent_name(name, number) for number in range(agents)]
        self.everything = rng.random() < 0.3
        self.rate = rng.choice((0.5, 2, 6))
        self.patience_s = rng.choice((1, 5, 30))
        self.heartbeat_s = rng.choice((0.5, 1, 2))
        self.process = Process(name)
        self.process.kill()
        self.client: Client | None = None
        self.heard: Heard | None = None
        self.ending = False
        self.giving_up = False
        self.life = 0
        self._lives: dict[Client, int] = {}
        self._commands = 0
        self._working: set[str] = set()
        self._older: list[Process] = []
        self._contacts: dict[str, bool] = {}
        self._for_nobody: set[str] = set()
        self._gave_up_ns = 0

    # -- lives --------------------------------------------------------------------------------------------------

    def start(self, *, remember: bool = True) -> None:
        """Begin a life; with `remember` it asks for the events that the last one missed."""
        self.life += 1
        self._working.clear()
        since = None
        if remember and self.heard is not None and self.client is not None and self.heard.since >= 0:
            since = self.client.seq
        if self.process.alive:
            self._older.append(self.process)
        self.process = Process(self.name)
        self.trace.note(self.name, "starts", since)
        self.loop.start(self.process, self._live(since))

    def kill(self) -> None:
        """`kill -9`."""
        if self.process.alive:
            self.trace.note(self.name, "killed")
            self.process.kill()
            self.network.killed(self.process)

    def unplug(self) -> None:
        """Its machine is gone, and says no goodbye."""
        if self.process.alive:
            self.trace.note(self.name, "unplugged")
            self.process.kill()
            self.network.unplugged(self.process)

    def go_for_good(self, *, unplugged: bool) -> None:
        """It is gone, and so is whatever still lives of it."""
        for process in self._older:
            process.kill()
            self.network.killed(process)
        (self.unplug if unplugged else self.kill)()

    @property
    def settled(self) -> bool:
        """Whether it is connected and waits for nothing."""
        return (
            self.client is not None
            and self.client.state is ConnectionState.CONNECTED
            and not self.client.unanswered
            and all(self._contacts.values())
        )

    async def _live(self, since: int | None) -> None:
        client = self.client = Client(
            HOST,
            DEFAULT_PORT,
            name=self.name,
            resume=since,
            connect_deadline_s=None,
            reconnect_deadline_s=None,
            heartbeat_s=self.heartbeat_s,
            events_max=0,
            rng=self.rng,
        )
        life = self._lives[client] = self.life
        heard = self.heard = Heard(self.name, life, -1 if since is None else since)
        self.history.heard.append(heard)

        def on_event(event: Event) -> None:
            heard.items.append(event)
            self.trace.note(self.name, "hears", event)
            self._react(client, event)

        def on_gap(gap: Gap) -> None:
            heard.items.append(gap)
            self.trace.note(self.name, "hears", gap)

        client.on(Event, on_event)
        client.on(Gap, on_gap)
        try:
            await client.connect()
            assert client.welcome is not None
            if heard.since < 0:
                heard.since = client.welcome.seq
            if self.everything:
                heard.everything_since = (await client.subscribe()).seq
            for agent in self.agents:
                self._send(client, AgentLogin(agent=agent, ready=self.rng.random() < 0.8))
            while True:
                await asyncio.sleep(self.rng.expovariate(self.rate) if not self.ending else 0.5)
                if client.state is ConnectionState.FAILED:
                    await client.call(Ping())  # raises why
                if self.ending:
                    self._clear_up(client)
                else:
                    self._act(client)
        except ClientError as problem:
            self.trace.note(self.name, "ends", problem)
            if not isinstance(problem, Replaced):
                self.loop.problems.append(f"{self.name} ends: {problem!r}")
            if PROCESS.get() is self.process:
                self.process.kill()

    # -- what it does -------------------------------------------------------------------------------------------

    def _send(self, client: Client, command: Command) -> None:
        """Send a command, and remember when and what was answered. Raises `ClientError` once there is no other connection."""
        self._commands += 1
        life = self._lives[client]
        command = replace(command, id=f"{self.name}.{life}.{self._commands}")
        sent = Sent(self.name, life, command, self.loop.now_ns)
        answer = client.send(command)
        self.history.sent.append(sent)

        def on_answer(answer: asyncio.Future[Ok]) -> None:
            if answer.cancelled():
                return
            problem = answer.exception()
            if problem is None:
                sent.answer = answer.result()
            elif isinstance(problem, Refused):
                sent.answer = (problem.code, problem.number, problem.message)
            else:
                return
            sent.answered_ns = self.loop.now_ns
            self.trace.note(self.name, "is answered", command.id, sent.answer)
            if isinstance(command, ContactEnqueue) and isinstance(sent.answer, Ok) and sent.answer.ended:
                self._contacts[command.contact] = True
            elif problem is not None and problem.number == Outcome.JOURNAL_FULL:
                self._not_now(client, command)

        answer.add_done_callback(on_answer)

    def _not_now(self, client: Client, command: Command) -> None:
        """The disk is full: a caller goes elsewhere, and what has happened is told again."""
        if isinstance(command, ContactEnqueue):
            self._contacts[command.contact] = True
        elif isinstance(command, ContactAbandon | ContactComplete):
            self._later(client, 0.5, command)

    def _react(self, client: Client, event: Event) -> None:
        """Play the agents and their phones."""
        rng = self.rng
        if isinstance(event, AgentChanged) and event.agent in self.agents:
            if event.state in ("logged_out", "paused"):
                self._working.discard(event.agent)
            else:
                self._working.add(event.agent)
        if isinstance(event, ContactOffered) and event.agent in self.agents:
            choice = rng.random()
            if choice < 0.75 or (self.ending and choice < 0.95):
                self._later(client, rng.uniform(0, 1.2), OfferAccept(offer=event.offer))
            elif choice < 0.9:
                self._later(client, rng.uniform(0, 1.2), OfferReject(offer=event.offer, cause="busy"))
        elif isinstance(event, ContactConnected) and event.agent in self.agents:
            self._later(client, rng.uniform(0, 2), ContactComplete(contact=event.contact))
        elif isinstance(event, ContactEnded) and event.contact in self._contacts:
            self._contacts[event.contact] = True
        elif isinstance(event, AgentChanged) and event.state == "wrapup" and rng.random() < 0.3:
            self._later(client, rng.uniform(0, 0.5), AgentWrapupDone(agent=event.agent))

    def _later(self, client: Client, delay_s: float, command: Command) -> None:
        def send() -> None:
            try:
                self._send(client, command)
            except ClientError:
                pass  # this life of the program is over

        self.loop.call_later(delay_s, send)

    def _act(self, client: Client) -> None:
        """Do one of the things that happen in a call centre."""
        rng = self.rng
        choice = rng.random()
        if choice < 0.55:
            for _ in range(rng.choice((1, 1, 1, 5))):
                self._enqueue(client)
        elif choice < 0.8:
            agent = rng.choice(self.agents)
            commands: tuple[Command, ...] = (
                AgentPause(agent=agent, reason="lunch"),
                AgentReady(agent=agent),
                AgentReady(agent=agent),
                AgentLogin(agent=agent, ready=True),
                AgentLogout(agent=agent),
                AgentUpdate(agent=agent, skills={"a": rng.randrange(1, 101)}),
            )
            self._send(client, rng.choice(commands))
        elif choice < 0.9:
            live = [contact for contact, ended in self._contacts.items() if not ended]
            if live:
                contact = rng.choice(live)
                commands = (
                    ContactUpdate(contact=contact, priority=rng.randrange(10)),
                    ContactWithdraw(contact=contact),
                    ContactAbandon(contact=contact),
                    ContactHold(contact=contact),
                    ContactUnhold(contact=contact),
                )
                self._send(client, rng.choice(commands))
        elif choice < 0.97:
            self._ask(client)
        else:
            self._send(client, ContactAbandon(contact="nobody"))

    def _enqueue(self, client: Client) -> None:
        rng = self.rng
        contact = f"{self.name}:{len(self._contacts)}"
        self._contacts[contact] = False
        self._send(
            client,
            ContactEnqueue(
                contact=contact,
                tenant="acme",
                queue=rng.choice(QUEUES),
                priority=rng.choice((0, 0, 5)),
                require=rng.choice(("", "", "b", "a>=50")),
                attributes={"ani": "+34" * rng.randrange(1, 100)},
            ),
        )
        if rng.random() < 0.5:
            self._later(client, rng.expovariate(1 / self.patience_s), ContactAbandon(contact=contact))

    def _ask(self, client: Client) -> None:
        """Ask something; the answer changes nothing, but must come."""
        rng = self.rng
        question = rng.choice(
            (
                Ping(),
                Stats(),
                List(what=rng.choice(("queues", "agents", "contacts"))),
                Explain(agent=rng.choice(self.agents)),
            )
        )
        client.send(question).add_done_callback(lambda answer: answer.cancelled() or answer.exception())

    def _clear_up(self, client: Client) -> None:
        """See to it that agents work, and later that no contact is left."""
        for agent in self.agents:
            if agent not in self._working:
                self._send(client, AgentLogin(agent=agent, ready=True))
                self._send(client, AgentReady(agent=agent))
                self._working.add(agent)
        if self.giving_up and self.loop.now_ns - self._gave_up_ns > GIVES_UP_EVERY_NS:
            # All of them: what an older life sent may come late, and enqueue one that was given up already.
            self._gave_up_ns = self.loop.now_ns
            for contact in [contact for contact in self._contacts if contact not in self._for_nobody]:
                self._send(client, ContactAbandon(contact=contact))
                self._contacts[contact] = True

    def enqueue_for_nobody(self) -> str:
        """A contact that no agent can serve."""
        contact = f"{self.name}:{len(self._contacts)}"
        self._contacts[contact] = True
        self._for_nobody.add(contact)
        assert self.client is not None
        self._send(self.client, ContactEnqueue(contact=contact, tenant="acme", queue="sales", require="nobody"))
        return contact


async def configure(config: Config, rng: Random, history: History, loop: SimLoop) -> None:
    """Apply the configuration, as an operator does."""
    async with Client(HOST, DEFAULT_PORT, name="operator", connect_deadline_s=None, rng=rng) as client:
        command = ConfigApply(id="configure", config=config)
        sent = Sent("operator", 1, command, loop.now_ns)
        history.sent.append(sent)
        sent.answer = await client.call(command)
        sent.answered_ns = loop.now_ns
