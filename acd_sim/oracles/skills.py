"""Who can do what: small skill graphs with an exact product form, and Wallace and Whitt's six types of calls."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from acd_core.config import Agent
from acd_sim.formulas import erlang, product_form, shared_lines
from acd_sim.formulas.product_form import SkillAgent
from acd_sim.oracles.case import (
    UNIT_S,
    Case,
    Figure,
    agents,
    blocked,
    busy,
    calls,
    centre,
    delayed,
    in_target,
    mean_wait,
    occupancy,
    of,
    queue,
    stretch,
)
from acd_sim.virtual import Model

GRAPHS = 5
BENCH = "20 simulations of 20,000 min"

WALLACE_WHITT: dict[tuple[float, int, bool], tuple[float, ...]] = {
    (76.5, 2, False): (0.00011, 0.00004, 0.116, 0.005, 0.134, 0.928, 0.849),
    (81, 2, False): (0.00126, 0.00021, 0.332, 0.016, 0.287, 0.824, 0.899),
    (84, 2, False): (0.00433, 0.00033, 0.598, 0.018, 0.427, 0.715, 0.930),
    (84, 3, False): (0.00360, 0.00034, 0.471, 0.015, 0.386, 0.769, 0.929),
    (84, 4, False): (0.00372, 0.00034, 0.458, 0.016, 0.383, 0.777, 0.930),
    (90, 2, False): (0.02558, 0.00092, 1.391, 0.024, 0.713, 0.455, 0.974),
    (84, 2, True): (0.00521, 0.00034, 0.713, 0.024, 0.457, 0.687, 0.928),
}
"""By load, skills of an agent, and whether they form a plain ring: blocked and its half width, E[W] in minutes and its
half width, P(W>0), P(W<=30 s), utilisation; from a simulation of somebody else."""
LOADS = (76.5, 81.0, 84.0, 90.0)


def cases() -> Iterator[Case]:
    """All of them."""
    yield graph(
        "W model",
        {"a": 1, "b": 1.2},
        [SkillAgent(0.8, {"a"}), SkillAgent(1, {"a", "b"}), SkillAgent(1.3, {"b"})],
    )
    yield graph("N model", {"a": 1.1, "b": 0.6}, [SkillAgent(1, {"a"}), SkillAgent(1, {"a", "b"})])
    yield graph(
        "ring of six",
        {f"k{k}": 0.8 for k in range(6)},
        [SkillAgent(1, {f"k{k}", f"k{(k + 1) % 6}"}) for k in range(6)],
    )
    yield graph("three agents alike", {"a": 2.0}, [SkillAgent(1, {"a"})] * 3)
    for number in range(GRAPHS):
        yield graph(f"random graph {number + 1}", *random_graph(number))
    for load in LOADS:
        yield silos(load)
        yield pooled(load)
    for load, skills, ring in WALLACE_WHITT:
        yield some_skills(load, skills, ring)


def random_graph(seed: int) -> tuple[dict[str, float], list[SkillAgent]]:
    """A graph of two to six agents and two to four types that no queue outgrows."""
    rng = np.random.default_rng(seed)
    while True:
        kinds = [f"k{number}" for number in range(rng.integers(2, 5))]
        skilled = [
            SkillAgent(
                float(np.round(rng.uniform(0.6, 1.6), 2)),
                frozenset(str(kind) for kind in rng.choice(kinds, rng.integers(1, len(kinds) + 1), replace=False)),
            )
            for _ in range(rng.integers(2, 7))
        ]
        speed = sum(agent.service for agent in skilled)
        shares = rng.dirichlet(np.full(len(kinds), 3.0)) * speed * 0.7
        arrivals = {kind: float(np.round(share, 3)) for kind, share in zip(kinds, shares, strict=True)}
        try:
            product_form.solve(arrivals, skilled)
        except ValueError:
            continue
        slack = [
            sum(agent.service for agent in skilled if agent.skills & set(group)) - sum(arrivals[kind] for kind in group)
            for group in _groups(kinds)
        ]
        if min(slack) > 0.15:  # else the run would be too short to know the mean wait
            return arrivals, skilled


def _groups(kinds: Sequence[str]) -> Iterator[list[str]]:
    for mask in range(1, 1 << len(kinds)):
        yield [kind for place, kind in enumerate(kinds) if mask >> place & 1]


def graph(name: str, arrivals: Mapping[str, float], skilled: Sequence[SkillAgent]) -> Case:
    """A skill graph, first come first served, longest idle."""
    exact = product_form.solve(arrivals, skilled)
    kinds = list(arrivals)
    people = [Agent(agent=f"m{m}", skills=dict.fromkeys(sorted(agent.skills), 50)) for m, agent in enumerate(skilled)]
    figures = [
        Figure(f"E[W {kind}]", exact.mean_wait[kind], of([k], mean_wait(UNIT_S))) for k, kind in enumerate(kinds)
    ]
    figures += [Figure(f"P(wait {kind})", exact.p_wait[kind], of([k], delayed)) for k, kind in enumerate(kinds)]
    figures += [Figure(f"occupancy m{m}", share, busy(m, m + 1)) for m, share in enumerate(exact.occupancy)]
    total = sum(arrivals.values())
    return Case(
        name,
        Model(
            config=centre([queue(kind, require=kind) for kind in kinds], people),
            kinds=tuple(calls(rate / UNIT_S, UNIT_S, kind) for kind, rate in arrivals.items()),
            speeds={(kind, f"m{m}"): 1 / agent.service for kind in kinds for m, agent in enumerate(skilled)},
            **stretch(total / UNIT_S, 1_200_000, 500 * UNIT_S),
        ),
        tuple(figures),
    )


def _six_types(load: float, people: list[Agent]) -> Model:
    names = [f"s{i}" for i in range(6)]
    return Model(
        config=centre([queue(name, require=name, service_level_s=30) for name in names], people, max_contacts=120),
        kinds=tuple(calls(load / 6 / 600, 600, name) for name in names),
        **stretch(load / 600, 1_000_000, 2_000 * 60),
    )


def silos(load: float) -> Case:
    """One skill each: six queues that share 120 lines, exactly."""
    exact = shared_lines.solve(6, load / 60, 0.1, 15, 120, 0.5)
    people = [agent for i in range(6) for agent in agents(15, f"g{i}", skills={f"s{i}": 50})]
    return Case(
        f"Wallace-Whitt, {load:g} Erl, 1 skill",
        _six_types(load, people),
        (
            Figure("blocked", exact.blocked, blocked),
            Figure("E[W] min", exact.mean_wait, mean_wait(60)),
            Figure("P(W>0)", exact.p_wait, delayed),
            Figure("P(W<=30 s)", exact.within, in_target),
        ),
    )


def pooled(load: float) -> Case:
    """All skills each: one queue with 120 lines, exactly; but for the order of calls, which goes by level."""
    exact = erlang.solve(load / 10, 0.1, 90, lines=120, within=0.5)
    return Case(
        f"Wallace-Whitt, {load:g} Erl, 6 skills",
        _six_types(load, _people(6, ring=False)),
        (
            Figure("blocked", exact.blocked, blocked),
            Figure("E[W] min", exact.mean_wait, mean_wait(60)),
            Figure("P(W>0)", exact.p_wait, delayed),
            Figure("utilisation", exact.occupancy, occupancy),
        ),
    )


def some_skills(load: float, skills: int, ring: bool) -> Case:
    """Between the ends there is no formula, but another simulation."""
    row = WALLACE_WHITT[load, skills, ring]
    lost, lost_doubt, wait, wait_doubt, delayed_share, within, utilisation = row
    relative = wait_doubt / wait
    return Case(
        f"Wallace-Whitt, {load:g} Erl, {skills} skills{' in a ring' if ring else ''}",
        _six_types(load, _people(skills, ring=ring)),
        (
            Figure("blocked", lost, blocked, lost_doubt, BENCH),
            Figure("E[W] min", wait, mean_wait(60), wait_doubt, BENCH),
            # The bench gives no intervals for these: they vary as the wait does.
            Figure("P(W>0)", delayed_share, delayed, relative * delayed_share / 2 + 0.0005, BENCH),
            Figure("P(W<=30 s)", within, in_target, relative * (1 - within) + 0.0005, BENCH),
            Figure("utilisation", utilisation, occupancy, 0.001, BENCH),
        ),
    )


def _people(skills: int, *, ring: bool) -> list[Agent]:
    """Six groups of fifteen; a skill of level j is rank j, both for the choice of the agent and for that of the call."""
    people = []
    for i in range(6):
        for r in range(15):
            known = {f"s{i}": 0}
            for j in range(1, skills):
                other = (i + 1) % 6 if ring else (i + 1 + (r + j - 1) % 5) % 6
                known[f"s{other}"] = j
            people.append(
                Agent(
                    agent=f"g{i}-{r:02}",
                    skills=dict.fromkeys(known, 50),
                    ranks={f"t/{name}": rank for name, rank in known.items() if rank},
                )
            )
    return people
