"""Two classes of calls with the same handle time, of which the first always goes first; nobody is interrupted.

Cobham, "Priority assignment in waiting line problems", Operations Research 2(1), 1954, for many servers. What the two
wait together is the same as without priority, weighted by their rates: Kleinrock's conservation law (1965).
"""

from typing import NamedTuple

from acd_sim.formulas.erlang import erlang_c


class PriorityWaits(NamedTuple):
    """Mean waits of all calls of the class that goes first, and of the other."""

    first: float
    second: float


def solve(first: float, second: float, service: float, agents: int) -> PriorityWaits:
    """The mean waits for these arrival rates. Raises `ValueError` when the load is not below the number of agents."""
    capacity = agents * service
    remaining = erlang_c((first + second) / service, agents) / capacity
    rest = 1 - first / capacity
    return PriorityWaits(remaining / rest, remaining / rest / (1 - (first + second) / capacity))
