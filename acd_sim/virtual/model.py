"""What is simulated: a configuration of the live system, those who call, those who answer, and for how long.

A model is a plain value without chance in it; `acd_sim.virtual.replication` plays it. Seconds count from the start of
the run, which is midnight of a Monday unless `start_ns` says otherwise.
"""

from typing import Annotated, Any

from msgspec import Meta, Struct

from acd_core.commands import AnyCommand
from acd_core.config import Config
from acd_sim.virtual.arrivals import Arrivals
from acd_sim.virtual.laws import Law

MONDAY_NS = 1_767_571_200_000_000_000
"""2026-01-05 00:00 UTC, a Monday."""
Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0, le=1e9)]
PositiveSeconds = Annotated[float, Meta(gt=0, le=1e9)]


class ModelError(ValueError):
    """A model that contradicts itself; the message names the place."""


class Retry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Callers who call again after they gave up or found the queue full.

    Attributes:
        share: of them who do, each time anew.
        after: how long they wait with it.
    """

    share: Share
    after: Law


class Onward(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """After the talk a share of the contacts is handed on and waits again, as the kind `to`: the next line of support.

    The first agent ends his part; the caller's next wait, patience and talk are those of that kind.
    """

    to: str
    share: Share


class CalledBack(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Callers who would rather be called back than wait: those of a queue with a `callback` table.

    Whom the engine says to ask is asked when he comes; when the queue has no `offer_when_wait_s`, all who have to wait.

    Attributes:
        share: of those asked who accept, and hang up.
        ahead: instead of that, those are asked who find so many of their kind before them when they come, on the phone or to be
            called back.
        queue: of the same tenant, which the contact is moved to when its caller hangs up, with its age; it stays when left out.
        not_reached: share of attempts to call them that nobody answers.
        rings_s: how long such an attempt keeps the agent.
    """

    share: Share
    ahead: Annotated[int, Meta(ge=0)] | None = None
    queue: str = ""
    not_reached: Annotated[float, Meta(ge=0, lt=1)] = 0
    rings_s: PositiveSeconds = 25


class Kind(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Contacts of one kind: where they come from, what they want, how they behave.

    Attributes:
        name: unique among the kinds.
        tenant, queue, priority, require, attributes: as in `contact.enqueue`.
        talk: from connection to the end of the conversation.
        wrapup: after-work; at most the queue's `wrapup_s`, which also holds when this is left out.
        patience: how long a caller waits; for ever when left out.
        callback: who of them is called back.
        onward: what becomes of some after their talk; shares add up to 1 at most.
        value: of an answered contact, in money.
    """

    name: str
    tenant: str
    queue: str
    arrivals: Arrivals
    talk: Law
    wrapup: Law | None = None
    patience: Law | None = None
    retry: Retry | None = None
    callback: CalledBack | None = None
    onward: tuple[Onward, ...] = ()
    priority: Annotated[int, Meta(ge=0, le=100)] = 0
    require: str = ""
    attributes: dict[str, Any] = {}
    value: float = 0


class Crew(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Agents who behave alike.

    Attributes:
        agents: their ids; each agent of the configuration is in one crew at most. Agents in no crew answer at once.
        answer: how long they take to answer an offer; at once when left out.
        no_answer: share of offers that they let ring out.
        reject: share of offers that they reject at once.
        speed: factor on the talk of every contact; 0.8 is faster than usual.
        returns_s: who is paused for missed offers comes back after so long.
    """

    agents: tuple[str, ...]
    answer: Law | None = None
    no_answer: Share = 0
    reject: Share = 0
    speed: Annotated[float, Meta(gt=0, le=1e9)] = 1
    returns_s: PositiveSeconds = 300


class Break(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A break: it begins when its time has come and the contact in hand is done, and lasts its full length."""

    at_s: Seconds
    length_s: PositiveSeconds


class Shift(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stretch of presence, for some agents.

    Attributes:
        agents: their ids.
        from_s, to_s: first log-in and log-out. A contact in hand is brought to its end.
        breaks: within it, in seconds of the run.
        absent: share of the agents who do not come, drawn for each (sickness, training: planned shrinkage).
        pauses_per_hour, pause: unplanned pauses of each agent at random, and how long they last.
        every_s: the shift is repeated after so long, to the end of the run; 0 for never.
    """

    agents: tuple[str, ...]
    from_s: Seconds
    to_s: Seconds
    breaks: tuple[Break, ...] = ()
    absent: Share = 0
    pauses_per_hour: Annotated[float, Meta(ge=0, le=1000)] = 0
    pause: Law | None = None
    every_s: Seconds = 0


class Outage(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stretch of time in which agents cannot be reached, as when their PBX is away.

    Attributes:
        agents: their ids. Conversations go on.
    """

    agents: tuple[str, ...]
    from_s: Seconds
    to_s: Seconds


class Timed(Struct, frozen=True, kw_only=True):
    """A command to the engine at a time, such as another configuration."""

    at_s: Seconds
    command: AnyCommand


class Model(Struct, frozen=True, kw_only=True):
    """A centre to simulate.

    Attributes:
        config: as `acd apply` reads it.
        kinds: of contacts.
        crews: how agents behave.
        shifts: when agents are there. Agents in no shift are there all the time.
        outages, commands: what else happens.
        horizon_s: nobody arrives after it; those who are there are served or leave.
        warmup_s: contacts that arrive before it are not counted.
        interval_s: length of the intervals that results are given by.
        speeds: factor on the talk by kind and agent, beside the crew's.
        values: of an answered contact by kind and agent, where it is not the kind's.
        line_minute: cost of a minute of a contact that waits or talks.
        lost: cost of a contact that nobody answered.
        start_ns: engine time of second 0.
        traced: so many contacts are kept one by one, in the order of their end.
    """

    config: Config
    kinds: tuple[Kind, ...]
    horizon_s: PositiveSeconds
    crews: tuple[Crew, ...] = ()
    shifts: tuple[Shift, ...] = ()
    outages: tuple[Outage, ...] = ()
    commands: tuple[Timed, ...] = ()
    warmup_s: Seconds = 0
    interval_s: PositiveSeconds = 1800
    speeds: dict[tuple[str, str], float] = {}
    values: dict[tuple[str, str], float] = {}
    line_minute: float = 0
    lost: float = 0
    start_ns: int = MONDAY_NS
    traced: int = 0

    @property
    def agents(self) -> list[str]:
        """All agents, in the order of the configuration."""
        return [agent.agent for agent in self.config.agents]


def check(model: Model) -> None:
    """Raise `ModelError` for the first contradiction in a model."""
    if not model.kinds:
        raise ModelError("there are no contacts; add a kind")
    names = [kind.name for kind in model.kinds]
    for name in names:
        if names.count(name) > 1:
            raise ModelError(f"two kinds of contacts are called {name!r}; rename one")
    queues = {(queue.tenant, queue.name): queue for queue in model.config.queues}
    for kind in model.kinds:
        if (kind.tenant, kind.queue) not in queues:
            raise ModelError(f"kind {kind.name}: there is no queue {kind.tenant}/{kind.queue} in the configuration")
        if kind.callback is not None and queues[kind.tenant, kind.queue].callback is None:
            raise ModelError(
                f"kind {kind.name}: callback: the queue {kind.tenant}/{kind.queue} has no table 'callback'; add it"
            )
        if kind.callback is not None and kind.callback.queue and (kind.tenant, kind.callback.queue) not in queues:
            raise ModelError(f"kind {kind.name}: callback: there is no queue {kind.tenant}/{kind.callback.queue}")
        for step in kind.onward:
            if step.to not in names:
                raise ModelError(f"kind {kind.name}: onward: there is no kind {step.to!r}")
        if sum(step.share for step in kind.onward) > 1 + 1e-9:
            raise ModelError(f"kind {kind.name}: onward: the shares add up to more than 1")
    if model.warmup_s >= model.horizon_s:
        raise ModelError("the warm-up must end before the horizon")
    agents = set(model.agents)
    crewed: set[str] = set()
    groups = [(f"crew {number}", crew.agents) for number, crew in enumerate(model.crews, 1)]
    groups += [(f"shift {number}", shift.agents) for number, shift in enumerate(model.shifts, 1)]
    groups += [(f"outage {number}", outage.agents) for number, outage in enumerate(model.outages, 1)]
    for place, members in groups:
        for agent in members:
            if agent not in agents:
                raise ModelError(f"{place}: there is no agent {agent!r} in the configuration")
    for crew in model.crews:
        for agent in crew.agents:
            if agent in crewed:
                raise ModelError(f"agent {agent!r} is in two crews; take him out of one")
            crewed.add(agent)
    for number, shift in enumerate(model.shifts, 1):
        if shift.to_s <= shift.from_s:
            raise ModelError(f"shift {number}: it ends before it begins")
        if shift.pauses_per_hour and shift.pause is None:
            raise ModelError(f"shift {number}: pauses_per_hour needs the law 'pause'")
    for kind_name, agent in (*model.speeds, *model.values):
        if kind_name not in names or agent not in agents:
            raise ModelError(f"speeds and values: there is no kind {kind_name!r} or no agent {agent!r}")
