"""Outbound work that is begun only while more than so many agents are free: blending with a threshold.

Bhulai & Koole, "A queueing model for call blending in call centers", IEEE Transactions on Automatic Control 48(8),
2003. With endless outbound work of the same handle time the number of busy agents never falls below agents less
reserve: there every end of a call is at once the beginning of an outbound one. Above that it is a birth and death
chain.
"""

import math
from typing import NamedTuple

from acd_sim.formulas.erlang import solve as solve_erlang


class Blend(NamedTuple):
    """The steady state; waits are those of inbound calls.

    Attributes:
        p_wait, mean_wait: of all inbound calls.
        within: share of them answered within the time asked for.
        occupancy: share of their time for which agents talk, in or out.
        outbound: outbound calls begun per unit of time.
    """

    p_wait: float
    mean_wait: float
    within: float
    occupancy: float
    outbound: float


def solve(arrivals: float, service: float, agents: int, reserve: int | None, within: float = 0.0) -> Blend:
    """Inbound calls at rate `arrivals`, and outbound while more than `reserve` agents are free; None for no outbound.

    Raises:
        ValueError: the queue grows for ever, or the reserve is more than all agents.
    """
    if reserve is not None and not 0 <= reserve <= agents:
        raise ValueError(f"reserve is {reserve}; it must be 0..{agents}")
    if arrivals >= agents * service:
        raise ValueError("the queue grows for ever: more agents are needed")
    if reserve is None:
        plain = solve_erlang(arrivals, service, agents, within=within)
        return Blend(plain.p_wait, plain.mean_wait, plain.within, plain.occupancy, 0.0)
    lowest = agents - reserve
    weights = [1.0]
    for busy in range(lowest + 1, agents + 1):
        weights.append(weights[-1] * arrivals / (busy * service))
    rho = arrivals / (agents * service)
    total = math.fsum(weights[:-1]) + weights[-1] / (1 - rho)
    p_wait = weights[-1] / (1 - rho) / total
    talking = math.fsum((lowest + k) * weight for k, weight in enumerate(weights[:-1]))
    talking = (talking + agents * weights[-1] / (1 - rho)) / total
    spare = agents * service - arrivals
    return Blend(
        p_wait=p_wait,
        mean_wait=p_wait / spare,
        within=1 - p_wait * math.exp(-spare * within),
        occupancy=talking / agents,
        outbound=talking * service - arrivals,
    )
