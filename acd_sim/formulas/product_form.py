"""Any small graph of skills, exactly: calls first come, first served; of the free agents the one idle for longest.

Adan & Weiss, "A skill based parallel service system under FCFS-ALIS: steady state, overloads, and abandonments",
Stochastic Systems 4(1), 2014. Calls of type c come at random with rate l_c, agent m ends them with rate mu_m and can
serve a set of types. The state is: the busy agents M1..Mi in the order in which their calls came, n_j calls that wait
between M_j and M_{j+1}, the free agents M_{i+1}..M_J, the last of them idle for longest. Its weight is

    prod_{j<=i} l(U_j)^{n_j} / mu(M1..Mj)^{n_j+1}  *  prod_{j>i} 1 / l(C(Mj..MJ))

where U_j are the types that only agents of M1..Mj can serve, and C(A) those that some agent of A can. Each factor
depends on a set only and not on the order within it, so we sum over sets: 2^J of them and not J! orders.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

AGENTS_MAX = 16


class SkillAgent(NamedTuple):
    """Ends `service` calls per unit of time while busy, of the types in `skills`."""

    service: float
    skills: AbstractSet[str]


class SkillWaits(NamedTuple):
    """The steady state.

    Attributes:
        mean_wait: of all calls of a type, those that need not wait included.
        p_wait: share of a type that finds nobody free.
        occupancy: of each agent, in the order given.
    """

    mean_wait: dict[str, float]
    p_wait: dict[str, float]
    occupancy: list[float]


def solve(arrivals: Mapping[str, float], agents: Sequence[SkillAgent]) -> SkillWaits:
    """The steady state for `arrivals` by type.

    Raises:
        ValueError: a type that nobody serves, an agent who serves none, more than `AGENTS_MAX` agents, or a load
            under which some queue grows for ever.
    """
    count = len(agents)
    if not 0 < count <= AGENTS_MAX:
        raise ValueError(f"{count} agents: this sum takes 1 to {AGENTS_MAX}, for its cost doubles with each")
    types = [(kind, rate, _mask(kind in agent.skills for agent in agents)) for kind, rate in arrivals.items()]
    for kind, rate, able in types:
        if not able or rate <= 0:
            raise ValueError(f"type {kind!r} must have an agent who serves it, and a positive rate")
    everyone = (1 << count) - 1
    speed = [sum(agent.service for m, agent in enumerate(agents) if group >> m & 1) for group in range(everyone + 1)]
    captive = [sum(rate for _, rate, able in types if not able & ~group) for group in range(everyone + 1)]
    served = [sum(rate for _, rate, able in types if able & group) for group in range(everyone + 1)]
    for group in range(1, everyone + 1):
        if captive[group] >= speed[group]:
            names = [m for m in range(count) if group >> m & 1]
            raise ValueError(f"agents {names} alone serve {captive[group]:g} calls, and end only {speed[group]:g}")
        if not served[group]:
            raise ValueError("an agent serves no type that comes")

    busy = [0.0] * (everyone + 1)  # weight of all orders in which this set can be the busy ones
    idle = [0.0] * (everyone + 1)  # the same for the free ones
    busy[0] = idle[0] = 1.0
    for group in range(1, everyone + 1):
        inside = [group & ~(1 << m) for m in range(count) if group >> m & 1]
        busy[group] = sum(busy[less] for less in inside) / (speed[group] - captive[group])
        idle[group] = sum(idle[less] for less in inside) / served[group]
    rest = [0.0] * (everyone + 1)  # weight of all ways to go on when this set is the first part of the busy ones
    for group in range(everyone, -1, -1):
        rest[group] = idle[everyone & ~group]
        for m in range(count):
            if not group >> m & 1:
                more = group | 1 << m
                rest[group] += rest[more] / (speed[more] - captive[more])
    total = rest[0]

    probability = [busy[group] * idle[everyone & ~group] / total for group in range(everyone + 1)]
    queue = dict.fromkeys(arrivals, 0.0)
    for group in range(1, everyone + 1):
        if captive[group]:
            here = busy[group] * rest[group] / total / (speed[group] - captive[group])
            for kind, rate, able in types:
                if not able & ~group:
                    queue[kind] += here * rate
    return SkillWaits(
        {kind: queue[kind] / rate for kind, rate, _ in types},
        {kind: sum(p for group, p in enumerate(probability) if not able & ~group) for kind, _, able in types},
        [sum(p for group, p in enumerate(probability) if group >> m & 1) for m in range(count)],
    )


def _mask(bits: Iterable[bool]) -> int:
    return sum(1 << place for place, bit in enumerate(bits) if bit)
