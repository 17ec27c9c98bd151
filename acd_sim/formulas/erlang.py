"""One queue, like agents, calls at random: Erlang B, C and A, and all between them.

The general case is M/M/n/K+M: Poisson arrivals, exponential service, n agents, at most K in the system, exponential
patience. Erlang C is the case without limit and patience, Erlang A (Palm 1946; Garnett, Mandelbaum & Reiman, M&SOM
4(3), 2002) the case with patience. `solve` sums the birth and death chain; all terms are positive, so nothing cancels.
"""

import math
from typing import NamedTuple

_NEGLIGIBLE = 1e-16
"""A state less likely than this against the likeliest, behind it, changes no digit of a result."""
_LARGE = 1e200


class Waits(NamedTuple):
    """How calls fare that are let in; all of them, answered or not, unless said otherwise.

    Attributes:
        blocked: share of all arrivals that find no line.
        p_wait: share that must wait.
        p_abandon: share that gives up.
        mean_wait: time in the queue, of those who give up too.
        mean_queue: calls that wait, on average over time.
        occupancy: share of their time for which agents talk.
        within: share that is answered, and within the time that was asked for.
    """

    blocked: float
    p_wait: float
    p_abandon: float
    mean_wait: float
    mean_queue: float
    occupancy: float
    within: float


def erlang_b(load: float, agents: int) -> float:
    """Share of calls lost when none can wait; `load` in Erlang. The recursion of A. K. Erlang, 1917.

    B(0) = 1; B(n) = a B(n-1) / (n + a B(n-1)).
    """
    _positive(load=load)
    if agents < 0:
        raise ValueError(f"agents is {agents}; it must be at least 0")
    blocked = 1.0
    for n in range(1, agents + 1):
        blocked = load * blocked / (n + load * blocked)
    return blocked


def erlang_c(load: float, agents: int) -> float:
    """Share of calls that wait when all are patient, from `erlang_b`: C = n B / (n - a (1 - B))."""
    if load >= agents:
        raise ValueError(f"a load of {load:g} Erlang needs more than {agents} agents, or the queue grows for ever")
    blocked = erlang_b(load, agents)
    return agents * blocked / (agents - load * (1 - blocked))


def solve(
    arrivals: float,
    service: float,
    agents: int,
    *,
    patience: float = 0.0,
    lines: int | None = None,
    within: float = 0.0,
) -> Waits:
    """M/M/n/K+M in its steady state.

    Args:
        arrivals: calls per unit of time.
        service: calls that one busy agent ends per unit of time.
        agents: how many.
        patience: rate at which a waiting call gives up; 0 for never.
        lines: most calls in the system; None for no limit.
        within: time for the attribute of that name.

    A call that finds k others waiting gets its agent after X, a sum of independent exponential times with the rates
    n mu + i theta, i = 0..k. With a = n mu / theta, exp(-theta X) has the Beta(a, k+1) distribution, since it is a
    product of independent Beta(a+i, 1). So P(X <= t, answered) = a/(a+k+1) P(Beta(a+1, k+1) >= exp(-theta t)).
    """
    _positive(arrivals=arrivals, service=service, agents=agents)
    if patience < 0 or within < 0:
        raise ValueError("patience and within cannot be negative")
    if lines is not None and lines < agents:
        raise ValueError(f"lines is {lines}; it must be at least the number of agents, {agents}")
    if not patience and lines is None and arrivals >= agents * service:
        raise ValueError("without a limit and with endless patience the queue grows for ever: more agents are needed")
    capacity = agents * service
    # All states in which nobody waits weigh `calm` together, the last of them `waiting[0]`.
    calm = 1.0
    full = erlang_b(arrivals / service, agents)
    waiting = [full]
    room = math.inf if lines is None else lines - agents
    while len(waiting) <= room:
        ratio = arrivals / (capacity + len(waiting) * patience)
        if ratio < 1 and waiting[-1] <= _NEGLIGIBLE * calm * full * (1 - ratio):
            break
        waiting.append(waiting[-1] * ratio)
        if waiting[-1] > _LARGE:
            calm /= _LARGE
            waiting = [weight / _LARGE for weight in waiting]
    behind = math.fsum(waiting[1:])
    total = calm + behind
    busy = calm * arrivals / service * (1 - full) + agents * behind
    mean_queue = math.fsum(k * weight for k, weight in enumerate(waiting)) / total
    refused = waiting.pop() if len(waiting) > room else 0.0
    blocked = refused / total
    entered = arrivals * (1 - blocked)
    p_wait = math.fsum(waiting) / total / (1 - blocked)
    answered = _answered(capacity, patience, within, len(waiting))
    in_time = sum(weight * share for weight, share in zip(waiting, answered, strict=True))
    return Waits(
        blocked=blocked,
        p_wait=p_wait,
        p_abandon=patience * mean_queue / entered,
        mean_wait=mean_queue / entered,
        mean_queue=mean_queue,
        occupancy=busy / total / agents,
        within=1 - p_wait + in_time / total / (1 - blocked),
    )


def _answered(capacity: float, patience: float, within: float, count: int) -> list[float]:
    """P(answered within the time | k others wait), for k = 0..count-1."""
    mean = capacity * within
    if not mean:  # a time so short that nobody is served in it comes to nothing too
        return [0.0] * count
    if not patience:
        # P(Erlang(k+1) <= t) is 1 less the first k+1 terms of a Poisson distribution.
        left, log_term = 1.0, -mean
        result = []
        for k in range(count):
            left -= math.exp(log_term)
            result.append(max(0.0, left))
            log_term += math.log(mean) - math.log(k + 1)
        return result
    a = capacity / patience
    x = math.exp(-patience * within)
    # 1 - I_x(a+1, b+1), by I_x(p, q+1) = I_x(p, q) + x^p (1-x)^q / (q B(p, q)), from I_x(p, 1) = x^p.
    p = a + 1
    below = x**p
    result = []
    rest = -math.expm1(-patience * within)
    if not rest:
        return [0.0] * count
    log_x, log_rest = -patience * within, math.log(rest)
    for k in range(count):
        result.append(a / (a + k + 1) * max(0.0, 1 - below))
        q = k + 1
        log_beta = math.lgamma(p) + math.lgamma(q) - math.lgamma(p + q)
        below += math.exp(p * log_x + q * log_rest - math.log(q) - log_beta)
    return result


def agents_needed(
    arrivals: float, service: float, *, target: float, within: float, patience: float = 0.0, agents_max: int = 100_000
) -> int:
    """The fewest agents with which a share of at least `target` is answered within the time."""
    if not 0 < target < 1:
        raise ValueError(f"target is {target:g}; it must be between 0 and 1")
    load = arrivals / service
    low = 1 if patience else math.floor(load) + 1
    high = max(low, math.ceil(load + 4 * math.sqrt(load) + 1))
    while solve(arrivals, service, high, patience=patience, within=within).within < target:
        if high > agents_max:
            break
        high *= 2
    while low < high:
        middle = (low + high) // 2
        if solve(arrivals, service, middle, patience=patience, within=within).within >= target:
            high = middle
        else:
            low = middle + 1
    if low > agents_max:
        raise ValueError(f"not even {agents_max} agents answer {target:.0%} in time")
    return low


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} is {value:g}; it must be above 0")
