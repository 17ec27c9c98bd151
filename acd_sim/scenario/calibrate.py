"""A scenario made from recorded calls: the working day that they show on average.

Taken from the record: arrivals by half hour and type, with how much days differ beyond chance; talks by type as fifty
equally likely lengths, each the mean of its fiftieth; patience by Kaplan and Meier over all callers; and for each group
of agents how many of them had a call in each half hour. What a record of calls cannot show is when these agents were
away from their desks in between. That share is found by simulation: it is the one with which as many callers give up as
did in the record.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
from msgspec import Struct

from acd_sim.recorded_calls import Record, RecordedCall
from acd_sim.scenario.build import build
from acd_sim.scenario.document import Document
from acd_sim.virtual import kaplan_meier, simulate

SLOT_S = 1800
SLOTS = 48
TALK_VALUES = 50
PATIENCE_POINTS_S = (5, 10, 15, 30, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200)
HEAD_START_S = 90
"""What high priority was worth in the queue of the bank whose record this format comes from."""
GROUP_CALLS = 20
"""An agent group serves the types of which it took at least so many calls."""
SPECIALIST_SHARE = 0.8
PAUSE_H = 0.25
"""How long those are taken to be away who are away, on average."""
SEARCH_STEPS = 9
REPLICATIONS = 12


class CalibrationError(ValueError):
    """The record is too small to say anything; the message says what is missing."""


class _Group(Struct):
    """Agents who serve the same things: the types, and how many of them are there in each half hour."""

    name: str
    types: list[str]
    present: list[int]


def calibrate(record: Record, source: str) -> str:
    """The text of a scenario file for a working day like those of the record.

    Args:
        record: of one queue or many; days with less than half the calls of the busiest weekday are left out.
        source: the name of its file, for the comment.

    Raises:
        CalibrationError: it holds too few calls.
    """
    calls, days = _working_days(record.calls)
    if len(calls) < 500 or len(days) < 2:
        raise CalibrationError(f"{source} holds {len(calls)} calls on {len(days)} working days; 500 on 2 are needed")
    if not any(call.outcome == "abandoned" for call in calls):
        raise CalibrationError(f"{source}: nobody gave up, so patience cannot be known")
    groups = _groups(calls, days)
    abandonment = sum(call.outcome == "abandoned" for call in calls) / len(calls)
    low, high = 0.0, 0.9
    for _ in range(SEARCH_STEPS):
        away = (low + high) / 2
        text = _scenario(calls, days, groups, away, abandonment, source)
        model = build(Document(text, source, Path())).model
        study = simulate(model, seed=1, replications=REPLICATIONS, processes=1)
        if study.estimate("abandonment").mean < abandonment:
            low = away
        else:
            high = away
    return _scenario(calls, days, groups, (low + high) / 2, abandonment, source)


def _working_days(calls: Sequence[RecordedCall]) -> tuple[list[RecordedCall], list[int]]:
    """The calls of weekdays that are about as busy as the busiest one, and those days."""
    by_day = Counter(call.day for call in calls)
    by_weekday: dict[int, list[int]] = defaultdict(list)
    for day, count in by_day.items():
        by_weekday[date.fromordinal(day).weekday()].append(count)
    means = {weekday: float(np.mean(counts)) for weekday, counts in by_weekday.items()}
    busiest = max(means.values(), default=0.0)
    chosen = {weekday for weekday, mean in means.items() if mean >= busiest / 2}
    days = sorted(day for day in by_day if date.fromordinal(day).weekday() in chosen)
    return [call for call in calls if date.fromordinal(call.day).weekday() in chosen], days


def _groups(calls: Sequence[RecordedCall], days: Sequence[int]) -> list[_Group]:
    """Specialists of a type, and all others."""
    served: dict[str, Counter[str]] = defaultdict(Counter)
    for call in calls:
        if call.server:
            served[call.server][call.type] += 1
    special: dict[str, str] = {}
    for server, counts in served.items():
        kind, count = counts.most_common(1)[0]
        special[server] = kind if count >= SPECIALIST_SHARE * counts.total() and counts.total() >= 20 else ""
    # Somebody who does mostly what everybody does is no specialist.
    usual = Counter(call.type for call in calls).most_common(1)[0][0]
    groups: dict[str, list[str]] = defaultdict(list)
    for server, kind in special.items():
        groups["" if kind == usual else kind].append(server)
    found = []
    for kind, servers in sorted(groups.items()):
        counts = sum((served[server] for server in servers), Counter[str]())
        types = sorted(name for name, count in counts.items() if count >= GROUP_CALLS)
        busy: dict[tuple[int, int], set[str]] = defaultdict(set)
        members = set(servers)
        for call in calls:
            if call.server in members:
                begin = call.start_s + call.wait_s
                for slot in range(begin // SLOT_S, (begin + call.service_s) // SLOT_S + 1):
                    busy[call.day, slot].add(call.server)
        means = [float(np.mean([len(busy[day, slot]) for day in days])) for slot in range(SLOTS)]
        found.append(_Group(kind or "general", types, [round(mean) for mean in means]))
    return [group for group in found if any(group.present)]


def _scenario(
    calls: Sequence[RecordedCall],
    days: Sequence[int],
    groups: Sequence[_Group],
    away: float,
    abandonment: float,
    source: str,
) -> str:
    patience = kaplan_meier([call.wait_s for call in calls], [call.outcome == "abandoned" for call in calls], 10_000)
    first, last = date.fromordinal(days[0]), date.fromordinal(days[-1])
    queued = [call.wait_s for call in calls if call.outcome == "served"]
    in_time = sum(wait <= 20 for wait in queued) / len(calls)
    parts = [
        f"""# Made from {source} with `acd calibrate`: {len(calls):,} calls on {len(days)} working days from {first} to {last}.
# On those days {abandonment:.1%} of the calls gave up, {in_time:.1%} were answered within 20 seconds, and those who were
# answered had waited {np.mean(queued):.0f} seconds on average.

title = "A working day of a real bank"
about = "Arrivals, talks and patience of {len(calls):,} recorded calls; agents as many as the record shows."

[run]
replications = 30

[goals]
service_level = 0.8
abandonment = 0.05

[[tenants]]
name = "bank"
"""
    ]
    types = [name for name, _ in Counter(call.type for call in calls).most_common()]
    parts += [_queue(name) for name in types]
    points = _curve(patience.points)
    for name in types:
        for high in (False, True):
            chosen = [call for call in calls if call.type == name and call.high_priority == high]
            if len(chosen) >= 2 * len(days):
                parts.append(_contacts(name, high, chosen, calls, days, points))
    for group in groups:
        parts += _teams(group, away)
    return "\n".join(parts)


def _queue(name: str) -> str:
    return f"""[[queues]]
tenant = "bank"
name = "{name}"
require = "{name}"
priority_step_s = {HEAD_START_S}
service_level_s = 20
"""


def _curve(points: Sequence[tuple[float, float]]) -> list[list[float]]:
    """The survival curve at round seconds."""
    seconds = np.array([0.0, *(point[0] for point in points)])
    shares = np.array([1.0, *(point[1] for point in points)])
    found: list[list[float]] = []
    for second in PATIENCE_POINTS_S:
        share = round(float(shares[np.searchsorted(seconds, second, side="right") - 1]), 4)
        if 0 < share < (found[-1][1] if found else 1.0) and second <= seconds[-1]:
            found.append([second, share])
    return found


def _contacts(
    name: str,
    high: bool,
    chosen: Sequence[RecordedCall],
    calls: Sequence[RecordedCall],
    days: Sequence[int],
    points: list[list[float]],
) -> str:
    slots = Counter(min(call.start_s // SLOT_S, SLOTS - 1) for call in chosen)
    counts = [round(slots[slot] / len(days), 2) for slot in range(SLOTS)]
    first = next(slot for slot in range(SLOTS) if counts[slot])
    last = max(slot for slot in range(SLOTS) if counts[slot])
    talks = np.sort([call.service_s for call in calls if call.type == name and call.service_s > 0])
    values = [round(float(part.mean()), 1) for part in np.array_split(talks, min(TALK_VALUES, len(talks)))]
    label = f"{name} high" if high else name
    priority = "priority = 1\n" if high else ""
    spread = _day_spread(chosen, days)
    return f"""[[contacts]]
name = "{label}"
queue = "bank/{name}"
{priority}arrivals = {{ from = "{first // 2:02d}:{first % 2 * 30:02d}", slot_minutes = 30, day_cv = {spread}, counts = {counts[first : last + 1]} }}
talk = {{ law = "empirical", values_s = {values} }}
patience = {{ law = "survival", points = {points} }}
"""


def _day_spread(chosen: Sequence[RecordedCall], days: Sequence[int]) -> float:
    """How much the days differ beyond the chance of independent callers: standard deviation by mean."""
    by_day = Counter(call.day for call in chosen)
    counts = np.array([by_day[day] for day in days], dtype=np.float64)
    beyond = counts.var(ddof=1) - counts.mean()
    return round(float(np.sqrt(max(beyond, 0.0)) / counts.mean()), 3)


def _teams(group: _Group, away: float) -> list[str]:
    """A team for each set of hours: those who are there whenever at least so many are."""
    shifts: Counter[tuple[tuple[int, int], ...]] = Counter()
    for level in range(max(group.present)):
        there = [0, *(int(count > level) for count in group.present), 0]
        edges = np.flatnonzero(np.diff(there)).tolist()
        shifts[tuple(zip(edges[::2], edges[1::2], strict=True))] += 1
    skills = ", ".join(f"{name} = 50" for name in group.types)
    found = []
    for number, (hours, count) in enumerate(sorted(shifts.items()), 1):
        times = ", ".join(f'{{ from = "{_clock(since)}", to = "{_clock(until)}" }}' for since, until in hours)
        found.append(f"""[[teams]]
name = "{group.name}-{number}"
count = {count}
skills = {{ {skills} }}
pauses = {{ per_hour = {away / (1 - away) / PAUSE_H:.2f}, length = {{ law = "exponential", mean_s = {PAUSE_H * 3600:.0f} }} }}
shifts = [{times}]
""")
    return found


def _clock(slot: int) -> str:
    return f"{slot // 2:02d}:{slot % 2 * 30:02d}"
