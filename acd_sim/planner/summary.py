"""The figures of a report as plain data: what the terminal, JSON, CSV and pages show."""

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from acd_core.views import AGENT_STATES
from acd_sim.planner.alternatives import Played
from acd_sim.virtual import MEASURES, Backlog, Estimate, Model
from acd_sim.virtual.measures import AVAILABLE, BIN_GROWTH, FIRST_BIN_S, WORKING
from acd_sim.virtual.study import Study

DAY_S = 86_400.0
IDLE = 0.5
"""Intervals with fewer contacts and agents than this are not shown."""
SHOWN = (
    "offered", "answered", "service_level", "abandonment", "blocked", "expired", "asa_s", "wait_p95_s",
    "handle_s", "occupancy", "agent_hours", "cost", "value", "cost_per_answered", "value_per_offered",
)  # fmt: skip
BY_KIND = (
    "offered", "answered", "service_level", "abandonment", "blocked", "asa_s", "wait_p95_s", "longest_wait_s", "queue",
    "handle_s", "retried", "called_back", "callback_delay_s", "value",
)  # fmt: skip
BY_INTERVAL = ("offered", "service_level", "abandonment", "asa_s", "queue", "agents", "occupancy")
DIFFERENCES = (
    "service_level", "abandonment", "asa_s", "wait_p95_s", "occupancy", "answered", "cost", "value",
    "cost_per_answered", "value_per_offered",
)  # fmt: skip
NOT_SHOWN_WHEN_ZERO = (
    "blocked",
    "expired",
    "cost",
    "value",
    "cost_per_answered",
    "value_per_offered",
    "retried",
    "called_back",
    "callback_delay_s",
)


CALLERS_ONLY = (
    "service_level", "abandonment", "blocked", "expired", "delayed", "wait_s", "asa_s", "wait_p50_s", "wait_p95_s",
    "longest_wait_s", "queue", "queue_max", "retried",
)  # fmt: skip
"""What says nothing of contacts that are there to wait, such as numbers to be dialled: they are left out of totals."""


class Cell(Struct, frozen=True):
    """A figure with its 95 % interval; None where nothing is known."""

    mean: float | None
    half_width: float | None

    @classmethod
    def of(cls, estimate: Estimate) -> "Cell":
        """From an estimate."""
        return cls(_known(estimate.mean), _known(estimate.half_width))


class Row(Struct, frozen=True):
    """A measure of all contacts, and by kind where it makes sense."""

    measure: str
    title: str
    unit: str
    total: Cell
    kinds: dict[str, Cell]


class Interval(Struct, frozen=True):
    """A stretch of the day (of all days alike, when there are several), and its figures by measure."""

    label: str
    from_s: float
    total: dict[str, Cell]
    kinds: dict[str, dict[str, Cell]]


class AgentFigures(Struct, frozen=True):
    """What an agent did: share of his time at work in hand, contacts answered in each replication."""

    agent: str
    team: str
    occupancy: Cell
    answered: Cell
    hours: float


class Waits(Struct, frozen=True):
    """Share of the answered of one kind that waited up to so many seconds."""

    kind: str
    seconds: list[float]
    share: list[float]


class Summary(Struct, frozen=True):
    """One alternative.

    Attributes:
        label, title, about: what it is.
        replications, asked, interrupted: how many were played, and wanted; whether somebody stopped it.
        seed, warmup_s, horizon_s: of the runs.
        contacts, seconds: simulated in all, and what that took.
        currency, goals: of the scenario.
        rows, intervals, waits, agents: the figures.
    """

    label: str
    title: str
    about: str
    replications: int
    asked: int
    interrupted: bool
    seed: int
    warmup_s: float
    horizon_s: float
    contacts: int
    seconds: float
    currency: str
    goals: dict[str, float]
    swept: dict[str, float | int | str | bool]
    rows: list[Row]
    intervals: list[Interval]
    waits: list[Waits]
    agents: list[AgentFigures]


class Difference(Struct, frozen=True):
    """How much an alternative differs from the first one in a measure, pair by pair of equal callers."""

    label: str
    measure: str
    title: str
    unit: str
    difference: Cell
    better: bool | None


class Report(Struct, frozen=True):
    """All alternatives, and how each differs from the first."""

    alternatives: list[Summary]
    differences: list[Difference]


def report_of(played: Sequence[Played]) -> Report:
    """The figures of all alternatives."""
    base = played[0]
    differences = [
        found
        for other in played[1:]
        for name in DIFFERENCES
        if (found := _difference(base, other, name)) is not None
    ]  # fmt: skip
    return Report([summarise(one) for one in played], differences)


def summarise(played: Played) -> Summary:
    """The figures of one alternative."""
    study, planned = played.study, played.alternative.planned
    kinds = [kind.name for kind in study.model.kinds]
    goals = planned.scenario.goals
    return Summary(
        label=played.alternative.label,
        title=planned.scenario.title or planned.name,
        about=planned.scenario.about,
        replications=len(study.replications),
        asked=study.asked,
        interrupted=study.interrupted,
        seed=study.seed,
        warmup_s=study.model.warmup_s,
        horizon_s=study.model.horizon_s,
        contacts=sum(replication.contacts for replication in study.replications),
        seconds=round(sum(replication.took_s for replication in study.replications), 3),
        currency=planned.scenario.costs.currency,
        goals={name: value for name in goals.__struct_fields__ if (value := getattr(goals, name)) is not None},
        swept=played.alternative.swept,
        rows=_rows(study, kinds),
        intervals=_intervals(study, kinds),
        waits=[waits for kind in callers_of(study.model) or kinds if (waits := _waits(study, kind)) is not None],
        agents=_agents(study, {agent: team for team, agents in planned.teams.items() for agent in agents}),
    )


def groups_of(study: Study) -> list[tuple[float, list[int]]]:
    """The intervals of a day with their beginning; runs of several days lie on top of each other."""
    model = study.model
    whole = int(np.ceil(model.horizon_s / model.interval_s - 1e-9))
    per_day = round(DAY_S / model.interval_s)
    if model.horizon_s <= DAY_S or abs(per_day * model.interval_s - DAY_S) > 1e-6:
        return [(number * model.interval_s, [number]) for number in range(whole)]
    return [(number * model.interval_s, list(range(number, whole, per_day))) for number in range(per_day)]


def callers_of(model: Model) -> list[str] | None:
    """The kinds that somebody waits for; None for all."""
    kinds = [kind.name for kind in model.kinds if not isinstance(kind.arrivals, Backlog)]
    return kinds if 0 < len(kinds) < len(model.kinds) else None


def _of_kind(model: Model, kind: str, measure: str, found: Estimate) -> Cell:
    """A figure of one kind; nothing where it would say nothing."""
    callers = callers_of(model)
    return (
        Cell(None, None) if measure in CALLERS_ONLY and callers is not None and kind not in callers else Cell.of(found)
    )


def _totals(study: Study, names: Sequence[str], intervals: Sequence[int] | None = None) -> dict[str, Estimate]:
    callers = callers_of(study.model)
    found = study.estimates(names, None, intervals)
    if callers is not None:
        found |= study.estimates([name for name in names if name in CALLERS_ONLY], callers, intervals)
    return found


def _rows(study: Study, kinds: Sequence[str]) -> list[Row]:
    rows = []
    names = list(dict.fromkeys((*SHOWN, *BY_KIND)))
    totals = _totals(study, names)
    by_kind = {kind: study.estimates(BY_KIND, [kind]) for kind in kinds}
    for name in names:
        measure = MEASURES[name]
        if name in NOT_SHOWN_WHEN_ZERO and not totals[name].mean > 0:
            continue
        cells = {kind: _of_kind(study.model, kind, name, by_kind[kind][name]) for kind in kinds if name in BY_KIND}
        rows.append(Row(name, measure.title, measure.unit, Cell.of(totals[name]), cells))
    return rows


def _intervals(study: Study, kinds: Sequence[str]) -> list[Interval]:
    intervals = []
    for since, members in groups_of(study):
        if since + study.model.interval_s <= study.model.warmup_s and len(members) == 1:
            continue
        total = {name: Cell.of(found) for name, found in _totals(study, BY_INTERVAL, members).items()}
        if (total["offered"].mean or 0) < IDLE and (total["agents"].mean or 0) < IDLE:
            continue
        of_kinds = {
            kind: {
                name: _of_kind(study.model, kind, name, found)
                for name, found in study.estimates(BY_INTERVAL[:5], [kind], members).items()
            }
            for kind in (kinds if len(kinds) > 1 else ())
        }
        intervals.append(Interval(clock(since), since, total, of_kinds))
    return intervals


def clock(seconds: float) -> str:
    """A time of day as people write it; from the second day on, with the day."""
    day, rest = divmod(round(seconds), int(DAY_S))
    text = f"{rest // 3600:02d}:{rest % 3600 // 60:02d}"
    return f"day {day + 1} {text}" if day else text


def _waits(study: Study, kind: str) -> Waits | None:
    index = [found.name for found in study.model.kinds].index(kind)
    counts = np.sum([replication.histograms[index] for replication in study.replications], axis=0)
    if not counts.sum():
        return None
    share = np.cumsum(counts) / counts.sum()
    used = range(int(np.searchsorted(share, 0.9999)) + 1)
    chosen = [place for place in used if place == 0 or place % 4 == 3 or place == used[-1]]
    seconds = [0.0 if place == 0 else round(FIRST_BIN_S * BIN_GROWTH**place, 2) for place in chosen]
    return Waits(kind, seconds, [round(float(share[place]), 5) for place in chosen])


def _agents(study: Study, teams: dict[str, str]) -> list[AgentFigures]:
    working = [AGENT_STATES.index(state) for state in WORKING]
    available = [AGENT_STATES.index(state) for state in AVAILABLE]
    states = np.stack([replication.state_by_agent for replication in study.replications]).astype(np.float64)
    worked, there = states[:, :, working].sum(axis=2), states[:, :, available].sum(axis=2)
    served = np.stack([replication.served.sum(axis=0) for replication in study.replications])
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.where(there > 0, worked / np.where(there > 0, there, 1), np.nan)
    return [
        AgentFigures(
            agent,
            teams.get(agent, ""),
            _cell(shares[:, number]),
            _cell(served[:, number]),
            round(float(there[:, number].mean()) / 3.6e12, 2),
        )
        for number, agent in enumerate(study.model.agents)
    ]


def _cell(values: np.ndarray) -> Cell:
    from acd_sim.virtual import estimate

    return Cell.of(estimate(values.tolist()))


def _difference(base: Played, other: Played, name: str) -> Difference | None:
    measure = MEASURES[name]
    found = other.study.difference(name, base.study, callers_of(base.study.model) if name in CALLERS_ONLY else None)
    if math.isnan(found.mean) or (found.mean == 0 and found.half_width == 0):
        return None
    sure = found.count > 1 and not found.covers(0.0)
    better = (found.mean > 0) == (measure.better > 0) if sure and measure.better else None
    return Difference(other.alternative.label, name, measure.title, measure.unit, Cell.of(found), better)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
