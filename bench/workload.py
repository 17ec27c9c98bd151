"""Contact centres and their traffic, by seed: what every benchmark feeds to what it measures.

An agent has 1..8 skills, the common ones more often than the rare ones, at levels 1..10. There are ten kinds of contact
for each skill; each asks what some real agent can do: one of his skills (60 %), two (30 %) or three (10 %), at no more
than his levels. Contacts come with four priorities. In 5 % of the turns a contact gives up.

With nobody waiting, half of the agents are free. With a number waiting, that number is kept: for each contact that is
served another one comes.
"""

from itertools import accumulate
from random import Random
from typing import Any, NamedTuple, cast

from acd_core import Config, Engine, Machine, Outcome
from acd_core.commands import (
    AgentLogin,
    AgentWrapupDone,
    Command,
    ConfigApply,
    ContactAbandon,
    ContactComplete,
    ContactEnqueue,
    OfferAccept,
)
from acd_core.config import Agent, Queue, Settings, Tenant
from acd_core.events import AgentChanged, ContactConnected, ContactEnded, ContactOffered, OfferEnded
from acd_protocol.framing import decode_from_client, encode

CLIENT = "pbx-1"
CLASSES_PER_SKILL = 10
PRIORITIES = 4
ABANDONED_SHARE = 0.05
HANDLING_NS = 180_000_000_000
"""A conversation takes so long on average; the time between two contacts follows from it."""
START_NS = 1_700_000_000_000_000_000
_MONTH_S = 2_592_000

MIX = (
    "agents with 1..8 skills (common ones more often) at levels 1..10; ten kinds of contact for each skill, drawn from "
    "what real agents can do (60 % one skill, 30 % two, 10 % three); 4 priorities; 5 % of the turns abandon; "
    "half of the agents free where nobody waits, else as many waiting as stated at all times"
)


class Shape(NamedTuple):
    """How large a centre is, and how many contacts wait in it."""

    agents: int
    skills: int
    waiting: int = 0

    def __str__(self) -> str:
        return f"{self.agents}-agents-{self.skills}-skills-{self.waiting}-waiting"


class Kind(NamedTuple):
    """One kind of contact: the queue it comes to, and what it asks beyond that queue."""

    queue: str
    require: str


class Centre:
    """A configuration, and the kinds of contact that come to it.

    Attributes:
        shape: what was asked for.
        kinds: the kinds of contact, by tenant.
        config: the whole configuration. With several tenants, each agent serves one of them.
    """

    def __init__(self, shape: Shape, seed: int = 1, tenants: tuple[str, ...] = ("acme",), wrapup_s: float = 30) -> None:
        self.shape = shape
        rng = Random(seed)
        skills = [f"skill-{number}" for number in range(shape.skills)]
        weights = list(accumulate((number + 1) ** -0.5 for number in range(shape.skills)))
        people = [_levels(rng, skills, weights) for _ in range(shape.agents)]
        kinds = max(1, CLASSES_PER_SKILL * shape.skills // len(tenants))
        self.kinds = {
            tenant: _kinds(rng, people[number :: len(tenants)], kinds) for number, tenant in enumerate(tenants)
        }
        self.config = Config(
            settings=Settings(missed_offers_max=0),
            skills=tuple(skills),
            tenants=tuple(Tenant(name) for name in tenants),
            queues=tuple(
                Queue(
                    tenant=tenant,
                    name=skill,
                    require=skill,
                    offer_timeout_s=3600,
                    wrapup_s=wrapup_s,
                    max_wait_s=_MONTH_S,
                    max_talk_s=_MONTH_S,
                )
                for tenant in tenants
                for skill in skills
            ),
            agents=tuple(
                Agent(
                    agent=f"a-{number}",
                    address=f"PJSIP/{number}",
                    tenants=(tenants[number % len(tenants)],) if len(tenants) > 1 else (),
                    skills=levels,
                )
                for number, levels in enumerate(people)
            ),
        )

    def enqueue(self, rng: Random, contact: str, tenant: str = "acme", *, plain: bool = False) -> ContactEnqueue:
        """A contact of some kind; a `plain` one asks no more than its queue does."""
        kind = rng.choice(self.kinds[tenant])
        return ContactEnqueue(
            contact=contact,
            tenant=tenant,
            queue=kind.queue,
            priority=rng.randrange(PRIORITIES),
            require="" if plain else kind.require,
            attributes={"ani": f"+34{rng.randrange(10**9):09d}"},
        )


def _levels(rng: Random, skills: list[str], weights: list[float]) -> dict[str, int]:
    """What one agent can do."""
    count = min(rng.randint(1, 8), len(skills))
    chosen: dict[str, int] = {}
    while len(chosen) < count:
        chosen[rng.choices(skills, cum_weights=weights)[0]] = rng.randint(1, 10)
    return chosen


def _kinds(rng: Random, people: list[dict[str, int]], count: int) -> list[Kind]:
    """So many different kinds of contact, or as many as a small centre gives rise to."""
    kinds: dict[Kind, None] = {}
    for _ in range(20 * count):
        levels = rng.choice(people)
        terms = min(rng.choices((1, 2, 3), (60, 30, 10))[0], len(levels))
        asked = [(skill, rng.randint(1, levels[skill])) for skill in rng.sample(sorted(levels), terms)]
        kinds[Kind(asked[0][0], " & ".join(f"{skill}>={level}" for skill, level in sorted(asked)))] = None
        if len(kinds) == count:
            break
    return list(kinds)


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
