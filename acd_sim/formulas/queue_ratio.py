"""Two classes of calls with the same handle time before one pool, served by a fixed queue ratio.

Gurvich and Whitt, "Service-level differentiation in many-server service systems via queue-ratio routing", Operations Research
58(2), 2010: a freed agent takes the class whose queue is furthest above its share of all who wait. While somebody waits all
agents talk, so how many wait is what it is without classes, geometric; how many of them are of the first class is a Markov
chain beside it. Its levels, whose sums are known, are brought into balance with those below and above, up and down, until
nothing changes.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from acd_sim.formulas.erlang import erlang_c

UNREACHED = 1e-7
"""Waiting lines so long that only this share of all who have to wait meets longer ones are the longest."""
EXACT = 1e-8
"""Of a level no greater share changes any more."""


class RatioWaits(NamedTuple):
    """Mean waits of all calls of each class, and the share of the first class among those who wait."""

    first: float
    second: float
    share: float


@cache
def solve(first: float, second: float, service: float, agents: int, weights: tuple[int, int]) -> RatioWaits:
    """The mean waits for these arrival rates, where the queues are to keep the ratio of their weights.

    Of queues that are equally far above their shares the second is served. Raises `ValueError` when the load is not below
    the number of agents.
    """
    capacity, arrivals = agents * service, first + second
    load = arrivals / capacity
    all_busy = erlang_c(arrivals / service, agents)
    longest = int(np.ceil(np.log(UNREACHED) / np.log(load)))
    totals = all_busy * (1 - load) * load ** np.arange(longest + 1)
    served = [_serves_first(level, weights) for level in range(longest + 1)]
    levels: list[NDArray[np.float64]] = [np.full(level + 1, total / (level + 1)) for level, total in enumerate(totals)]
    off = 1.0
    while off > EXACT:
        off = 0.0
        for level in (*range(1, longest), *range(longest, 0, -1)):
            flow = np.zeros(level + 1)
            flow[1:] += first * levels[level - 1]
            flow[:-1] += second * levels[level - 1]
            if level < longest:
                above, by_first = levels[level + 1], served[level + 1]
                flow += capacity * (np.where(by_first, above, 0)[1:] + np.where(by_first, 0, above)[:-1])
            flow *= totals[level] / flow.sum()
            off = max(off, float(np.abs(flow - levels[level]).sum() / totals[level]))
            levels[level] = flow
    of_first = sum(float(row @ np.arange(level + 1)) for level, row in enumerate(levels))
    waiting = float(totals @ np.arange(longest + 1))
    return RatioWaits(of_first / first, (waiting - of_first) / second, of_first / waiting)


def _serves_first(level: int, weights: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether a freed agent takes one of the first class, by how many of this level are of it."""
    mine = np.arange(level + 1)
    served: NDArray[np.bool_] = (mine > 0) & ((mine * sum(weights) > weights[0] * level) | (mine == level))
    return served
