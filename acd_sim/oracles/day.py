"""A day with a peak: 16 half hours, impatient callers, twelve to fourteen agents. The day begins empty."""

from collections.abc import Iterator

from acd_sim.formulas import day
from acd_sim.oracles.case import Case, Figure, abandoned, agents, centre, queue
from acd_sim.virtual import Exponential, Kind, Model, Profile

PROFILE = (0.6, 0.9, 1, 1.05, 1.5, 1.5, 1, 0.95, 0.9, 0.85, 0.9, 0.9, 0.85, 0.8, 0.7, 0.6)
CALLS_PER_SLOT = 60
SLOT_S = 1800.0
TALK_S = 300.0
PATIENCE_S = 180.0
DAYS = 1500


def cases() -> Iterator[Case]:
    """All of them."""
    counts = tuple(CALLS_PER_SLOT * share for share in PROFILE)
    for count in (12, 13, 14):
        exact = day.solve(counts, SLOT_S, 1 / TALK_S, count, 1 / PATIENCE_S)
        kind = Kind(
            name="calls",
            tenant="t",
            queue="calls",
            arrivals=Profile(counts=counts, slot_s=SLOT_S),
            talk=Exponential(TALK_S),
            patience=Exponential(PATIENCE_S),
        )
        yield Case(
            f"day with a peak, {count} agents",
            Model(
                config=centre([queue()], agents(count)),
                kinds=(kind,),
                horizon_s=86_400 * DAYS / 20,
                interval_s=1e8,
            ),
            (Figure("P(abandon)", exact.p_abandon, abandoned),),
            patience=1 / PATIENCE_S,
        )
