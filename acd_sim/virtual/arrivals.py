"""When contacts arrive: declared processes over the seconds of a run.

Random arrivals are a Poisson process with a rate that is constant in pieces, drawn by stretching time: the k-th
arrival is where the cumulated rate reaches the k-th point of a process of rate 1. So when only the rate is changed,
the same callers come a little earlier or later.
"""

from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct

from acd_sim.virtual.laws import Floats
from acd_sim.virtual.streams import Streams

DAY_S = 86_400.0
NonNegative = Annotated[float, Meta(ge=0, le=1e9)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Surge(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stretch of time in which arrivals are `factor` times as many; 0 when nobody comes through."""

    from_s: NonNegative
    to_s: NonNegative
    factor: Annotated[float, Meta(ge=0, le=10_000)]


class Poisson(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Independent callers at one rate, from `from_s` to `to_s` (the end of the run when left out)."""

    per_hour: NonNegative
    from_s: NonNegative = 0
    to_s: NonNegative | None = None
    surges: tuple[Surge, ...] = ()


class Profile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Independent callers at a rate that changes from slot to slot, the same every day.

    Attributes:
        counts: contacts expected in each slot.
        slot_s: length of a slot.
        from_s: second of the day at which the first slot begins; slots past midnight are not possible.
        day_cv: standard deviation, divided by mean, of a factor drawn anew for each day (Gamma): real days differ by
            more than chance among independent callers explains. 0 for none.
        days: factor for each day of the run in turn, the last for all further ones; such as 0 for a closed Sunday.
        surges: stretches of the run with more or fewer.
    """

    counts: Annotated[tuple[NonNegative, ...], Meta(min_length=1, max_length=100_000)]
    slot_s: Annotated[float, Meta(gt=0, le=DAY_S)] = 1800
    from_s: NonNegative = 0
    day_cv: Annotated[float, Meta(ge=0, le=10)] = 0
    days: tuple[NonNegative, ...] = ()
    surges: tuple[Surge, ...] = ()


class Recorded(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Callers of a record, each with what is known of him; a column that is empty is drawn from the kind's laws.

    Attributes:
        at_s: when each came, not falling.
        talk_s: how long each would talk.
        patience_s: how long each would wait; a negative value is for ever.
        wrapup_s: how long each would keep the agent afterwards.
        priority: added to the kind's.
    """

    at_s: Any
    talk_s: Any = None
    patience_s: Any = None
    wrapup_s: Any = None
    priority: Any = None


class Backlog(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Contacts that can wait, such as a survey's numbers: `waiting` of them stand in line at all times.

    Attributes:
        waiting: so many are kept in the queue.
        total: so many there are in all; None for an endless list.
        from_s, to_s: when the list is worked on; what then still waits is withdrawn.
    """

    waiting: Annotated[int, Meta(ge=1, le=100_000)] = 10
    total: Annotated[int, Meta(ge=1)] | None = None
    from_s: NonNegative = 0
    to_s: NonNegative | None = None


Arrivals = Poisson | Profile | Recorded | Backlog


class ArrivalError(ValueError):
    """Arrivals that contradict themselves; the message says how."""


def cumulated_rate(arrivals: Poisson | Profile, streams: Streams, name: str, horizon_s: float) -> tuple[Floats, Floats]:
    """Knots of the expected number of arrivals up to a second of the run: seconds, and numbers.

    Args:
        arrivals: the process.
        streams: of the replication, for the factors of the days.
        name: of the kind.
        horizon_s: nobody comes after it.
    """
    if isinstance(arrivals, Poisson):
        end = horizon_s if arrivals.to_s is None else min(arrivals.to_s, horizon_s)
        edges, rates = np.array([0.0, arrivals.from_s, max(end, arrivals.from_s)]), [0.0, arrivals.per_hour / 3600]
    else:
        length = len(arrivals.counts) * arrivals.slot_s
        if arrivals.from_s + length > DAY_S + 1e-6:
            raise ArrivalError("the slots of a profile end after midnight; shorten slot_s, or give fewer counts")
        days = int(np.ceil(horizon_s / DAY_S))
        factors = _day_factors(arrivals, streams.stream("days", name), days)
        slots = arrivals.from_s + np.arange(len(arrivals.counts) + 1) * arrivals.slot_s
        rate = np.asarray(arrivals.counts, dtype=np.float64) / arrivals.slot_s
        edges = np.concatenate([[0.0], *(slots + day * DAY_S for day in range(days))])
        rates = [value for factor in factors for value in (0.0, *(rate * factor))]
    return _integrated(edges, np.asarray(rates), arrivals.surges, horizon_s)


def _day_factors(arrivals: Profile, stream: np.random.Generator, days: int) -> Floats:
    drawn = np.ones(days)
    if arrivals.day_cv:
        drawn = stream.standard_gamma(arrivals.day_cv**-2, days) * arrivals.day_cv**2
    if arrivals.days:
        given = [arrivals.days[min(day, len(arrivals.days) - 1)] for day in range(days)]
        drawn = drawn * np.asarray(given)
    return drawn


def _integrated(edges: Floats, rates: Floats, surges: tuple[Surge, ...], horizon_s: float) -> tuple[Floats, Floats]:
    """Cumulate a rate that is constant between edges, changed by surges, up to the horizon."""
    cuts = [value for surge in surges for value in (surge.from_s, surge.to_s)]
    knots = np.unique(np.clip(np.concatenate([edges, cuts, [0.0, horizon_s]]), 0.0, horizon_s))
    middles = (knots[1:] + knots[:-1]) / 2
    place = np.searchsorted(edges, middles, side="right") - 1
    inside = (place >= 0) & (place < len(rates))
    rate = np.where(inside, rates[np.clip(place, 0, len(rates) - 1)], 0.0)
    for surge in surges:
        rate = np.where((middles >= surge.from_s) & (middles < surge.to_s), rate * surge.factor, rate)
    return knots, np.concatenate([[0.0], np.cumsum(rate * np.diff(knots))])


class PoissonClock:
    """Arrival times in blocks, each a sorted array of seconds; the empty array at the end."""

    def __init__(self, knots: tuple[Floats, Floats], stream: np.random.Generator, block: int) -> None:
        self._seconds, self._numbers = knots
        self._stream = stream
        self._block = block
        self._reached = 0.0

    def next(self) -> Floats:
        """The next block."""
        end = float(self._numbers[-1])
        if self._reached >= end:
            return np.empty(0)
        points = self._reached + np.cumsum(self._stream.standard_exponential(self._block))
        self._reached = float(points[-1])
        return np.interp(points[points < end], self._numbers, self._seconds)
