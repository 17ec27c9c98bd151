"""Which of the free agents gets a call: 50 fast agents and 50 slow ones before one queue."""

from collections.abc import Iterator

from acd_core.config import Agent
from acd_sim.formulas.two_pools import Order, Pool, solve
from acd_sim.oracles.case import (
    UNIT_S,
    Case,
    Figure,
    abandoned,
    busy,
    calls,
    centre,
    delayed,
    mean_wait,
    queue,
    stretch,
)
from acd_sim.virtual import Model

FAST, SLOW = Pool(50, 1.25), Pool(50, 0.75)
ARRIVALS = 92.0
WITH_ABANDONMENT = (95.0, 0.5)

RULES: tuple[tuple[str, Order, str, int], ...] = (
    ("fastest first", "fastest", "lowest_cost", 1),
    ("slowest first", "slowest", "lowest_cost", 3),
    ("longest idle", "idleness", "longest_idle", 2),
    ("random", "idleness", "random", 2),
)
"""Name, the exact result, the queue's strategy, the cost of fast agents when slow ones cost 2. Random choice and every
order of idleness have one steady state."""
BENCH = "one simulation"


def model(strategy: str, cost: int, arrivals: float, patience: float = 0.0, price: int = 0) -> Model:
    """The two pools."""
    people = [Agent(agent=f"fast-{n:02}", cost=cost) for n in range(FAST.agents)]
    people += [Agent(agent=f"slow-{n:02}", cost=2) for n in range(SLOW.agents)]
    speeds = {("calls", agent.agent): 1 / (FAST if agent.agent[0] == "f" else SLOW).service for agent in people}
    return Model(
        config=centre([queue(strategy=strategy, occupancy_price=price)], people),
        kinds=(calls(arrivals / UNIT_S, UNIT_S, patience_s=UNIT_S / patience if patience else 0.0),),
        speeds=speeds,
        **stretch(arrivals / UNIT_S, 1_400_000, 60 * UNIT_S),
    )


def cases() -> Iterator[Case]:
    """All of them."""
    for name, order, strategy, cost in RULES:
        exact = solve(ARRIVALS, FAST, SLOW, order)
        yield Case(
            f"agent choice: {name}",
            model(strategy, cost, ARRIVALS),
            (
                Figure("P(W>0)", exact.p_wait, delayed),
                Figure("E[W]", exact.mean_wait, mean_wait(UNIT_S)),
                Figure("occupancy of the fast", exact.fast_occupancy, busy(0, 50)),
                Figure("occupancy of the slow", exact.slow_occupancy, busy(50, 100)),
            ),
        )
    yield Case(
        "agent choice: least occupied",
        model("least_occupied", 2, ARRIVALS),
        (
            Figure("P(W>0)", 0.3112, delayed, 0.012, BENCH),
            Figure("E[W]", 0.0385, mean_wait(UNIT_S), 0.003, BENCH),
            Figure("occupancy of the fast", ARRIVALS / 100, busy(0, 50), 0.004, "equal work for all"),
            Figure("occupancy of the slow", ARRIVALS / 100, busy(50, 100), 0.004, "equal work for all"),
        ),
    )
    yield Case(
        "agent choice: lowest cost, at a price of occupancy beyond all costs",
        model("lowest_cost", 1, ARRIVALS, price=1_000_000),
        (
            Figure("P(W>0)", 0.3112, delayed, 0.012, BENCH),
            Figure("occupancy of the fast", ARRIVALS / 100, busy(0, 50), 0.004, "equal work for all"),
            Figure("occupancy of the slow", ARRIVALS / 100, busy(50, 100), 0.004, "equal work for all"),
        ),
    )
    arrivals, patience = WITH_ABANDONMENT
    for name, order, strategy, cost in RULES:
        exact = solve(arrivals, FAST, SLOW, order, patience)
        yield Case(
            f"agent choice with abandonment: {name}",
            model(strategy, cost, arrivals, patience),
            (
                Figure("P(abandon)", exact.p_abandon, abandoned),
                Figure("P(W>0)", exact.p_wait, delayed),
                Figure("occupancy of the fast", exact.fast_occupancy, busy(0, 50)),
                Figure("occupancy of the slow", exact.slow_occupancy, busy(50, 100)),
            ),
            patience=patience / UNIT_S,
        )
