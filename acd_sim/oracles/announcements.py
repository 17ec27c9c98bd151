"""How well a wait can be told in advance: four predictors over the calls of the engine, and what it tells itself.

Callers are told, when they come: QL, the queue length over the service rate; QLm, the same with those who will give
up; LES, the wait of the last who was answered; HOL, the wait so far of the first in line.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from acd_sim.formulas import prediction
from acd_sim.oracles.case import (
    UNIT_S,
    Case,
    Figure,
    Measured,
    agents,
    calls,
    centre,
    queue,
    stretch,
    trace,
)
from acd_sim.virtual import Figures, Model

AGENTS = 100
ROWS = ((90.0, 0.0, 2.14, 1.98), (95.0, 0.0, 2.08, 1.99), (105.0, 1.0, 2.17, 2.00))
"""Arrivals in a mean talk, rate of giving up; of LES and HOL, which have no formula, the mean square against that of
the best, from one simulation. Theory says 2 for heavy traffic."""
BENCH = "one simulation"
BENCH_DOUBT = 0.1


def cases() -> Iterator[Case]:
    """All of them."""
    for rate, patience, *history in ROWS:
        exact = prediction.errors(rate, 1, AGENTS, patience)
        contacts = 2_000_000
        kept = int(contacts / 20 * 1.1)
        figures = [
            Figure("E[W] of those who wait and are answered", exact.mean_wait, _mean_wait),
            Figure("MSE of QL", exact.queue_length, _error("QL", patience)),
            Figure("MSE of QLm", exact.markov, _error("QLm", patience)),
            Figure("MSE of telling the mean", exact.nothing, _spread),
        ]
        figures += [
            Figure(f"MSE of {name} to that of QLm", ratio, _ratio(name, patience), BENCH_DOUBT, BENCH)
            for name, ratio in zip(("LES", "HOL"), history, strict=True)
        ]
        yield Case(
            f"announced waits, {rate:g} Erl, theta {patience:g}",
            Model(
                config=centre([queue()], agents(AGENTS)),
                kinds=(calls(rate / UNIT_S, UNIT_S, patience_s=UNIT_S / patience if patience else 0.0),),
                traced=kept,
                **stretch(rate / UNIT_S, contacts, 200 * UNIT_S),
            ),
            tuple(figures),
            patience=patience / UNIT_S,
        )
    yield from (forecasts(*row) for row in FORECASTS)


FORECASTS = ((95.0, 0.0), (105.0, 1.0))
OWN_DOUBT = 0.02
"""The engine knows no rates, it measures them in the last quarter of an hour or so: this much is due to that."""


def forecasts(rate: float, patience: float) -> Case:
    """The engine's own forecasts: of the waits of those who are answered half and nine tenths end within them.

    Its error is between that of the best that knows all rates and a quarter more (see `acd_core.forecast`).
    """
    exact = prediction.errors(rate, 1, AGENTS, patience)
    contacts = 600_000
    return Case(
        f"own forecasts, {rate:g} Erl, theta {patience:g}",
        Model(
            config=centre([queue()], agents(AGENTS)),
            kinds=(calls(rate / UNIT_S, UNIT_S, patience_s=UNIT_S / patience if patience else 0.0),),
            traced=int(contacts / 20 * 1.1),
            **stretch(rate / UNIT_S, contacts, 200 * UNIT_S),
        ),
        (
            Figure("share within the p50", 0.5, _within("p50_ms"), OWN_DOUBT, "a forecast that knows the rates"),
            Figure("share within the p90", 0.9, _within("p90_ms"), OWN_DOUBT, "a forecast that knows the rates"),
            Figure("MSE of the p50 to that of QLm", 1.125, _own_error(exact.markov), 0.125, "between 1 and 5/4"),
        ),
    )


def _own(figures: Figures) -> dict[str, NDArray[np.int64]]:
    """The calls that waited, were answered, and had a forecast."""
    rows = trace(figures.replication)
    chosen = (rows["outcome"] == 0) & (rows["wait_ns"] > 0) & (rows["p50_ms"] >= 0)
    return {name: column[chosen] for name, column in rows.items()}


def _within(quantile: str) -> Measured:
    def measure(figures: Figures) -> float:
        rows = _own(figures)
        return float(np.mean(rows["wait_ns"] <= 1_000_000 * rows[quantile]))

    return measure


def _own_error(best: float) -> Measured:
    def measure(figures: Figures) -> float:
        rows = _own(figures)
        off = (1_000_000 * rows["p50_ms"] - rows["wait_ns"]) / UNIT_S / 1e9
        return float(np.mean(off**2)) / best

    return measure


class Announced:
    """What each caller was told who waited and was answered, and what came; in units."""

    def __init__(self, figures: Figures, patience: float) -> None:
        rows = trace(figures.replication)
        arrived, wait = rows["arrived_ns"], rows["wait_ns"]
        left = arrived + wait
        answered = rows["outcome"] == 0
        self.chosen = answered & (wait > 0)
        unit = UNIT_S * 1e9
        ahead = rows["ahead"]
        most = int(ahead.max()) + 1
        by_length = np.array([prediction.markov(n, AGENTS, 1, patience) for n in range(most)])
        starts = np.argsort(left[answered], kind="stable")
        begun = left[answered][starts]
        last = np.searchsorted(begun, arrived, side="left") - 1
        waited = wait[answered][starts]
        self.told = {
            "QL": (ahead + 1) / AGENTS,
            "QLm": by_length[ahead],
            "LES": np.where(last >= 0, waited[last], 0) / unit,
            "HOL": _head_waits(arrived, left) / unit,
        }
        self.wait = wait / unit

    def error(self, name: str) -> float:
        """Mean squared error of a predictor."""
        return float(np.mean((self.told[name] - self.wait)[self.chosen] ** 2))


def _head_waits(arrived: NDArray[np.int64], left: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each call how long the first in line had waited when it came; 0 when nobody waited."""
    head = 0
    waits = np.zeros(len(arrived), dtype=np.int64)
    gone = left.tolist()
    for place, now in enumerate(arrived.tolist()):
        while head < place and gone[head] <= now:
            head += 1
        waits[place] = now - arrived[head]
    return waits


_cache: dict[tuple[int, float], Announced] = {}


def _announced(figures: Figures, patience: float) -> Announced:
    """Of the replication that was asked for last: several figures are taken of one."""
    key = (id(figures.replication), patience)
    if key not in _cache:
        _cache.clear()
        _cache[key] = Announced(figures, patience)
    return _cache[key]


def _error(name: str, patience: float) -> Measured:
    return lambda figures: _announced(figures, patience).error(name)


def _ratio(name: str, patience: float) -> Measured:
    return lambda figures: _announced(figures, patience).error(name) / _announced(figures, patience).error("QLm")


def _mean_wait(figures: Figures) -> float:
    rows = trace(figures.replication)
    chosen = (rows["outcome"] == 0) & (rows["wait_ns"] > 0)
    return float(rows["wait_ns"][chosen].mean()) / UNIT_S / 1e9


def _spread(figures: Figures) -> float:
    rows = trace(figures.replication)
    chosen = (rows["outcome"] == 0) & (rows["wait_ns"] > 0)
    return float(rows["wait_ns"][chosen].var()) / (UNIT_S * 1e9) ** 2
