"""What must hold in every run, exactly or within its interval."""

import numpy as np

from acd_sim.oracles.case import Case, Figure, Measured, Verdict, judge, measured
from acd_sim.virtual import Figures, Replication, Study, estimate
from acd_sim.virtual.loop import TALLIES, TOTALS

_OF_TOTALS = {name: place for place, name in enumerate(TOTALS)}
_OF_TALLIES = {name: place for place, name in enumerate(TALLIES)}


def exactly(oracle: str, name: str, broken: int) -> Verdict:
    """The verdict on something that must never be otherwise: how often it was."""
    return Verdict(oracle, name, 0.0, float(broken), 0.0, 0.0, broken == 0)


def verdicts(case: Case, study: Study, figures: int) -> list[Verdict]:
    """Flow balance and Little's law of every replication to the nanosecond, and P(abandon) = theta E[W]."""
    unbalanced = sum(_unbalanced(replication) for replication in study.replications)
    against_little = sum(
        bool(np.any(r.totals[_OF_TOTALS["wait_ns"]] != r.totals[_OF_TOTALS["queue_ns"]])) for r in study.replications
    )
    found = [
        exactly(case.name, "runs in which flow in is not flow out", unbalanced),
        exactly(case.name, "runs in which sum of waits is not integral of queue", against_little),
    ]
    if case.patience:
        law = Figure("P(abandon) - theta E[W]", 0.0, _difference(case.patience))
        found.append(judge(case.name, law, estimate(measured(study, law.measure)), figures))
    return found


def _unbalanced(replication: Replication) -> bool:
    totals = replication.totals.sum(axis=1)
    tallies = replication.tallies.sum(axis=(1, 2))
    entered, ended = (int(totals[_OF_TOTALS[name]]) for name in ("entered", "ended"))
    outcomes = sum(int(tallies[_OF_TALLIES[name]]) for name in ("answered", "abandoned", "blocked", "expired", "other"))
    left = int(replication.left)
    return entered != ended + left or int(tallies[_OF_TALLIES["offered"]]) != outcomes + left


def _difference(patience: float) -> Measured:
    def measure(figures: Figures) -> float:
        return (figures.count("abandoned") - patience * figures.count("wait_ns") / 1e9) / figures.count("offered")

    return measure
