"""Outbound work beside inbound calls: an endless list of numbers for agents who would be idle, but for a reserve.

800 inbound calls an hour, handle time 180 s, 50 agents.
"""

from collections.abc import Iterator

from msgspec import structs

from acd_core.config import Reserve
from acd_sim.formulas import reserve
from acd_sim.oracles.case import (
    Case,
    Figure,
    agents,
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
from acd_sim.virtual import Backlog, Exponential, Figures, Kind, Model

ARRIVALS = 800 / 3600
TALK_S = 180.0
AGENTS = 50
TARGET_S = 20.0
CONTACTS = 400_000
INBOUND, OUTBOUND = [0], [1]
RESERVES = (10, 8, 5, 4, 3, 2, 0)
"""So many agents are kept free for inbound calls."""


def cases() -> Iterator[Case]:
    """All of them."""
    inbound = queue("calls", service_level_s=TARGET_S, strict_priority=True, priority=1)
    plain = reserve.solve(ARRIVALS, 1 / TALK_S, AGENTS, None, TARGET_S)
    yield Case(
        "blending: no outbound",
        Model(
            config=centre([inbound], agents(AGENTS)),
            kinds=(calls(ARRIVALS, TALK_S),),
            **stretch(ARRIVALS, CONTACTS, 30 * TALK_S),
        ),
        (
            Figure("P(W>0)", plain.p_wait, delayed),
            Figure("E[W] s", plain.mean_wait, mean_wait(1)),
            Figure("P(W<=20 s)", plain.within, in_target),
            Figure("occupancy", plain.occupancy, occupancy),
        ),
    )
    numbers = Kind(name="numbers", tenant="t", queue="numbers", arrivals=Backlog(waiting=5), talk=Exponential(TALK_S))
    for kept in RESERVES:
        blend = reserve.solve(ARRIVALS, 1 / TALK_S, AGENTS, kept, TARGET_S)
        first = structs.replace(inbound, reserve=Reserve(agents=kept)) if kept else inbound
        yield Case(
            f"blending: {kept} kept free" if kept else "blending: nobody kept free",
            Model(
                config=centre([first, queue("numbers", strict_priority=True)], agents(AGENTS)),
                kinds=(calls(ARRIVALS, TALK_S), numbers),
                **stretch(ARRIVALS, CONTACTS, 30 * TALK_S),
            ),
            (
                Figure("P(W>0)", blend.p_wait, of(INBOUND, delayed)),
                Figure("E[W] s", blend.mean_wait, of(INBOUND, mean_wait(1))),
                Figure("P(W<=20 s)", blend.within, of(INBOUND, in_target)),
                Figure("occupancy", blend.occupancy, occupancy),
                Figure("outbound an hour", 3600 * blend.outbound, _per_hour),
            ),
        )


def _per_hour(figures: Figures) -> float:
    outbound = Figures(figures.model, figures.replication, OUTBOUND)
    return 3600 * outbound.count("answered") / figures.length_s
