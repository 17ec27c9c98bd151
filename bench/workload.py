"""Contact centres and their traffic, by seed: what every benchmark feeds to what it measures.

Agents and kinds of contact are those of `acd_sim.load.floor`. In 5 % of the turns a contact gives up.

With nobody waiting, half of the agents are free. With a number waiting, that number is kept: for each contact that is
served another one comes.
"""

from random import Random
from typing import Any, NamedTuple, cast

from acd_core import Engine, Machine, Outcome
from acd_core.commands import (
    AgentLogin,
    AgentWrapupDone,
    Command,
    ConfigApply,
    ContactAbandon,
    ContactComplete,
    OfferAccept,
)
from acd_core.events import AgentChanged, ContactConnected, ContactEnded, ContactOffered, OfferEnded
from acd_protocol.framing import decode_from_client, encode
from acd_sim.load.floor import Centre, Shape

CLIENT = "pbx-1"
ABANDONED_SHARE = 0.05
HANDLING_NS = 180_000_000_000
"""A conversation takes so long on average; the time between two contacts follows from it."""
START_NS = 1_700_000_000_000_000_000

MIX = (
    "agents with 1..8 skills (common ones more often) at levels 1..10; ten kinds of contact for each skill, drawn from "
    "what real agents can do (60 % one skill, 30 % two, 10 % three); 4 priorities; 5 % of the turns abandon; "
    "half of the agents free where nobody waits, else as many waiting as stated at all times"
)


class Step(NamedTuple):
    """One command at its time, as the line that a client sends."""

    now: int
    line: bytes


class Recording(NamedTuple):
    """A stretch of traffic that any machine can be driven through, for it gives the same offers to the same agents.

    Attributes:
        setup: from the empty machine to the steady state.
        segments: stretches of equally many assignments each, one after the other.
        assignments: how many there are in a segment.
        waiting: how many contacts waited at the end.
    """

    setup: list[Step]
    segments: list[list[Step]]
    assignments: int
    waiting: int


def record(shape: Shape, segments: int, assignments: int, seed: int = 1) -> Recording:
    """Run a centre by its engine, and write down every command."""
    traffic = _Traffic(Centre(shape, seed), seed)
    traffic.open()
    recorded = []
    setup = traffic.take()
    for number in range(1, segments + 1):
        while traffic.assigned < number * assignments:
            traffic.turn()
        recorded.append(traffic.take())
    return Recording(setup, recorded, assignments, len(traffic.waiting))


class _Bag:
    """A set out of which any member can be drawn."""

    def __init__(self) -> None:
        self._members: list[str] = []
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._members)

    def add(self, member: str) -> None:
        self._places[member] = len(self._members)
        self._members.append(member)

    def discard(self, member: str) -> None:
        place = self._places.pop(member, None)
        if place is not None:
            last = self._members.pop()
            if last != member:
                self._members[place] = last
                self._places[last] = place

    def draw(self, rng: Random) -> str:
        """Some member, which stays."""
        return self._members[rng.randrange(len(self._members))]


class _Traffic:
    """Callers and agents of one centre; every agent accepts at once."""

    def __init__(self, centre: Centre, seed: int) -> None:
        self.centre = centre
        self.rng = Random(seed + 1)
        self.engine = Engine()
        self.now = START_NS
        self.step_ns = HANDLING_NS * 2 // max(1, centre.shape.agents) // 4
        self.steps: list[Step] = []
        self.contacts = 0
        self.assigned = 0
        self.waiting = _Bag()
        self.talking = _Bag()
        self.offers: dict[str, str] = {}  # by contact, all but the accepted ones
        self.in_wrapup: list[str] = []

    def take(self) -> list[Step]:
        """The commands since the last call."""
        taken, self.steps = self.steps, []
        return taken

    def open(self) -> None:
        """Log everybody in, and let contacts come until the steady state is reached."""
        shape = self.centre.shape
        self._do(ConfigApply(config=self.centre.config))
        for agent in self.centre.config.agents:
            self._do(AgentLogin(agent=agent.agent, ready=True))
        if shape.waiting:
            while len(self.waiting) < shape.waiting:
                self._enqueue()
        else:
            while len(self.talking) < shape.agents // 2:
                self._enqueue()
        self.assigned = 0

    def turn(self) -> None:
        """One contact comes, and one goes."""
        waiting = self.centre.shape.waiting
        if self.rng.random() < ABANDONED_SHARE:
            self._abandon()
        elif waiting == 0 or len(self.waiting) <= waiting:
            self._enqueue()
        while len(self.waiting) < waiting:
            self._enqueue()
        if len(self.talking) > self.centre.shape.agents // 2 or waiting:
            self._complete()

    def _enqueue(self, accept: bool = True) -> str:
        self.contacts += 1
        contact = f"c-{self.contacts}"
        self.waiting.add(contact)
        self._do(self.centre.enqueue(self.rng, contact))
        if accept:
            self._accept()
        return contact

    def _accept(self) -> None:
        while self.offers:
            contact = next(iter(self.offers))
            self._do(OfferAccept(offer=self.offers[contact]))
            self.assigned += 1

    def _abandon(self) -> None:
        """Somebody who waits gives up; where nobody waits, somebody who is just being offered."""
        if self.waiting:
            self._do(ContactAbandon(contact=self.waiting.draw(self.rng)))
        else:
            self._do(ContactAbandon(contact=self._enqueue(accept=False)))

    def _complete(self) -> None:
        """A conversation ends; the agent does his after-work and is free, or gets the next contact."""
        if not self.talking:
            return
        self._do(ContactComplete(contact=self.talking.draw(self.rng)))
        while self.in_wrapup:
            self._do(AgentWrapupDone(agent=self.in_wrapup.pop()))
        self._accept()

    def _do(self, command: Command) -> None:
        self.now += self.step_ns
        self.steps.append(Step(self.now, encode(command).rstrip()))
        outcome = command.apply(self.engine, self.now, CLIENT)
        assert Outcome(outcome) is Outcome.OK, command
        for event, _, _ in self.engine.take_events():
            if isinstance(event, ContactOffered):
                self.offers[event.contact] = event.offer
                self.waiting.discard(event.contact)
            elif isinstance(event, ContactConnected):
                del self.offers[event.contact]
                self.talking.add(event.contact)
            elif isinstance(event, OfferEnded):
                del self.offers[event.contact]
                self.waiting.add(event.contact)
            elif isinstance(event, ContactEnded):
                self.waiting.discard(event.contact)
                self.talking.discard(event.contact)
            elif isinstance(event, AgentChanged) and event.state == "wrapup":
                self.in_wrapup.append(event.agent)


class Call(NamedTuple):
    """A method of the machine and what it is called with."""

    method: str
    args: tuple[Any, ...]


def calls_of(steps: list[Step]) -> list[Call]:
    """The calls by which the commands reach a machine, with values just decoded, as the server has them."""
    calls: list[Call] = []

    class Notes:
        def __getattr__(self, method: str) -> Any:
            return lambda *args: calls.append(Call(method, args))

    machine = cast("Machine", Notes())
    for now, line in steps:
        command = decode_from_client(line)
        assert isinstance(command, Command), command
        command.apply(machine, now, CLIENT)
    return calls
