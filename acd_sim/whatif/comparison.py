"""Figures of a record and of its reruns, beside each other, and how sure they are.

Two kinds of doubt are told apart. What the record does not say, such as how long those would have waited who were
answered, is drawn several times: the range over the draws is its doubt. Whether another such time would go alike is
told by the days, when there are several: the mean difference of a day, with the interval of Student's t.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from acd_core.config import Config, ns_of_seconds
from acd_sim.virtual.confidence import estimate
from acd_sim.whatif.past import NS_PER_S, TALKING, WAITING, Past
from acd_sim.whatif.rerun import DAY_NS, Fate, Told

DAYS_MIN = 5


class Measure(Struct, frozen=True):
    """A figure: its name for programs and for people, its unit, and how it comes from a table of fates."""

    name: str
    title: str
    unit: str
    compute: Callable[["Table"], float]


class Table:
    """Some contacts of one rerun, as columns; and the agents' time, where it is known."""

    def __init__(self, fates: Sequence[Fate], targets: dict[str, int], available: int, working: int) -> None:
        self.count = len(fates)
        self.answered = np.fromiter((bool(fate.agent) for fate in fates), bool, self.count)
        self.abandoned = np.fromiter((fate.reason == "abandoned" for fate in fates), bool, self.count)
        self.wait_s = np.fromiter((fate.wait / NS_PER_S for fate in fates), float, self.count)
        self.talk_s = np.fromiter((fate.talk / NS_PER_S for fate in fates), float, self.count)
        limits = (fate.wait <= targets.get(fate.path, 0) for fate in fates)
        self.in_target = np.fromiter(limits, bool, self.count) & self.answered
        self.available = available
        self.working = working

    def share(self, flags: "np.ndarray[Any, np.dtype[np.bool_]]") -> float:
        """Share of all contacts."""
        return float(flags.mean()) if self.count else math.nan

    def mean(self, values: "np.ndarray[Any, np.dtype[np.float64]]", of: Any) -> float:
        """Mean of some."""
        return float(values[of].mean()) if of.any() else math.nan

    def quantile(self, share: float) -> float:
        """So many of the answered waited no longer."""
        waits = self.wait_s[self.answered]
        return float(np.quantile(waits, share)) if len(waits) else math.nan


MEASURES = (
    Measure("offered", "offered", "", lambda t: float(t.count)),
    Measure("answered", "answered", "%", lambda t: t.share(t.answered)),
    Measure("abandoned", "abandoned", "%", lambda t: t.share(t.abandoned)),
    Measure("service_level", "answered in target", "%", lambda t: t.share(t.in_target)),
    Measure("asa_s", "mean wait of answered", "s", lambda t: t.mean(t.wait_s, t.answered)),
    Measure("p90_s", "90 % of answered within", "s", lambda t: t.quantile(0.9)),
    Measure("talk_s", "mean conversation", "s", lambda t: t.mean(t.talk_s, t.answered)),
    Measure("occupancy", "occupancy of agents", "%", lambda t: t.working / t.available if t.available else math.nan),
)


class Figure(Struct, frozen=True):
    """A figure over the draws: mean, and the range in which 95 of 100 draws fall. NaN where nothing happened."""

    mean: float
    low: float
    high: float


class Doubt(Struct, frozen=True):
    """The mean difference of a day, with the half width of its 95 % interval over so many days."""

    mean: float
    half_width: float
    days: int


class Column(Struct, frozen=True):
    """A record, or what rules gave.

    Attributes:
        name: of the rules.
        figures: by queue, `""` for all, and by name of the measure.
        differences: the same, of each draw against the rerun under the rules of the record; empty for that itself.
        by_day: of all queues together, the mean difference of a day; empty with less than five days.
        other_agent: share of contacts answered both times, but by another agent than in the record.
        drawn: share of what callers did, such as hanging up, that had to be drawn, because the record does not tell it.
        refused: deeds of the record that made no sense under these rules, by type, in the first draw.
    """

    name: str
    figures: dict[str, dict[str, Figure]]
    differences: dict[str, dict[str, Figure]]
    by_day: dict[str, Doubt]
    other_agent: float
    drawn: float
    refused: dict[str, int]


def recorded_fates(past: Past) -> list[Fate]:
    """What the record itself says of every contact."""
    fates = []
    for contact in past.contacts.values():
        waiting = contact.stages.get((WAITING, 1))
        talking = contact.stages.get((TALKING, 1))
        arrived = waiting.began if waiting else past.start
        gave_up = waiting is not None and waiting.closed and talking is None
        reason = "completed" if talking else "abandoned" if gave_up else ""
        agent = contact.agent or ("?" if talking else "")
        wait = waiting.lasted if waiting else 0
        talk = talking.lasted if talking else 0
        fates.append(Fate(contact.number, contact.path, arrived, reason, agent, wait, talk))
    return fates


class Comparison:
    """Gathers reruns, draw by draw.

    Args:
        past: what was rerun.
        config: its targets hold for all columns, so that they are measured alike.
    """

    def __init__(self, past: Past, config: Config) -> None:
        self._past = past
        self._targets = {
            f"{queue.tenant}/{queue.name}": ns_of_seconds(queue.service_level_s) for queue in config.queues
        }
        self._paths = ["", *sorted({contact.path for contact in past.contacts.values()})]
        self._agents = {contact.number: contact.agent for contact in past.contacts.values()}

    def record(self) -> Column:
        """The record itself; the occupancy of its agents is not known."""
        values = self._values(recorded_fates(self._past), 0, 0)
        figures = {path: {name: Figure(v, v, v) for name, v in row.items()} for path, row in values.items()}
        return Column("record", figures, {}, {}, 0.0, 0.0, {})

    def column(self, name: str, told: Sequence[Told], base: Sequence[Told] | None = None) -> Column:
        """What rules gave in some draws, and the difference from `base` in the same draws."""
        mine = [self._values(run.fates, run.available_ns, run.working_ns) for run in told]
        figures = {
            path: {measure.name: _figure([row[path][measure.name] for row in mine]) for measure in MEASURES}
            for path in self._paths
        }
        differences: dict[str, dict[str, Figure]] = {}
        by_day: dict[str, Doubt] = {}
        if base is not None:
            other = [self._values(run.fates, run.available_ns, run.working_ns) for run in base]
            pairs = list(zip(mine, other, strict=True))
            differences = {
                path: {m.name: _figure([a[path][m.name] - b[path][m.name] for a, b in pairs]) for m in MEASURES}
                for path in self._paths
            }
            by_day = self._by_day(told, base)
        changed = [self._changed(run) for run in told]
        drawn = sum(run.drawn for run in told) / max(1, sum(run.planned for run in told))
        return Column(name, figures, differences, by_day, float(np.mean(changed)), drawn, told[0].refused)

    def _values(self, fates: Sequence[Fate], available: int, working: int) -> dict[str, dict[str, float]]:
        by_path: dict[str, list[Fate]] = {path: [] for path in self._paths}
        for fate in fates:
            by_path[fate.path].append(fate)
        by_path[""] = list(fates)
        found = {}
        for path, rows in by_path.items():
            table = Table(rows, self._targets, 0 if path else available, 0 if path else working)
            found[path] = {measure.name: measure.compute(table) for measure in MEASURES}
        return found

    def _changed(self, run: Told) -> float:
        both = [(fate.agent, self._agents[fate.number]) for fate in run.fates if fate.agent]
        both = [(now, then) for now, then in both if then]
        return sum(now != then for now, then in both) / len(both) if both else 0.0

    def _by_day(self, told: Sequence[Told], base: Sequence[Told]) -> dict[str, Doubt]:
        differences: dict[str, dict[int, list[float]]] = {measure.name: {} for measure in MEASURES}
        for mine, other in zip(told, base, strict=True):
            before = self._days(other)
            for day, row in self._days(mine).items():
                for name, value in row.items():
                    if not math.isnan(value - before[day][name]):
                        differences[name].setdefault(day, []).append(value - before[day][name])
        doubts = {}
        for name, days in differences.items():
            means = [float(np.mean(values)) for values in days.values()]
            if len(means) >= DAYS_MIN:
                mean = estimate(means)
                doubts[name] = Doubt(mean.mean, mean.half_width, mean.count)
        return doubts

    def _days(self, run: Told) -> dict[int, dict[str, float]]:
        days: dict[int, list[Fate]] = {}
        for fate in run.fates:
            days.setdefault(fate.arrived // DAY_NS, []).append(fate)
        found = {}
        for day, fates in days.items():
            table = Table(fates, self._targets, run.available_by_day.get(day, 0), run.working_by_day.get(day, 0))
            found[day] = {measure.name: measure.compute(table) for measure in MEASURES}
        return found


def _figure(values: Sequence[float]) -> Figure:
    known = np.asarray([value for value in values if not math.isnan(value)])
    if not len(known):
        return Figure(math.nan, math.nan, math.nan)
    low, high = np.quantile(known, (0.025, 0.975))
    return Figure(float(known.mean()), float(low), float(high))
