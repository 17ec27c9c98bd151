"""A day with a peak on which callers may hang up and be called back: a known model, played elsewhere over sixty days.

The day of `acd_sim.oracles.day`, where it is exact without callbacks. Who would wait for more than a minute by the plain sum
(those before him, on the phone or to be called back, and himself) * mean talk / agents is asked, and a share of those accepts.
Callbacks are made while nobody waits on the phone, or first of all once their callers have waited for half an hour: here they
are moved to a queue that stands below the other, until its step raises them above.

The known figures are in doubt by as much as sixty days differ from sixty others. `sd` is that of one day, from 200 of our own.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from acd_core.config import Callback, Step
from acd_sim.oracles.case import Case, Figure, abandoned, agents, centre, queue
from acd_sim.oracles.day import CALLS_PER_SLOT, PATIENCE_S, PROFILE, SLOT_S, TALK_S
from acd_sim.virtual import CalledBack, Exponential, Figures, Kind, Model, Profile

ASKED_ABOVE_S = 60.0
FIRST_AFTER_S = 1800.0
TARGET_S = 20.0
DAYS = 1500
KNOWN_DAYS = 60
SOURCE = "sixty days"


class Known(NamedTuple):
    """How many agents, which share of those asked accepts, and which share of all gives up then."""

    agents: int
    share: float
    abandoned: float
    sd: float


KNOWN = (
    Known(12, 0.37, 0.0544, 0.0126),
    Known(12, 0.7, 0.0303, 0.0077),
    Known(13, 0.37, 0.0372, 0.0107),
    Known(13, 0.7, 0.0215, 0.0061),
    Known(14, 0.37, 0.0277, 0.0091),
    Known(14, 0.7, 0.0169, 0.0054),
)
LIVE_IN_TARGET, LIVE_SD = 0.729, 0.0614
"""With 12 agents, of whom 37 % of those asked accept: the share of all calls that are answered on the phone in time. It is
77.6 % without callbacks."""
DELAY_S, DELAY_DOUBT_S = 510.0, 90.0
"""With 12 agents, from the request to the call: known as seven to ten minutes."""


def cases() -> Iterator[Case]:
    """All of them."""
    for known in KNOWN:
        figures = [Figure("P(abandon)", known.abandoned, abandoned, _doubt(known.sd), SOURCE)]
        if known.agents == 12:
            figures.append(Figure("mean delay of a callback s", DELAY_S, _delay, DELAY_DOUBT_S, SOURCE))
        if (known.agents, known.share) == (12, 0.37):
            figures.append(Figure("P(on the phone, W<=20 s)", LIVE_IN_TARGET, _live, _doubt(LIVE_SD), SOURCE))
        yield Case(
            f"callback day, {known.agents} agents, {known.share:.0%} accept",
            model(known.agents, known.share),
            tuple(figures),
        )


def model(count: int, share: float) -> Model:
    """So many agents, of those asked such a share who accept."""
    rules = Callback(expires_s=86_400)
    return Model(
        config=centre(
            [
                queue(priority=1, strict_priority=True, service_level_s=TARGET_S, callback=rules),
                queue(
                    "callbacks", strict_priority=True, callback=rules, steps=(Step(after_s=FIRST_AFTER_S, priority=2),)
                ),
            ],
            agents(count),
        ),
        kinds=(
            Kind(
                name="calls",
                tenant="t",
                queue="calls",
                arrivals=Profile(counts=tuple(CALLS_PER_SLOT * part for part in PROFILE), slot_s=SLOT_S),
                talk=Exponential(TALK_S),
                patience=Exponential(PATIENCE_S),
                callback=CalledBack(share=share, ahead=math.floor(ASKED_ABOVE_S * count / TALK_S), queue="callbacks"),
            ),
        ),
        horizon_s=86_400 * DAYS / 20,
        interval_s=1e8,
    )


def _doubt(sd: float) -> float:
    return 1.96 * sd / math.sqrt(KNOWN_DAYS)


def _delay(figures: Figures) -> float:
    return figures.mean_s("callback_delay_ns", "called_back")


def _live(figures: Figures) -> float:
    """Who is called back hangs up at once, and so counts as answered in time for the queue: not here."""
    return (figures.count("answered_in_target") - figures.count("called_back")) / figures.count("offered")
