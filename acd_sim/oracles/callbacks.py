"""Callers who hang up and keep their place: they are callers who never give up.

Of those who have to wait on a busy afternoon a share wants to be called back. With none, and with all, it is Erlang A
and Erlang C.
"""

from collections.abc import Iterator

from msgspec import structs

from acd_core.config import Callback
from acd_sim.formulas import patience
from acd_sim.oracles.case import Case, Figure, abandoned, agents, calls, centre, delayed, mean_wait, queue, stretch
from acd_sim.virtual import CalledBack, Figures, Model

ARRIVALS = 140 / 3600
TALK_S = 300.0
AGENTS = 13
PATIENCE_S = 180.0
SHARES = (0.37, 0.7, 1.0)


def cases() -> Iterator[Case]:
    """All of them."""
    for share in SHARES:
        exact = patience.solve(ARRIVALS, 1 / TALK_S, AGENTS, 1 / PATIENCE_S, share)
        kind = structs.replace(calls(ARRIVALS, TALK_S, patience_s=PATIENCE_S), callback=CalledBack(share=share))
        yield Case(
            f"callbacks: {share:.0%} of those who wait",
            Model(
                config=centre([queue(callback=Callback(expires_s=1_000_000))], agents(AGENTS)),
                kinds=(kind,),
                **stretch(ARRIVALS, 600_000, 30 * TALK_S),
            ),
            (
                Figure("P(W>0)", exact.p_wait, delayed),
                Figure("P(abandon)", exact.p_abandon, abandoned),
                Figure("E[W] on the phone s", exact.mean_wait, mean_wait(1)),
                Figure("P(called back)", exact.p_called_back, _called_back),
                Figure("mean delay of a callback s", exact.mean_delay, _delay),
            ),
        )


def _called_back(figures: Figures) -> float:
    return figures.share("called_back")


def _delay(figures: Figures) -> float:
    return figures.mean_s("callback_delay_ns", "called_back")
