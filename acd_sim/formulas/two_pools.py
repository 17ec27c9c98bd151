"""A pool of fast and one of slow agents before one queue: what the order of the free agents does.

The chain of (busy fast, busy slow) is solved level by level (block elimination of a level-dependent quasi birth and
death process: Latouche & Ramaswami, "Introduction to Matrix Analytic Methods", 1999, chapter 12); behind the state in
which all are busy hangs the queue as in `erlang`. Every rule that goes by idle time alone, such as longest idle or
shortest idle, has the steady state of random choice (arXiv 1305.6249), so `idleness` stands for all of them.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

Order = Literal["fastest", "slowest", "idleness"]

_SHARE_OF_FAST: dict[Order, Callable[[int, int], float]] = {
    "fastest": lambda fast, slow: 1.0 if fast else 0.0,  # noqa: ARG005 - all three are asked alike
    "slowest": lambda fast, slow: 0.0 if slow else 1.0,  # noqa: ARG005
    "idleness": lambda fast, slow: fast / (fast + slow),
}
"""Chance that the next call goes to a fast agent, with so many of each free, at least one of them."""


class Pool(NamedTuple):
    """So many agents, each of whom ends `service` calls per unit of time while busy."""

    agents: int
    service: float


class PoolWaits(NamedTuple):
    """The steady state; waits are of all calls."""

    p_wait: float
    p_abandon: float
    mean_wait: float
    fast_occupancy: float
    slow_occupancy: float


def solve(arrivals: float, fast: Pool, slow: Pool, order: Order, patience: float = 0.0) -> PoolWaits:
    """The steady state when a call takes a free agent in this order; `patience` is the rate of giving up, 0 for never.

    Raises:
        ValueError: without patience the queue grows for ever, or a pool is empty.
    """
    capacity = fast.agents * fast.service + slow.agents * slow.service
    if min(fast.agents, slow.agents) < 1 or min(fast.service, slow.service, arrivals) <= 0 or patience < 0:
        raise ValueError("both pools need an agent, and rates cannot be negative")
    if not patience and arrivals >= capacity:
        raise ValueError("with endless patience the queue grows for ever: more agents are needed")
    levels, size = fast.agents + 1, slow.agents + 1
    choose = _SHARE_OF_FAST[order]
    up = np.zeros((levels, size))  # rate at which a fast agent gets a call, and below a slow one
    right = np.zeros((levels, size))
    for i in range(levels):
        for j in range(size):
            free = (fast.agents - i, slow.agents - j)
            if any(free):
                up[i, j] = arrivals * choose(*free)
                right[i, j] = arrivals - up[i, j]
    down = np.arange(levels) * fast.service
    left = np.arange(size) * slow.service

    def within(i: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
        stay = -(up[i] + right[i] + down[i] + left)
        return np.diag(stay) + np.diag(right[i, :-1], 1) + np.diag(left[1:], -1)

    # pi(i) = pi(i+1) ratio(i), from the first level on, so that the weight of the last, the largest, is found by itself.
    ratios = []
    block = within(0)
    for i in range(1, levels):
        ratio = down[i] * np.linalg.inv(-block)
        ratios.append(ratio)
        block = within(i) + ratio * up[i - 1]
    system = np.vstack([block.T, np.ones(size)])
    last = np.linalg.lstsq(system, np.append(np.zeros(size), 1.0), rcond=None)[0]
    weights = [last]
    for ratio in reversed(ratios):
        weights.append(weights[-1] @ ratio)
    pi = np.maximum(np.array(weights[::-1]), 0.0)

    waiting = [pi[-1, -1]]
    while True:
        rate = arrivals / (capacity + len(waiting) * patience)
        if rate < 1 and waiting[-1] <= 1e-16 * pi.sum() * (1 - rate):
            break
        waiting.append(waiting[-1] * rate)
    behind = sum(waiting[1:])
    total = pi.sum() + behind
    mean_queue = sum(k * weight for k, weight in enumerate(waiting)) / total
    busy_fast = (np.arange(levels) @ pi.sum(axis=1) + fast.agents * behind) / total
    busy_slow = (np.arange(size) @ pi.sum(axis=0) + slow.agents * behind) / total
    return PoolWaits(
        p_wait=float(sum(waiting) / total),
        p_abandon=float(patience * mean_queue / arrivals),
        mean_wait=float(mean_queue / arrivals),
        fast_occupancy=float(busy_fast / fast.agents),
        slow_occupancy=float(busy_slow / slow.agents),
    )
