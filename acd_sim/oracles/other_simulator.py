"""Models that have no formula, against a simulator by other people: ciw (Palmer, Knight, Harper & Hawa, Journal of
Simulation 13, 2019).

It is slow, so the models are small. It is needed for development only; without it these cases are left out.
"""

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

from acd_sim.oracles.case import (
    Case,
    Figure,
    Measured,
    abandoned,
    agents,
    centre,
    delayed,
    mean_wait,
    of,
    queue,
    stretch,
)
from acd_sim.virtual import Constant, Exponential, Gamma, Kind, Law, Lognormal, Model, Poisson, Uniform, estimate

SOURCE = "ciw"
RUNS = 12
CUSTOMERS = 12_000
"""Of each run of the other simulator, behind a warm-up of a fifth as many."""


class Class(NamedTuple):
    """Contacts of one kind, in a model that both simulators play; rates a second."""

    name: str
    rate: float
    talk: Law
    patience: Law | None = None


class Small(NamedTuple):
    """A model that both simulators play.

    Attributes:
        order: `fifo`, `strict` (classes in their order), or `head start` (of the first class, in `head_start_s`).
    """

    name: str
    classes: tuple[Class, ...]
    agents: int
    order: str = "fifo"
    head_start_s: float = 0.0


MODELS = (
    Small(
        "lognormal talk, uniform patience",
        (Class("calls", 9.5 / 100, Lognormal(mean_s=100, cv=1.5), Uniform(low_s=0, high_s=200)),),
        10,
    ),
    Small("gamma talk, patience of 60 s", (Class("calls", 10 / 100, Gamma(mean_s=100, cv=0.5), Constant(60)),), 10),
    Small(
        "strict priority, talks of different length",
        (Class("short", 4 / 60, Exponential(60)), Class("long", 4.5 / 200, Exponential(200))),
        10,
        "strict",
    ),
    Small(
        "head start of 100 s",
        (Class("one", 3 / 120, Exponential(120)), Class("two", 6 / 120, Exponential(120))),
        10,
        "head start",
        100.0,
    ),
)


def available() -> bool:
    """Whether the other simulator is installed."""
    import importlib.util

    return importlib.util.find_spec("ciw") is not None


def cases(
    models: Sequence[Small] = MODELS, runs: int = RUNS, customers: int = CUSTOMERS, processes: int | None = None
) -> Iterator[Case]:
    """All of them, or those of some models; the other simulator plays first."""
    tasks = [(small, customers, seed) for small in models for seed in range(1, runs + 1)]
    if processes == 1:
        rows = [_play_elsewhere(task) for task in tasks]
    else:
        with ProcessPoolExecutor(processes, get_context("forkserver")) as pool:
            rows = list(pool.map(_play_elsewhere, tasks))
    for place, small in enumerate(models):
        yield _case(small, rows[place * runs : (place + 1) * runs])


def _case(small: Small, rows: Sequence[dict[str, float]]) -> Case:
    names = [kind.name for kind in small.classes]
    figures = []
    for name, values in ((name, [row[name] for row in rows]) for name in rows[0]):
        what, _, kind = name.partition(" ")
        found = estimate(values)
        measure = of([names.index(kind)], _MEASURES[what])
        figures.append(Figure(f"{what} {kind}", found.mean, measure, found.half_width, SOURCE))
    total = sum(kind.rate for kind in small.classes)
    strict = small.order == "strict"
    return Case(
        f"ciw: {small.name}",
        Model(
            config=centre(
                [
                    queue(
                        kind.name,
                        strict_priority=strict or None,
                        priority=len(names) - place if strict else 0,
                        head_start_s=small.head_start_s if small.order == "head start" and place == 0 else 0,
                    )
                    for place, kind in enumerate(small.classes)
                ],
                agents(small.agents),
            ),
            kinds=tuple(
                Kind(
                    name=kind.name,
                    tenant="t",
                    queue=kind.name,
                    arrivals=Poisson(per_hour=kind.rate * 3600),
                    talk=kind.talk,
                    patience=kind.patience,
                )
                for kind in small.classes
            ),
            **stretch(total, 600_000, 2_000 / total),
        ),
        tuple(figures),
    )


_MEASURES: dict[str, Measured] = {"E[W]": mean_wait(1), "P(W>0)": delayed, "P(abandon)": abandoned}


def _play_elsewhere(task: tuple[Small, int, int]) -> dict[str, float]:
    """One run of the other simulator: the figures by name and class."""
    import ciw  # type: ignore[import-untyped]

    small, customers, seed = task
    total = sum(kind.rate for kind in small.classes)
    start, end = customers / 5 / total, customers * 1.2 / total
    names = [kind.name for kind in small.classes]
    given: dict[str, Any] = {}
    if small.order == "strict":
        given["priority_classes"] = {name: place for place, name in enumerate(names)}
    if small.order == "head start":
        given["service_disciplines"] = [_head_start(names[0], small.head_start_s)]
    if any(kind.patience for kind in small.classes):
        given["reneging_time_distributions"] = {kind.name: [_law(ciw, kind.patience)] for kind in small.classes}
    network = ciw.create_network(
        arrival_distributions={kind.name: [ciw.dists.Exponential(kind.rate)] for kind in small.classes},
        service_distributions={kind.name: [_law(ciw, kind.talk)] for kind in small.classes},
        number_of_servers=[small.agents],
        **given,
    )
    ciw.seed(seed)
    run = ciw.Simulation(network)
    run.simulate_until_max_time(end)
    found: dict[str, float] = {}
    for kind in small.classes:
        records = [r for r in run.get_all_records() if r.customer_class == kind.name and r.arrival_date >= start]
        # Of the last who came nobody knows yet how long they wait: leave out those who came shortly before the end.
        records = [r for r in records if r.arrival_date <= end - 0.02 * (end - start)]
        waits = [float(r.waiting_time) for r in records]
        found[f"E[W] {kind.name}"] = statistics.fmean(waits)
        found[f"P(W>0) {kind.name}"] = statistics.fmean(wait > 1e-9 for wait in waits)
        if kind.patience is not None:
            found[f"P(abandon) {kind.name}"] = statistics.fmean(r.record_type == "renege" for r in records)
    return found


def _head_start(name: str, seconds: float) -> Callable[[list[Any], float], Any]:
    def first(waiting: list[Any], _now: float) -> Any:
        return min(waiting, key=lambda one: one.arrival_date - (seconds if one.customer_class == name else 0))

    return first


def _law(ciw: Any, law: Law | None) -> Any:
    """The same law in the other simulator's words."""
    match law:
        case None:
            return None
        case Constant(seconds):
            return ciw.dists.Deterministic(seconds)
        case Exponential(mean_s):
            return ciw.dists.Exponential(1 / mean_s)
        case Uniform(low_s, high_s):
            return ciw.dists.Uniform(low_s, high_s)
        case Gamma(mean_s, cv):
            return ciw.dists.Gamma(cv**-2, mean_s * cv**2)
        case Lognormal(mean_s, float(cv)):
            variance = math.log1p(cv**2)
            return ciw.dists.Lognormal(math.log(mean_s) - variance / 2, math.sqrt(variance))
        case _:
            raise ValueError(f"the other simulator has no words for {law}")
