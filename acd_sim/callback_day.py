"""What callbacks are worth on a day with a peak: the second table of docs/routing-quality.md.

Sixteen half hours with a morning that is half as busy again as the mean, one queue, impatient callers. Whose forecast is
longer than a minute is asked whether he would rather be called back, and keeps his place; 7 % of the attempts to call
back find nobody. In their study of such an option Hathaway, Emadi and Deshpande saw 37 % accept it.
"""

from collections.abc import Sequence

from msgspec import Struct

from acd_core.config import Agent, Callback, Config, Queue, Settings, Tenant
from acd_sim.virtual import CalledBack, Exponential, Kind, Model, Profile, Study, simulate

PROFILE = (0.6, 0.9, 1, 1.05, 1.5, 1.5, 1, 0.95, 0.9, 0.85, 0.9, 0.9, 0.85, 0.8, 0.7, 0.6)
CALLS_PER_SLOT = 60
SLOT_S = 1800.0
TALK_S = 300.0
PATIENCE_S = 180.0
OFFER_S = 60
NOT_REACHED = 0.07
AGENTS = (12, 13, 14)
SHARES = (0.0, 0.37, 0.7)
REPLICATIONS = 10


class Row(Struct, frozen=True):
    """So many agents, of those asked such a share who accept, and what came of it."""

    agents: int
    share: float
    study: Study


def model(agents: int, share: float, days: float) -> Model:
    """The centre to simulate."""
    queue = Queue(tenant="c", name="calls", max_wait_s=0, callback=Callback(offer_when_wait_s=OFFER_S))
    kind = Kind(
        name="calls",
        tenant="c",
        queue="calls",
        arrivals=Profile(counts=tuple(CALLS_PER_SLOT * share for share in PROFILE), slot_s=SLOT_S),
        talk=Exponential(TALK_S),
        patience=Exponential(PATIENCE_S),
        callback=CalledBack(share=share, not_reached=NOT_REACHED) if share else None,
    )
    return Model(
        config=Config(
            settings=Settings(missed_offers_max=0),
            tenants=(Tenant("c"),),
            queues=(queue,),
            agents=tuple(Agent(agent=f"a{number:02}") for number in range(agents)),
        ),
        kinds=(kind,),
        horizon_s=86_400 * days,
        interval_s=86_400 * days,
    )


def play(days: int, seed: int = 1, processes: int | None = None) -> list[Row]:
    """All rows, each of about so many days, with the same callers."""
    each = max(1, round(days / REPLICATIONS))
    return [
        Row(
            agents,
            share,
            simulate(model(agents, share, each), seed=seed, replications=REPLICATIONS, processes=processes),
        )
        for agents in AGENTS
        for share in SHARES
    ]


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown."""
    lines = [
        "| agents | accept a callback | abandoned | in time | called back | until called back |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        abandoned = row.study.estimate("abandonment")
        cells = [
            str(row.agents),
            f"{row.share:.0%}" if row.share else "nobody",
            f"{abandoned.mean:.2%} ± {100 * abandoned.half_width:.2f}",
            f"{row.study.estimate('service_level').mean:.1%}",
            f"{row.study.estimate('called_back').mean:.1%}" if row.share else "",
            f"{row.study.estimate('callback_delay_s').mean:.0f} s" if row.share else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
