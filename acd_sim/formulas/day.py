"""A day whose arrivals change from interval to interval, exactly: M(t)/M/n+M by uniformisation.

Within an interval the rates are constant, and the distribution after a time t is a Poisson mixture of powers of one
transition matrix (Jensen 1953; Grassmann, "Transient solutions in Markovian queueing systems", Computers & Operations
Research 4(1), 1977). The day begins empty, and ends when those who still wait are through.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class DayWaits(NamedTuple):
    """Over the whole day.

    Attributes:
        p_abandon: share of all calls that give up.
        mean_queue: calls that wait, on average over the intervals; the time after the last is left out.
        occupancy: share of their time for which agents talk, likewise.
    """

    p_abandon: float
    mean_queue: float
    occupancy: float


def solve(calls: Sequence[float], interval: float, service: float, agents: int, patience: float) -> DayWaits:
    """A day with so many `calls` expected in each interval of that length.

    Raises:
        ValueError: no interval, or a rate that is not positive.
    """
    if not calls or min(interval, service, patience) <= 0 or agents < 1 or min(calls) < 0:
        raise ValueError("there must be an interval, an agent, and positive rates")
    most = max(calls) / interval
    size = agents + int(most / patience + 12 * np.sqrt(most / patience + 1)) + 20
    counts = np.arange(size + 1)
    leaving = np.minimum(counts, agents) * service + np.maximum(counts - agents, 0) * patience
    pace = float(most + leaving.max())
    state = np.zeros(size + 1)
    state[0] = 1.0
    abandoned = queue_time = busy_time = 0.0
    for number in calls:
        rate = number / interval
        state, spent = _after(state, rate, leaving, pace, interval)
        queued = float(spent @ np.maximum(counts - agents, 0))
        queue_time += queued
        abandoned += patience * queued
        busy_time += float(spent @ np.minimum(counts, agents))
    # Those who wait at the end: the chance of giving up for one with k others before him, as in `erlang`.
    capacity = agents * service
    left = state[agents + 1 :]
    gives_up = 1 - capacity / (capacity + (np.arange(len(left)) + 1) * patience)
    abandoned += float(left @ np.cumsum(gives_up))
    length = interval * len(calls)
    return DayWaits(abandoned / sum(calls), queue_time / length, busy_time / length / agents)


Vector = np.ndarray[tuple[int], np.dtype[np.float64]]


def _after(state: Vector, rate: float, leaving: Vector, pace: float, time: float) -> tuple[Vector, Vector]:
    """The distribution after a time, and the time spent in each state until then."""
    end = np.zeros_like(state)
    spent = np.zeros_like(state)
    log_weight, weight_so_far, step = -pace * time, 0.0, 0
    while True:
        weight = float(np.exp(log_weight))
        weight_so_far += weight
        end += weight * state
        spent += (1 - weight_so_far) / pace * state
        step += 1
        if step > pace * time and 1 - weight_so_far < 1e-12:
            break
        moved = state * (1 - (rate + leaving) / pace)
        moved[-1] += state[-1] * rate / pace
        moved[1:] += state[:-1] * rate / pace
        moved[:-1] += state[1:] * leaving[1:] / pace
        state = moved
        log_weight += np.log(pace * time) - np.log(step)
    return end / end.sum(), np.maximum(spent, 0.0)
