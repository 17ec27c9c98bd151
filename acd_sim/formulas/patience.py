"""Callers of whom some are patient for ever, because they are called back: M/M/n+G with a mixture of patience.

Baccelli & Hebuterne, "On queues with impatient customers", Performance '81, 1981. When callers are served in the order
of their arrival, the wait that a caller would have to bear has a density proportional to

    exp(integral over 0..x of (lambda P(patience > u) - n mu) du)

behind the states in which an agent is free. A caller who hangs up and keeps his place is one who never gives up.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.integrate import quad  # type: ignore[import-untyped]

Function = Callable[[float], float]


class Mixed(NamedTuple):
    """The steady state.

    Attributes:
        p_wait: share of all callers who find no free agent.
        p_abandon: share of all callers who give up.
        mean_wait: on the phone, over all callers; 0 for those who are called back.
        p_called_back: share of all callers.
        mean_delay: until they are called back, over those who are.
    """

    p_wait: float
    p_abandon: float
    mean_wait: float
    p_called_back: float
    mean_delay: float


def solve(arrivals: float, service: float, agents: int, patience: float, called_back: float) -> Mixed:
    """Of those who have to wait a share `called_back` hangs up at once; the others give up at rate `patience`.

    Raises:
        ValueError: a rate that is not positive, a share outside 0..1, or those who are called back alone are too many.
    """
    if min(arrivals, service, patience) <= 0 or agents < 1 or not 0 <= called_back <= 1:
        raise ValueError("rates must be positive, with an agent at least, and the share 0..1")
    spare = agents * service - called_back * arrivals
    if spare <= 0:
        raise ValueError("the queue grows for ever: more agents are needed")
    impatient = 1 - called_back
    weights = [1.0]  # of so many agents busy, up to all but one
    for busy in range(1, agents):
        weights.append(weights[-1] * arrivals / (busy * service))

    def density(wait: float) -> float:
        drift = arrivals * impatient * -math.expm1(-patience * wait) / patience - spare * wait
        return arrivals * weights[-1] * math.exp(drift)

    # Beyond this the exponent is below -40 for good: the impatient add no more than arrivals * impatient / patience.
    end = (40 + arrivals * impatient / patience) / spare
    points = np.geomspace(end / 1e4, end, 40).tolist()

    def mean_of(value: Function) -> float:
        parts = zip([0.0, *points[:-1]], points, strict=True)
        return math.fsum(quad(lambda x: value(x) * density(x), low, high)[0] for low, high in parts)

    waiting = mean_of(lambda _: 1.0)
    total = math.fsum(weights) + waiting
    gives_up = mean_of(lambda x: -math.expm1(-patience * x)) * impatient
    return Mixed(
        p_wait=waiting / total,
        p_abandon=gives_up / total,
        mean_wait=gives_up / patience / total,
        p_called_back=called_back * waiting / total,
        mean_delay=mean_of(lambda x: x) / waiting,
    )
