"""One queue and like agents: Erlang C and Erlang A."""

from collections.abc import Iterator

from acd_sim.formulas import erlang
from acd_sim.oracles.case import (
    UNIT_S,
    Case,
    Figure,
    abandoned,
    agents,
    calls,
    centre,
    delayed,
    in_target,
    mean_wait,
    occupancy,
    queue,
    stretch,
    waiting,
)
from acd_sim.virtual import Model

ERLANG_C = (
    (0.2, 240.0, 55, 15.0),
    (120 / 3600, 300.0, 13, 20.0),
    (120 / 3600, 300.0, 14, 20.0),
    (600 / 3600, 300.0, 56, 20.0),
    (200 / 1800, 180.0, 24, 20.0),
)
"""Arrivals a second, handle time, agents, target."""
ERLANG_A = (
    (48, 50, 0.5, 20 / 60),
    (100, 90, 1.0, 0.1),
    (100, 100, 1.0, 0.1),
    (100, 100, 0.5, 0.1),
    (100, 100, 2.0, 0.1),
)
"""Arrivals in a mean talk, agents, rate of giving up, target; the unit is the mean talk."""


def cases() -> Iterator[Case]:
    """All of them."""
    for arrivals, handle_s, count, target_s in ERLANG_C:
        exact = erlang.solve(arrivals, 1 / handle_s, count, within=target_s)
        yield Case(
            f"Erlang C, {arrivals * 3600:.0f}/h, {handle_s:.0f} s, {count} agents",
            Model(
                config=centre([queue(service_level_s=target_s)], agents(count)),
                kinds=(calls(arrivals, handle_s),),
                **stretch(arrivals, 800_000, 50 * handle_s),
            ),
            (
                Figure("P(W>0)", exact.p_wait, delayed),
                Figure("E[W] s", exact.mean_wait, mean_wait(1)),
                Figure(f"P(W<={target_s:.0f} s)", exact.within, in_target),
                Figure("occupancy", exact.occupancy, occupancy),
            ),
        )
    for rate, count, patience, target in ERLANG_A:
        exact = erlang.solve(rate, 1, count, patience=patience, within=target)
        yield Case(
            f"Erlang A, {rate} Erl, {count} agents, theta {patience:g}",
            Model(
                config=centre([queue(service_level_s=round(target * UNIT_S, 3))], agents(count)),
                kinds=(calls(rate / UNIT_S, UNIT_S, patience_s=UNIT_S / patience),),
                **stretch(rate / UNIT_S, 800_000, 30 * UNIT_S),
            ),
            (
                Figure("P(W>0)", exact.p_wait, delayed),
                Figure("P(abandon)", exact.p_abandon, abandoned),
                Figure("E[W]", exact.mean_wait, mean_wait(UNIT_S)),
                Figure("E[Q]", exact.mean_queue, waiting),
                Figure("occupancy", exact.occupancy, occupancy),
                Figure("served in time", exact.within, in_target),
            ),
            patience=patience / UNIT_S,
        )
