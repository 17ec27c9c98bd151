"""When an agent was not there, as far as a record without pauses can tell.

A free agent takes a waiting caller at once. So one who had no call, while somebody waited whom he could have served,
was at something else: after-work, a break, another task. He was back when he took his next call.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

Span = tuple[int, int]

TAKES_S = 10
"""Until a call rings, is taken and is recorded as begun, so long may pass with nobody absent."""


def union(spans: Iterable[Span]) -> list[Span]:
    """The spans without overlaps, in order."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def absences(shift: Span, talks: Iterable[Span], waiting: Sequence[Span]) -> list[Span]:
    """When an agent was away within his shift, in seconds.

    Args:
        shift: from log-in to log-out.
        talks: his conversations.
        waiting: a union of the times at which somebody waited whom he could have served.
    """
    away: list[Span] = []
    free = shift[0]
    for start, end in union(talks):
        if start > free:
            # The first instant of the gap at which somebody waits.
            place = bisect_right(waiting, (free, shift[1])) - 1
            since = free if place >= 0 and waiting[place][1] > free else None
            if since is None and place + 1 < len(waiting):
                since = waiting[place + 1][0]
            if since is not None and since < start - TAKES_S:
                away.append((since, start))
        free = max(free, end)
    return away
