"""Which of the waiting contacts a freed agent gets: two classes before one pool that serves both.

100 agents, conversations of two minutes, loads of 30 and 65 Erlang. The engine's service objective is the generalised
c-mu rule with quadratic costs (Van Mieghem 1995): with equal seeds both give the same decision call by call. With costs that
do not grow it is the c-mu rule, a strict priority; before one agent that has a formula where the classes differ in speed.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from msgspec import structs

from acd_core.config import CostStep, Queue, QueueRatio, WaitingCost
from acd_sim.formulas import erlang, priority, queue_ratio
from acd_sim.oracles.case import (
    Case,
    Figure,
    Verdict,
    agents,
    calls,
    centre,
    in_target,
    mean_wait,
    of,
    queue,
    stretch,
    trace,
    waiting,
)
from acd_sim.oracles.invariants import exactly
from acd_sim.virtual import Constant, Figures, Model, replicate
from acd_sim.virtual.loop import TOTALS

TALK_S = 120.0
AGENTS = 100
LOADS = (30.0, 65.0)
TARGETS_S = (20.0, 120.0)
BENCH = "20 simulations of 20,000 min"
ONE, TWO = [0], [1]


Rules = tuple[dict[str, Any], dict[str, Any]]
"""Settings of the two queues."""


def model(rules: Rules, contacts: float = 3_000_000) -> Model:
    """The two classes under some rules."""
    first, second = rules
    queues: list[Queue] = [
        queue("one", service_level_s=TARGETS_S[0], **first),
        queue("two", service_level_s=TARGETS_S[1], **second),
    ]
    return Model(
        config=centre(queues, agents(AGENTS)),
        kinds=(calls(LOADS[0] / TALK_S, TALK_S, "one"), calls(LOADS[1] / TALK_S, TALK_S, "two")),
        **stretch(sum(LOADS) / TALK_S, contacts, 200 * TALK_S),
    )


OBJECTIVES: Rules = ({"service_objective_s": TARGETS_S[0]}, {"service_objective_s": TARGETS_S[1]})
COSTS: Rules = ({"ageing": 6}, {"ageing": 1})
"""The slopes of quadratic costs 3 W^2 and W^2 / 2; six to one as the objectives are."""
HEAD_START: Rules = ({"head_start_s": 100}, {})
PLAIN: Rules = ({}, {})
PREDICTED: Rules = ({"wait_measure": "predicted"}, {"wait_measure": "predicted", "ageing": 2})
STRICT: Rules = ({"strict_priority": True, "priority": 1}, {"strict_priority": True})


CHEAP = WaitingCost(steps=(CostStep(after_s=0, cost=1),))
DEAR = WaitingCost(steps=(CostStep(after_s=0, cost=2),))
CONSTANT_COSTS: Rules = ({"waiting_cost": DEAR}, {"waiting_cost": CHEAP})
WEIGHTS = ((201, 799), (499, 501))
"""Ratios whose queues are never equally far above their shares, which no formula would know what to do with."""
SPEEDS_S, SPEED_LOADS = (60.0, 240.0), (0.3, 0.5)


def ratios(weights: tuple[int, int]) -> Rules:
    """Queues that are to keep a ratio."""
    first, second = (QueueRatio(group="all", weight=weight) for weight in weights)
    return {"queue_ratio": first}, {"queue_ratio": second}


def speeds(contacts: float = 1_000_000) -> Model:
    """One agent, and two classes: waiting costs twice as much in the second, which takes four times as long."""
    queues = [
        queue(name, waiting_cost=structs.replace(cost, by_speed=True)) for name, cost in (("one", CHEAP), ("two", DEAR))
    ]
    rates = [load / mean_s for load, mean_s in zip(SPEED_LOADS, SPEEDS_S, strict=True)]
    return Model(
        config=centre(queues, agents(1)),
        kinds=(calls(rates[0], SPEEDS_S[0], "one"), calls(rates[1], SPEEDS_S[1], "two")),
        **stretch(sum(rates), contacts, 2_000 * SPEEDS_S[1]),
    )


def share_of_first(figures: Figures) -> float:
    """The share of the first class in all waiting."""
    return Figures(figures.model, figures.replication, ONE).count("wait_ns") / figures.count("wait_ns")


def cases() -> Iterator[Case]:
    """All of them."""
    rate = sum(LOADS) / TALK_S
    pooled = erlang.solve(rate, 1 / TALK_S, AGENTS, within=TARGETS_S[0])
    late = erlang.solve(rate, 1 / TALK_S, AGENTS, within=TARGETS_S[1])
    conserved = Figure("E[Q] as for every rule", pooled.mean_queue, waiting)
    yield Case(
        "call choice: first come, first served",
        model(PLAIN),
        (
            Figure("E[W1] s", pooled.mean_wait, of(ONE, mean_wait(1))),
            Figure("E[W2] s", pooled.mean_wait, of(TWO, mean_wait(1))),
            Figure("P(W1<=20 s)", pooled.within, of(ONE, in_target)),
            Figure("P(W2<=120 s)", late.within, of(TWO, in_target)),
            conserved,
        ),
    )
    strict = priority.solve(LOADS[0] / TALK_S, LOADS[1] / TALK_S, 1 / TALK_S, AGENTS)
    yield Case(
        "call choice: strict priority",
        model(STRICT),
        (
            Figure("E[W1] s", strict.first, of(ONE, mean_wait(1))),
            Figure("E[W2] s", strict.second, of(TWO, mean_wait(1))),
            Figure("P(W2<=120 s)", 0.9843, of(TWO, in_target), 0.0015, BENCH),
            conserved,
        ),
    )
    yield Case(
        "call choice: constant costs of waiting",
        model(CONSTANT_COSTS),
        (
            Figure("E[W1] s", strict.first, of(ONE, mean_wait(1))),
            Figure("E[W2] s", strict.second, of(TWO, mean_wait(1))),
            conserved,
        ),
    )
    rates = [load / mean_s for load, mean_s in zip(SPEED_LOADS, SPEEDS_S, strict=True)]
    by_speed = priority.before_one_agent(rates[0], rates[1], *SPEEDS_S)
    yield Case(
        "call choice: costs by speed, before one agent",
        speeds(),
        (
            Figure("E[W1] s", by_speed.first, of(ONE, mean_wait(1))),
            Figure("E[W2] s", by_speed.second, of(TWO, mean_wait(1))),
        ),
    )
    for weights in WEIGHTS:
        kept = queue_ratio.solve(LOADS[0] / TALK_S, LOADS[1] / TALK_S, 1 / TALK_S, AGENTS, weights)
        yield Case(
            f"call choice: queue ratio {weights[0]} to {weights[1]}",
            model(ratios(weights)),
            (
                Figure("E[W1] s", kept.first, of(ONE, mean_wait(1))),
                Figure("E[W2] s", kept.second, of(TWO, mean_wait(1))),
                Figure("Q1/(Q1+Q2)", kept.share, share_of_first),
                conserved,
            ),
        )
    yield Case(
        "call choice: service objectives 20 s, 120 s",
        model(OBJECTIVES),
        (
            Figure("E[W1] s", 3.36, of(ONE, mean_wait(1)), 0.12, BENCH),
            Figure("E[W2] s", 16.10, of(TWO, mean_wait(1)), 0.66, BENCH),
            Figure("P(W1<=20 s)", 0.984, of(ONE, in_target), 0.003, BENCH),
            Figure("P(W2<=120 s)", 0.9878, of(TWO, in_target), 0.0015, BENCH),
            conserved,
        ),
    )
    yield Case(
        "call choice: head start of 100 s",
        model(HEAD_START),
        (
            # What a head start does to either class has no formula: see the small model in `other_simulator`.
            conserved,
        ),
    )


def pairs(seed: int = 1) -> Iterator[Verdict]:
    """What holds call by call, not only on average."""
    contacts = 400_000
    runs = [
        trace(replicate(structs.replace(model(rules, contacts=contacts), traced=contacts), seed))
        for rules in (OBJECTIVES, COSTS)
    ]
    other = sum(bool(np.any(runs[0][name] != runs[1][name])) for name in ("agent", "wait_ns", "arrived_ns"))
    yield exactly("service objective is generalised c-mu", "columns of decisions that differ", other)
    # When all conversations are equally long, no choice changes when agents become free: then all rules that keep
    # nobody idle have the same number waiting at every instant.
    totals = set()
    for rules in (PLAIN, STRICT, OBJECTIVES, HEAD_START, CONSTANT_COSTS, ratios(WEIGHTS[0]), PREDICTED):
        plain = model(rules, contacts=contacts)
        even = structs.replace(plain, kinds=tuple(structs.replace(kind, talk=Constant(TALK_S)) for kind in plain.kinds))
        run = replicate(even, seed)
        totals.add(int(run.totals[TOTALS.index("queue_ns")].sum()))
    yield exactly(
        "conservation of the total queue, path by path", "rules that differ to the nanosecond", len(totals) - 1
    )
