"""What may stand in a scenario file, beside the tables of a configuration: one Struct a table.

Times of day are written `"08:30"`; on a run of several days `"tue 08:30"` or `"2 08:30"` (the second day) name one day.
Durations that end in `_s` are seconds.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from acd_core.config import AgentAttributes, Level, Name, QueuePath, Rank, RequirementText, SkillName
from acd_sim.virtual.laws import Constant, Empirical, Exponential, Gamma, Lognormal, Survival, Uniform

Share = Annotated[float, Meta(ge=0, le=1)]
NonNegative = Annotated[float, Meta(ge=0, le=1e9)]
Positive = Annotated[float, Meta(gt=0, le=1e9)]
Moment = Annotated[
    str,
    Meta(
        pattern=r"^((mon|tue|wed|thu|fri|sat|sun|[1-9]\d{0,3}) )?\d{1,2}:\d\d(:\d\d)?\Z",
        description='a time such as "08:30", "tue 08:30" or "2 08:30"',
    ),
]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[str, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class FromFile(Struct, frozen=True, forbid_unknown_fields=True, tag_field="law", tag="file"):
    """Durations that were observed: a column of a CSV file, in seconds."""

    path: str
    column: str


class KaplanMeier(Struct, frozen=True, forbid_unknown_fields=True, tag_field="law", tag="kaplan_meier"):
    """Patience estimated from a CSV file of waits, of which some ended with an answer.

    Attributes:
        wait: column with the seconds waited.
        left: column that tells who gave up: `1`, `true`, `yes`, `abandoned` or `HANG`.
    """

    path: str
    wait: str
    left: str


AnyLaw = Constant | Exponential | Lognormal | Gamma | Uniform | Empirical | Survival | FromFile | KaplanMeier
LawOrSeconds = AnyLaw | Annotated[float, Meta(ge=0, le=1e9)]


class Run(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long, how often.

    Attributes:
        days: length of the run in days from midnight; or `hours`.
        hours: length in hours.
        start: weekday of the first day.
        replications: how many times it is played.
        seed: equal seeds give equal callers.
        warmup_s: seconds at the beginning that do not count, or "auto" to find out.
        interval_minutes: length of the intervals of the report.
    """

    days: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    hours: Positive | None = None
    start: Weekday = "mon"
    replications: Annotated[int, Meta(ge=1, le=100_000)] = 20
    seed: Annotated[int, Meta(ge=0)] = 1
    warmup_s: NonNegative | Literal["auto"] = 0
    interval_minutes: Annotated[float, Meta(ge=1, le=1440)] = 30


class Goals(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is aimed at: the report marks what misses it, and `acd staff` searches for it.

    Attributes:
        service_level: share answered within the queue's `service_level_s`.
        abandonment: at most this share gives up.
        occupancy: agents are not busier than this.
    """

    service_level: Share | None = None
    abandonment: Share | None = None
    occupancy: Share | None = None


class Costs(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What things cost, in `currency`. An hour of an agent is the team's or the agent's `cost`.

    Attributes:
        line_minute: a minute of a contact that waits or talks.
        lost: a contact that nobody answered.
    """

    currency: str = "EUR"
    line_minute: NonNegative = 0
    lost: NonNegative = 0


class ArrivalsEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"from_": "from"}):
    """When contacts come: exactly one of `per_hour`, `counts`, `backlog` and `file`.

    Attributes:
        per_hour: at one rate, at random.
        counts: expected number in each slot of a day, at random.
        slot_minutes: length of a slot.
        backlog: so many are kept waiting at all times, such as numbers to be dialled.
        total: so many there are of the backlog in all.
        file, column: a CSV file with the second of the run at which each came.
        talk_column, patience_column: columns of it with what else is known of each.
        from, to: when it begins (and ends).
        day_cv: spread of the days around their mean beyond chance: standard deviation divided by mean.
        weekdays: factor by weekday; 1 where not given.
    """

    per_hour: NonNegative | None = None
    counts: Annotated[tuple[NonNegative, ...], Meta(min_length=1)] | None = None
    slot_minutes: Annotated[float, Meta(gt=0, le=1440)] = 30
    backlog: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    total: Annotated[int, Meta(ge=1)] | None = None
    file: str | None = None
    column: str = "at_s"
    talk_column: str | None = None
    patience_column: str | None = None
    from_: Moment | None = None
    to: Moment | None = None
    day_cv: Annotated[float, Meta(ge=0, le=10)] = 0
    weekdays: dict[Weekday, NonNegative] = {}


class RetryEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Callers who call again after they gave up or were turned away: which share, and after how long."""

    share: Share
    after: LawOrSeconds


class CallbackEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Callers who would rather be called back, when they are asked; their queue has a `callback` table.

    Attributes:
        share: of those asked who accept.
        ahead: instead of whom the engine says to ask, those are asked who find so many of their kind before them.
        queue: of the same tenant, which they are moved to when they hang up; they keep their place when left out.
        not_reached: share of the attempts to call them that nobody answers.
        rings_s: how long such an attempt keeps the agent.
    """

    share: Share
    ahead: Annotated[int, Meta(ge=0)] | None = None
    queue: str = ""
    not_reached: Annotated[float, Meta(ge=0, lt=1)] = 0
    rings_s: Positive = 25


class OnwardEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Contacts that are handed on after their talk: which share, and the name of the contacts that they become."""

    to: str
    share: Share


class Contacts(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Contacts of one kind.

    Attributes:
        name: in the report.
        queue: as `tenant/queue`.
        arrivals, talk, wrapup, patience, retry: how they come and behave; see the pages of `acd_sim.virtual`.
        callback: who of them is called back.
        onward: contacts that are handed on to the next line of support after their talk.
        priority, require, attributes: as in `contact.enqueue`.
        value: of an answered one, in money.
    """

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    queue: QueuePath
    arrivals: ArrivalsEntry
    talk: LawOrSeconds
    wrapup: LawOrSeconds | None = None
    patience: LawOrSeconds | None = None
    retry: RetryEntry | None = None
    callback: CallbackEntry | None = None
    onward: tuple[OnwardEntry, ...] = ()
    priority: Annotated[int, Meta(ge=0, le=100)] = 0
    require: RequirementText = ""
    attributes: dict[str, Any] = {}
    value: float = 0


class BreakEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A break: when, and for how long.

    Attributes:
        until: the agents of the shift go one after the other, the first at `at`, the last then; all at once when left
            out.
    """

    at: Moment
    minutes: Positive
    until: Moment | None = None


class ShiftEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"from_": "from"}):
    """When some of a team are there, on each day.

    Attributes:
        from, to: a time before `from` is of the next day.
        count: so many of the team, from its first on that are in no earlier shift of it; all others when left out.
        weekdays: on these days only.
    """

    from_: Moment
    to: Moment
    count: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    weekdays: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    breaks: tuple[BreakEntry, ...] = ()


class Pauses(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unplanned pauses of each agent: how many an hour, and how long."""

    per_hour: Annotated[float, Meta(ge=0, le=1000)]
    length: LawOrSeconds


class Team(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Agents who are alike: new ones (`count`), or some of the configuration (`agents`).

    Attributes:
        name: in the report; new agents are called `name-1`, `name-2` and so on.
        count: so many new ones.
        agents: ids of configured ones; `*` at the end stands for anything.
        tenants, skills, ranks, attributes, cost: as in `[[agents]]`, for new ones.
        shifts: when they are there; all the time when there are none.
        answer: how long they take to answer an offer.
        no_answer, reject: share of offers that they let ring out, or reject.
        speed: factor on the length of their talks; `speeds` for contacts of a name, beside it.
        absent: share that does not come (shrinkage).
        pauses: unplanned ones.
        returns_s: who was paused for missed offers comes back after so long.
    """

    name: Name
    count: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    agents: tuple[str, ...] = ()
    tenants: tuple[Name, ...] = ()
    skills: dict[SkillName, Level] = {}
    ranks: dict[QueuePath, Rank] = {}
    attributes: AgentAttributes = {}
    cost: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    shifts: tuple[ShiftEntry, ...] = ()
    answer: LawOrSeconds | None = None
    no_answer: Share = 0
    reject: Share = 0
    speed: Positive = 1
    speeds: dict[str, Positive] = {}
    absent: Share = 0
    pauses: Pauses | None = None
    returns_s: Positive = 300


class SurgeEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"from_": "from"}):
    """A stretch of time in which `factor` times as many contacts come; 0 when no line works.

    Attributes:
        contacts: names of the kinds; all when left out.
    """

    from_: Moment
    to: Moment
    factor: Annotated[float, Meta(ge=0, le=10_000)]
    contacts: tuple[str, ...] = ()


class OutageEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"from_": "from"}):
    """A stretch of time in which the agents of some teams cannot be reached; conversations go on."""

    from_: Moment
    to: Moment
    teams: Annotated[tuple[str, ...], Meta(min_length=1)]


class Scenario(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A scenario file without the tables of its configuration.

    Attributes:
        title, about: for the report.
        config: a configuration file; its tables may stand in the scenario instead, or beside it.
    """

    title: str = ""
    about: str = ""
    config: str = ""
    run: Run = Run()
    goals: Goals = Goals()
    costs: Costs = Costs()
    contacts: Annotated[tuple[Contacts, ...], Meta(min_length=1)]
    teams: tuple[Team, ...] = ()
    surges: tuple[SurgeEntry, ...] = ()
    outages: tuple[OutageEntry, ...] = ()
