"""What the model keeps of queues, contacts and agents, and what follows from it at once."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from acd_core import requirement
from acd_core.config import SERVICE_LEVEL_ONE, Agent, PauseReason, Queue, Step, StepsMode, ageing_of, ns_of_seconds
from acd_core.events import ClosingCause, EndReason
from acd_core.model.occupancy import Use
from acd_core.model.pace import Pace
from acd_core.plan import Plan, Stage
from acd_core.urgency import HEAD_START_MAX_NS, LEVEL_MAX, NO_LIMIT, OrderKey, Urgency, bounded
from acd_core.views import (
    ACCEPT_BUCKETS_S,
    HANDLE_BUCKETS_S,
    WAIT_BUCKETS_S,
    Activity,
    CallbackView,
    ContactState,
    Direction,
    Estimate,
    LegState,
    Passage,
    Presence,
)

NS_PER_S = 1_000_000_000


@dataclass
class Timer:
    deadline: int
    seq: int


@dataclass(eq=False)
class CalendarRow:
    """Opening hours. A calendar whose instants nobody has given is open."""

    name: str
    open: bool = True
    changes: list[int] = field(default_factory=list)
    timer: Timer | None = None


@dataclass(eq=False)
class QueueRow:
    config: Queue
    strict: bool = False
    calendar: CalendarRow | None = None
    emergency: str | None = None
    closed_told: tuple[ClosingCause, str] | None = None
    turn: int = 0
    timer: Timer | None = None
    reserving: bool = False
    recent_in_target: int = SERVICE_LEVEL_ONE
    allocated: dict[str, int] = field(default_factory=dict)
    consults: int = 0
    conferences: int = 0
    callbacks: int = 0
    callbacks_failed: int = 0
    callback_delay_ns: int = 0
    entered: int = 0
    overflowed: int = 0
    answered: int = 0
    answered_in_target: int = 0
    abandoned_in_target: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    offers: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    wait_ns: int = 0
    talk_ns: int = 0
    histogram: list[int] = field(default_factory=lambda: [0] * (len(WAIT_BUCKETS_S) + 1))
    accept_ns: int = 0
    accept_histogram: list[int] = field(default_factory=lambda: [0] * (len(ACCEPT_BUCKETS_S) + 1))
    handle_ns: int = 0
    handle_histogram: list[int] = field(default_factory=lambda: [0] * (len(HANDLE_BUCKETS_S) + 1))
    paces: dict[requirement.Requirement, Pace] = field(default_factory=dict)
    forecasts: int = 0
    forecast_error_ms: int = 0
    forecast_off_ms: int = 0
    forecast_in_p50: int = 0
    forecast_in_p90: int = 0

    @property
    def path(self) -> str:
        return f"{self.config.tenant}/{self.config.name}"

    @property
    def closed(self) -> tuple[ClosingCause, str] | None:
        """Why it is closed, with the supervisor's reason; None while it is open."""
        if self.emergency is not None:
            return "emergency", self.emergency
        return None if self.calendar is None or self.calendar.open else ("hours", "")


@dataclass(eq=False)
class LegRow:
    """What joins a contact and an agent, from the offer to the end of the wrap-up; its number is the offer's."""

    number: int
    contact: "ContactRow | None"
    contact_id: str
    agent: "AgentRow"
    queue: QueueRow
    since: int
    direction: Direction = "inbound"
    state: LegState = "offered"
    connected: int = 0
    latest: int = 0
    timer: Timer | None = None


@dataclass(frozen=True)
class ByHand:
    """What put a contact beside another: the difference to level and head start of its own, and its since and nudge."""

    level: int
    head_start: int
    since: int
    nudge: int


@dataclass(eq=False)
class ContactRow:
    id: str
    client: str
    queue: QueueRow
    seq: int
    priority: int
    own_terms: requirement.Requirement
    attributes: dict[str, Any]
    enqueued: int
    plan: Plan
    own_steps: tuple[Step, ...]
    own_steps_mode: StepsMode
    direction: Direction = "inbound"
    age: int = 0
    credit: int = 0
    waited_before: int = 0
    by_hand: ByHand | None = None
    state: ContactState = "queued"
    connected: int = 0
    completed: int = 0
    held: bool = False
    legs: list[LegRow] = field(default_factory=list)
    end_reason: EndReason | None = None
    disposition: str = ""
    wait_expired: bool = False
    timer: Timer | None = None
    step: int = 0
    step_timer: Timer | None = None
    pace: Pace | None = None
    place: int = -1
    estimate: Estimate | None = None
    useless: bool = False
    stay: int | None = None
    stay_timer: Timer | None = None
    seen_ms: int = -1
    look_timer: Timer | None = None
    callback: CallbackView | None = None
    overflows: int = 0
    arrived_in: str = ""
    history: list[str] = field(default_factory=list)
    trail: list[Passage] = field(default_factory=list)
    caller: str = ""
    consults: str = ""
    asked_by: str = ""
    consult: "ContactRow | None" = None
    preferred: list[str] = field(default_factory=list)
    prefer_wait: bool = False
    prefer_until: int = 0
    prefer_timer: Timer | None = None
    deserted: bool = False

    @property
    def stage(self) -> Stage:
        """What holds now. For one in conversation its plan may have become shorter meanwhile."""
        return self.plan[min(self.step, len(self.plan) - 1)]

    @property
    def helping(self) -> list[str]:
        """The queues whose agents count for it, as paths."""
        tenant = self.queue.config.tenant
        return [self.queue.path, *(f"{tenant}/{name}" for name in self.stage.further)]

    @property
    def offers(self) -> list[LegRow]:
        return [leg for leg in self.legs if leg.state == "offered"]

    @property
    def leg(self) -> LegRow | None:
        """The leg that tells most of the contact: a conversation, else an offer, else a wrap-up; the oldest such."""
        return foremost(self.legs)

    @property
    def agent(self) -> "AgentRow | None":
        return self.leg.agent if self.leg else None

    @property
    def in_line(self) -> bool:
        """Whether one more agent can be offered the contact."""
        if self.state == "offered":
            return not self.wait_expired and len(self.offers) < self.queue.config.offers_at_once
        return self.state == "queued"

    @property
    def terms(self) -> requirement.Requirement:
        return self.stage.asked(self.own_terms)

    @property
    def urgency(self) -> Urgency:
        """What its place follows from, as its queue grows urgent by waiting: as it is by itself, or beside the contact that it
        was moved to by hand.
        """
        own, moved = self.own_urgency, self.by_hand
        if moved is None:
            return own
        return Urgency(
            level=bounded(own.level + moved.level, LEVEL_MAX) if self.queue.strict else 0,
            since_ns=moved.since,
            head_start_ns=bounded(own.head_start_ns + moved.head_start, HEAD_START_MAX_NS),
            ageing=own.ageing,
            most_ns=own.most_ns,
            nudge_ns=moved.nudge,
        )

    def beside(self, other: "ContactRow", nudge: int) -> ByHand:
        """What would put it right before another (by 1) or behind it (by -1)."""
        own, goal = self.own_urgency, other.urgency
        return ByHand(
            goal.level - own.level,
            goal.head_start_ns - own.head_start_ns,
            goal.since_ns,
            goal.nudge_ns + nudge,
        )

    def waited(self, now: int) -> int:
        """How long its caller has waited here; one who is called back hung up when he asked for it."""
        until = now if self.callback is None else self.callback.asked_ns
        return max(0, until - self.enqueued)

    def begin_anew(self, now: int) -> None:
        """Its waiting counts from now on only."""
        if self.caller:
            self.waited_before += self.waited(now)
        self.enqueued = now
        self.age = self.credit = 0

    @property
    def own_urgency(self) -> Urgency:
        config = self.queue.config
        points = self.stage.points + self.priority
        worth = 0 if self.queue.strict else points * ns_of_seconds(config.priority_step_s)
        return Urgency(
            level=bounded(points, LEVEL_MAX) if self.queue.strict else 0,
            since_ns=self.enqueued - self.age,
            head_start_ns=bounded(ns_of_seconds(config.head_start_s) + worth, HEAD_START_MAX_NS),
            ageing=ageing_of(config),
            most_ns=NO_LIMIT if config.urgency_max_s is None else ns_of_seconds(config.urgency_max_s),
            nudge_ns=0,
        )

    @property
    def order_for_good(self) -> OrderKey:
        """The order of service within a queue, apart from its limit of urgency: with one slope for all it never changes."""
        return self.urgency.for_good.key(0, self.seq)

    @property
    def timers(self) -> tuple[Timer | None, ...]:
        return self.timer, self.step_timer, self.stay_timer, self.prefer_timer, self.look_timer

    @property
    def bound(self) -> bool:
        """Whether nobody but those whom it prefers may have it."""
        return self.prefer_wait and bool(self.preferred)

    def preference(self, agent: "AgentRow") -> int:
        """How far down an agent is on the list of those whom it prefers; the lowest comes first."""
        name = agent.config.agent
        return self.preferred.index(name) if name in self.preferred else len(self.preferred)


@dataclass(eq=False)
class AgentRow:
    config: Agent
    address: str
    skills: dict[str, int]
    attributes: dict[str, str | int]
    client: str = ""
    presence: Presence = "logged_out"
    activity: Activity = "none"
    pause_reason: str = ""
    cooldown_cause: str = ""
    logging_out: bool = False
    queues: tuple[str, ...] = ()
    legs: list[LegRow] = field(default_factory=list)
    idle_seq: int = 0
    missed: int = 0
    failed: list[int] = field(default_factory=list)
    since: int = 0
    timer: Timer | None = None
    answered: int = 0
    answered_since_login: int = 0
    inbound_seq: int = 0
    occupancy: int = 0
    occupancy_us: int = 0
    occupancy_key: int = 0
    use: Use = "free"
    resting: bool = False
    rest_clock: "RestClock | None" = None
    outside: dict[str, "Outside"] = field(default_factory=dict)
    outside_clock: "OutsideClock | None" = None
    kept_seq: int = 0
    turns: dict[str, int] = field(default_factory=dict)
    missed_total: int = 0
    rejected_total: int = 0
    talk_ns: int = 0
    counted_us: int = 0
    position: int = 0
    pauses: dict[str, "PauseSum"] = field(default_factory=dict)
    pause_clock: "PauseClock | None" = None
    paid_ns: int = 0
    unpaid_ns: int = 0

    @property
    def state(self) -> str:
        return self.presence if self.activity == "none" else self.activity

    @property
    def cause(self) -> str:
        """Why he is in cooldown, if he is."""
        return self.cooldown_cause if self.timer else "occupancy"

    @property
    def clock(self) -> Timer | None:
        """What ends the state that he is seen in."""
        if self.on_outside:
            return self.outside_clock.timer if self.outside_clock else None
        if self.leg is not None:
            return self.leg.timer
        if self.timer is None and self.activity == "cooldown" and self.rest_clock is not None:
            return self.rest_clock.timer
        return self.timer

    @property
    def leg(self) -> LegRow | None:
        return foremost(self.legs)

    @property
    def on_outside(self) -> bool:
        """Whether he is busy with what did not come from here, and with nothing else."""
        return self.activity == "busy" and (self.leg is None or self.leg.state != "connected")

    @property
    def facts(self) -> dict[str, str | int]:
        """What requirements can speak of."""
        return self.attributes | {"id": self.config.agent}

    @property
    def rung(self) -> bool:
        return any(leg.state == "offered" for leg in self.legs)

    def serves(self, paths: Iterable[str]) -> bool:
        """Whether he is logged in to one of these queues, or to all that are his."""
        return not self.queues or any(path in self.queues for path in paths)

    def rank(self, path: str) -> int:
        return self.config.ranks.get(path, 0)


@dataclass
class PauseSum:
    """An agent's pauses for one reason, in the window that began then."""

    began: int
    used: int = 0


@dataclass(frozen=True)
class Outside:
    """Contacts of a channel that an agent has from elsewhere, and until when that report counts."""

    contacts: int
    until: int


@dataclass(eq=False)
class OutsideClock:
    """When the first of an agent's reports of contacts from elsewhere is too old."""

    agent: AgentRow
    timer: Timer | None = None


@dataclass(eq=False)
class RestClock:
    """When an agent's rest ends, or while he is occupied begins."""

    agent: AgentRow
    timer: Timer | None = None


@dataclass(eq=False)
class PauseClock:
    """A pause that is counted."""

    agent: AgentRow
    reason: PauseReason
    began: int
    timer: Timer | None = None


def foremost(legs: list[LegRow]) -> LegRow | None:
    order = ("connected", "offered", "wrapup")
    return min(legs, key=lambda leg: (order.index(leg.state), leg.number), default=None)


def offer_id(number: int) -> str:
    return f"o-{number}"


def bucket(duration_ns: int, bounds_s: tuple[int, ...]) -> int:
    """The bucket of a histogram that a duration falls into."""
    return sum(duration_ns > bound * NS_PER_S for bound in bounds_s)


def counted(words: Iterable[str]) -> dict[str, int]:
    """How often each word occurs, in alphabetical order."""
    return dict(sorted(Counter(words).items()))
