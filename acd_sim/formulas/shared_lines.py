"""Several queues, each with agents of its own, that share one group of lines: the floor without cross-training.

Each queue alone would be M/M/n; together they may not hold more than so many calls. The chain is reversible, so its
distribution is that of independent queues, cut off at the limit (the truncated product form: Kelly, "Reversibility
and Stochastic Networks", 1979, section 1.6).
"""

import math
from collections.abc import Sequence

import numpy as np

from acd_sim.formulas.erlang import Waits


def solve(queues: int, arrivals: float, service: float, agents: int, lines: int, within: float = 0.0) -> Waits:
    """`queues` like queues with `arrivals` and `agents` each, and `lines` for all of them together."""
    if min(queues, agents) < 1 or min(arrivals, service) <= 0 or lines < queues * agents:
        raise ValueError("there must be a queue, an agent, positive rates, and a line for every agent")
    alone = np.ones(lines + 1)
    for n in range(1, lines + 1):
        alone[n] = alone[n - 1] * arrivals / (min(n, agents) * service)
    alone /= alone.sum()
    others = np.zeros(lines + 1)
    others[0] = 1.0
    for _ in range(queues - 1):
        others = np.convolve(others, alone)[: lines + 1]
    at_most = np.cumsum(others)
    # Weight of: this queue holds n calls, and all together fewer than the limit, so that one more is let in.
    let_in = np.array([alone[n] * (at_most[lines - 1 - n] if n < lines else 0.0) for n in range(lines + 1)])
    held = np.array([alone[n] * at_most[lines - n] for n in range(lines + 1)])
    total = held.sum()
    counts = np.arange(lines + 1)
    mean_queue = float((held * np.maximum(counts - agents, 0)).sum() / total)
    occupancy = float((held * np.minimum(counts, agents)).sum() / total / agents)
    blocked = float(1 - let_in.sum() / total)
    entered = arrivals * (1 - blocked)
    waiting = let_in[agents:]
    in_time = _erlang_cdf(agents * service * within, len(waiting)) @ waiting if within else 0.0
    calm = let_in[:agents].sum()
    return Waits(
        blocked=blocked,
        p_wait=float(waiting.sum() / let_in.sum()),
        p_abandon=0.0,
        mean_wait=mean_queue / entered,
        mean_queue=mean_queue,
        occupancy=occupancy,
        within=float((calm + in_time) / let_in.sum()),
    )


def _erlang_cdf(mean: float, count: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """P(Poisson(mean) > k) for k = 0..count-1: that so many calls and one more are through."""
    terms: Sequence[float] = [math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count)]
    return 1 - np.cumsum(terms)
