"""Two classes of calls, of which the first always goes first; nobody is interrupted.

Cobham, "Priority assignment in waiting line problems", Operations Research 2(1), 1954, for many servers. What the two
wait together is the same as without priority, weighted by their loads: Kleinrock's conservation law (1965).
"""

from typing import NamedTuple

from acd_sim.formulas.erlang import erlang_c


class PriorityWaits(NamedTuple):
    """Mean waits of all calls of the class that goes first, and of the other."""

    first: float
    second: float


def solve(first: float, second: float, service: float, agents: int) -> PriorityWaits:
    """The mean waits for these arrival rates, where both take equally long. Raises `ValueError` when the load is not below the number of agents."""
    capacity = agents * service
    remaining = erlang_c((first + second) / service, agents) / capacity
    rest = 1 - first / capacity
    return PriorityWaits(remaining / rest, remaining / rest / (1 - (first + second) / capacity))


def before_one_agent(first: float, second: float, first_s: float, second_s: float) -> PriorityWaits:
    """The mean waits before one agent for these arrival rates and means of exponential handle times. Raises `ValueError` when
    the load is not below 1.
    """
    load = first * first_s, second * second_s
    if sum(load) >= 1:
        raise ValueError(f"a load of {sum(load):g} is too much for one agent")
    remaining = load[0] * first_s + load[1] * second_s
    rest = 1 - load[0]
    return PriorityWaits(remaining / rest, remaining / rest / (1 - sum(load)))
