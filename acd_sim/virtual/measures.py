"""The figures that people ask for, computed from what a replication counted.

A measure is a name; `value_of` computes it for some kinds of contacts and some intervals of one replication. It is NaN
where nothing happened. Shares are of contacts offered; times are seconds.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct

from acd_core.views import AGENT_STATES
from acd_sim.virtual.loop import TALLIES
from acd_sim.virtual.model import Model
from acd_sim.virtual.replication import Replication
from acd_sim.virtual.streams import NS_PER_S

_TALLY = {name: index for index, name in enumerate(TALLIES)}
_STATE = {name: index for index, name in enumerate(AGENT_STATES)}
WORKING = ("offered", "busy", "wrapup")
AVAILABLE = ("ready", "cooldown", *WORKING)
BIN_GROWTH = 1.02
FIRST_BIN_S = 0.01


class Measure(Struct, frozen=True):
    """A figure: what it is called, how it is written, whether more is better (0: neither)."""

    name: str
    title: str
    unit: str
    better: int
    compute: "Callable[[Figures], float]"


class Figures:
    """Sums over some kinds and intervals of one replication.

    Args:
        model: what was played.
        replication: what was counted.
        kinds: indexes of kinds; all when None.
        intervals: indexes of intervals; all when None.
    """

    def __init__(
        self,
        model: Model,
        replication: Replication,
        kinds: Sequence[int] | None = None,
        intervals: Sequence[int] | None = None,
    ) -> None:
        self.model = model
        self.replication = replication
        self.kinds = list(range(len(model.kinds))) if kinds is None else list(kinds)
        self.all_intervals = intervals is None
        count = replication.tallies.shape[2]
        self.intervals = list(range(count)) if intervals is None else list(intervals)
        part = replication.tallies[:, self.kinds, :][:, :, self.intervals]
        self._sums = part.sum(axis=(1, 2))
        self._maxima = part.max(axis=(1, 2), initial=0)

    def count(self, name: str) -> float:
        """A tally."""
        return float(self._sums[_TALLY[name]])

    def longest(self, name: str) -> float:
        """A tally that is a greatest value."""
        return float(self._maxima[_TALLY[name]])

    def share(self, name: str, of: str = "offered") -> float:
        """One tally divided by another."""
        return _divided(self.count(name), self.count(of))

    def mean_s(self, name: str, of: str) -> float:
        """A tally of nanoseconds divided by a count, in seconds."""
        return _divided(self.count(name) / NS_PER_S, self.count(of))

    @property
    def length_s(self) -> float:
        """Seconds that were counted."""
        edges = np.asarray(self.intervals, dtype=np.float64) * self.model.interval_s
        end = self.model.horizon_s
        if not self.replication.finished:
            end = min(end, self.replication.until_s)
        ends = np.minimum(edges + self.model.interval_s, end)
        return float(np.maximum(0.0, ends - np.maximum(edges, self.model.warmup_s)).sum())

    def agent_s(self, states: Sequence[str]) -> float:
        """Seconds that all agents together spent in these states."""
        rows = self.replication.state_by_interval[[_STATE[state] for state in states], :][:, self.intervals]
        return float(rows.sum()) / NS_PER_S

    @property
    def cost(self) -> float:
        """What agents logged in, lines and lost contacts cost; NaN for a part of the run, where it is not known."""
        if not self.all_intervals:
            return math.nan
        minutes = (self.count("wait_ns") + self.count("talk_ns")) / NS_PER_S / 60
        lost = self.count("offered") - self.count("answered")
        others = self.model.line_minute * minutes + self.model.lost * lost
        rates = np.asarray([agent.cost for agent in self.model.config.agents], dtype=np.float64)
        there = self.replication.state_by_agent.sum(axis=1) - self.replication.state_by_agent[:, _STATE["logged_out"]]
        return float((rates * there).sum()) / NS_PER_S / 3600 + others

    @property
    def value(self) -> float:
        """What the answered contacts were worth."""
        if self.model.values and not self.all_intervals:
            return math.nan
        answered = self.replication.tallies[_TALLY["answered"]]
        total = 0.0
        for kind in self.kinds:
            name = self.model.kinds[kind].name
            total += self.model.kinds[kind].value * float(answered[kind, self.intervals].sum())
            for agent, who in enumerate(self.model.agents):
                if (name, who) in self.model.values:
                    extra = self.model.values[name, who] - self.model.kinds[kind].value
                    total += extra * float(self.replication.served[kind, agent])
        return total

    def wait_quantile_s(self, share: float) -> float:
        """A wait that so many of those answered did not exceed, to 2 %; of the whole run."""
        if not self.all_intervals:
            return math.nan
        return quantile_of_bins(self.replication.histograms[self.kinds].sum(axis=0), share)


def quantile_of_bins(histogram: Sequence[int] | np.ndarray, share: float) -> float:
    """The quantile of a histogram of waits, as `Loop` keeps them; NaN for an empty one."""
    counts = np.asarray(histogram)
    total = counts.sum()
    if not total:
        return math.nan
    place = int(np.searchsorted(np.cumsum(counts), share * total))
    return 0.0 if place == 0 else FIRST_BIN_S * BIN_GROWTH**place


def _divided(amount: float, by: float) -> float:
    return amount / by if by else math.nan


MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure("offered", "contacts offered", "", 0, lambda f: f.count("offered")),
        Measure("answered", "contacts answered", "", 1, lambda f: f.count("answered")),
        Measure("service_level", "service level", "%", 1, lambda f: f.share("answered_in_target")),
        Measure("abandonment", "abandoned", "%", -1, lambda f: f.share("abandoned")),
        Measure("blocked", "turned away", "%", -1, lambda f: f.share("blocked")),
        Measure("expired", "waited too long", "%", -1, lambda f: f.share("expired")),
        Measure("delayed", "had to wait", "%", -1, lambda f: f.share("delayed")),
        Measure("retried", "calling again", "%", -1, lambda f: f.share("retried")),
        Measure("called_back", "called back", "%", 0, lambda f: f.share("called_back")),
        Measure(
            "callback_delay_s", "until called back", "s", -1, lambda f: f.mean_s("callback_delay_ns", "called_back")
        ),
        Measure("wait_s", "mean wait of all", "s", -1, lambda f: f.mean_s("wait_ns", "offered")),
        Measure("asa_s", "mean wait of answered", "s", -1, lambda f: f.mean_s("answered_wait_ns", "answered")),
        Measure("wait_p50_s", "half are answered within", "s", -1, lambda f: f.wait_quantile_s(0.5)),
        Measure("wait_p95_s", "95 % are answered within", "s", -1, lambda f: f.wait_quantile_s(0.95)),
        Measure("longest_wait_s", "longest wait", "s", -1, lambda f: f.longest("longest_ns") / NS_PER_S),
        Measure("queue", "mean number waiting", "", -1, lambda f: _divided(f.count("queue_ns") / NS_PER_S, f.length_s)),
        Measure("queue_max", "most waiting", "", -1, lambda f: f.longest("queue_max")),
        Measure(
            "handle_s",
            "mean handle time",
            "s",
            -1,
            lambda f: _divided((f.count("talk_ns") + f.count("wrapup_ns")) / NS_PER_S, f.count("answered")),
        ),
        Measure("occupancy", "occupancy", "%", 0, lambda f: _divided(f.agent_s(WORKING), f.agent_s(AVAILABLE))),
        Measure("agents", "agents at work", "", 0, lambda f: _divided(f.agent_s(AVAILABLE), f.length_s)),
        Measure("agent_hours", "hours of agents", "", -1, lambda f: f.agent_s((*AVAILABLE, "paused")) / 3600),
        Measure("cost", "cost", "money", -1, lambda f: f.cost),
        Measure("value", "value of answered", "money", 1, lambda f: f.value),
        Measure("cost_per_answered", "cost per answered", "money", -1, lambda f: _divided(f.cost, f.count("answered"))),
        Measure("value_per_offered", "value per offered", "money", 1, lambda f: _divided(f.value, f.count("offered"))),
    )
}


def value_of(
    measure: str,
    model: Model,
    replication: Replication,
    kinds: Sequence[int] | None = None,
    intervals: Sequence[int] | None = None,
) -> float:
    """One measure of one replication. Raises `KeyError` for a name that is not in `MEASURES`."""
    return float(MEASURES[measure].compute(Figures(model, replication, kinds, intervals)))
