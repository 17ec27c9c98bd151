"""A case: a model, the figures that are known of it, and the verdict on what the simulation makes of them.

A figure is measured in each replication; its interval is Student's t over the replications. With some hundred figures
at 95 % a handful would fail by chance, so the verdict uses a wider interval: all figures together are within it in 99
of 100 tables if the engine is right (Bonferroni). What is printed behind ± is the usual 95 %.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypedDict

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from acd_core.config import Agent, Config, Queue, Settings, Tenant
from acd_core.views import AGENT_STATES
from acd_sim.virtual import Estimate, Exponential, Figures, Kind, Model, Poisson, Replication, Study, estimate
from acd_sim.virtual.confidence import quantile
from acd_sim.virtual.study import simulate

TABLE_CONFIDENCE = 0.99
REPLICATIONS = 20
UNIT_S = 100.0
"""The unit of time of models that are written in units: one second would leave rounding to milliseconds visible."""
FOREVER_S = 2_592_000.0

Measured = Callable[[Figures], float]


class Figure(Struct, frozen=True):
    """Something that is known.

    Attributes:
        name: for people.
        exact: the value; of what is known from a simulation only, its mean.
        measure: takes it from a replication.
        doubt: half width of the 95 % interval of `exact`, when it comes from a simulation.
        source: of it, when it is no formula.
    """

    name: str
    exact: float
    measure: Measured
    doubt: float = 0.0
    source: str = ""


class Case(Struct, frozen=True):
    """A model and what is known of it.

    Attributes:
        name: of the oracle.
        model: what is played.
        figures: what is known.
        replications: how many are played.
        patience: rate of giving up in the model, if all callers are of one kind with exponential patience; 0 for never.
    """

    name: str
    model: Model
    figures: tuple[Figure, ...]
    replications: int = REPLICATIONS
    patience: float = 0.0


class Verdict(Struct, frozen=True):
    """A line of the table.

    Attributes:
        oracle, figure: their names.
        exact: the known value.
        simulated, half_width: mean of the replications and its 95 % interval.
        allowed: the most by which the two may differ.
        within: whether they do not differ by more.
        source: of the known value, when it is no formula.
    """

    oracle: str
    figure: str
    exact: float
    simulated: float
    half_width: float
    allowed: float
    within: bool
    source: str = ""


def play(case: Case, *, seed: int = 1, processes: int | None = None, share: float = 1.0) -> Study:
    """Play a case; with a `share` below 1 its runs are shorter, behind the same warm-up."""
    model = case.model
    length = (model.horizon_s - model.warmup_s) * share
    model = structs.replace(model, horizon_s=model.warmup_s + length)
    return simulate(model, seed=seed, replications=case.replications, processes=processes)


class Stretch(TypedDict):
    """How long a model runs."""

    horizon_s: float
    warmup_s: float
    interval_s: float


def stretch(per_s: float, contacts: float, warmup_s: float) -> Stretch:
    """How long a model must run for so many contacts in all of its replications together, behind their warm-ups."""
    return {
        "horizon_s": warmup_s + contacts / REPLICATIONS / per_s,
        "warmup_s": warmup_s,
        "interval_s": 1e8,  # nobody asks for figures by interval
    }


def measured(study: Study, measure: Measured) -> list[float]:
    """A figure of each replication."""
    return [measure(Figures(study.model, replication)) for replication in study.replications]


def judge(oracle: str, figure: Figure, found: Estimate, figures: int) -> Verdict:
    """The verdict on one of so many `figures`."""
    confidence = 1 - (1 - TABLE_CONFIDENCE) / figures
    error = found.half_width / quantile(max(1, found.count - 1), 0.95)
    allowed = error * quantile(max(1, found.count - 1), confidence)
    if figure.doubt:
        wider = quantile(10_000, confidence) / quantile(10_000, 0.95)
        allowed = math.hypot(allowed, figure.doubt * wider)
    # What is no more than the grain of floating point, or of a nanosecond, is no difference.
    allowed = max(allowed, 1e-9 * abs(figure.exact))
    within = abs(found.mean - figure.exact) <= allowed
    return Verdict(oracle, figure.name, figure.exact, found.mean, found.half_width, allowed, within, figure.source)


def verdicts(case: Case, study: Study, figures: int) -> list[Verdict]:
    """The lines of a case, when the table has so many `figures`."""
    return [judge(case.name, figure, estimate(measured(study, figure.measure)), figures) for figure in case.figures]


# Building models


def centre(queues: Iterable[Queue], agents: Iterable[Agent], **settings: Any) -> Config:
    """A configuration of one tenant."""
    return Config(
        settings=Settings(missed_offers_max=0, ended_contacts_kept=0, **settings),
        tenants=(Tenant("t"),),
        queues=tuple(queues),
        agents=tuple(agents),
    )


def queue(name: str = "calls", **changes: Any) -> Queue:
    """A queue that limits neither waiting nor talking."""
    return Queue(tenant="t", name=name, **{"max_wait_s": 0, "max_talk_s": FOREVER_S, **changes})


def agents(count: int, first: str = "a", **changes: Any) -> list[Agent]:
    """So many agents alike."""
    return [Agent(agent=f"{first}-{number:03}", **changes) for number in range(count)]


def calls(rate: float, mean_s: float, name: str = "calls", patience_s: float = 0.0, **changes: Any) -> Kind:
    """Independent callers at `rate` a second, with exponential talk, and exponential patience if it is not 0."""
    return Kind(
        name=name,
        tenant="t",
        queue=name,
        arrivals=Poisson(per_hour=rate * 3600),
        talk=Exponential(mean_s),
        patience=Exponential(patience_s) if patience_s else None,
        **changes,
    )


# Measures


def of(kinds: Sequence[int], measure: Measured) -> Measured:
    """The measure of some kinds of contacts only."""
    return lambda figures: measure(Figures(figures.model, figures.replication, kinds))


def delayed(figures: Figures) -> float:
    """Share of those let in who had to wait."""
    return figures.count("delayed") / (figures.count("offered") - figures.count("blocked"))


def mean_wait(unit_s: float) -> Measured:
    """Mean wait of all who are let in, in units of so many seconds."""
    return lambda f: f.count("wait_ns") / 1e9 / unit_s / (f.count("offered") - f.count("blocked"))


def in_target(figures: Figures) -> float:
    """Share of those let in who are answered within the target of their queue."""
    return figures.count("answered_in_target") / (figures.count("offered") - figures.count("blocked"))


def blocked(figures: Figures) -> float:
    """Share that is turned away."""
    return figures.share("blocked")


def abandoned(figures: Figures) -> float:
    """Share that gives up."""
    return figures.share("abandoned")


def occupancy(figures: Figures) -> float:
    """Share of their time for which all agents work."""
    return figures.agent_s(("offered", "busy", "wrapup")) / figures.agent_s(("ready", "offered", "busy", "wrapup"))


def busy(first: int, last: int) -> Measured:
    """Share of their time for which the agents with these places in the configuration talk."""

    def measure(figures: Figures) -> float:
        rows = figures.replication.state_by_agent[first:last]
        return float(rows[:, _BUSY].sum() / rows.sum())

    return measure


def waiting(figures: Figures) -> float:
    """Contacts that wait, on average over time."""
    return figures.count("queue_ns") / 1e9 / figures.length_s


_BUSY = AGENT_STATES.index("busy")


def trace(replication: Replication) -> dict[str, NDArray[np.int64]]:
    """The contacts that were kept one by one, as columns in order of arrival."""
    from acd_sim.virtual.loop import TRACE

    rows = replication.trace[np.argsort(replication.trace[:, TRACE.index("number")], kind="stable")]
    return {name: rows[:, place] for place, name in enumerate(TRACE)}
