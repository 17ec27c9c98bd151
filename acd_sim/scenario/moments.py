"""Times of day as scenarios write them, as seconds of the run."""

from collections.abc import Sequence

import numpy as np

from acd_sim.scenario import shape
from acd_sim.scenario.document import Document, Steps

DAY_S = 86_400.0


class Days:
    """Turns times of day into seconds of the run."""

    def __init__(self, found: Document, first: int, horizon_s: float) -> None:
        self.first = first
        self.horizon_s = horizon_s
        self.count = max(1, int(np.ceil(horizon_s / DAY_S)))
        self._found = found

    def weekday(self, day: int) -> str:
        """Of a day of the run, from 0."""
        return shape.WEEKDAYS[(self.first + day) % 7]

    def clock(self, moment: str) -> float:
        """Seconds since midnight."""
        parts = [int(part) for part in moment.rpartition(" ")[2].split(":")]
        return sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))

    def seconds(self, moment: str) -> list[float]:
        """All seconds of the run that a moment means."""
        *day, _ = moment.split(" ")
        clock = self.clock(moment)
        if not day:
            chosen: Sequence[int] = range(self.count)
        elif day[0] in shape.WEEKDAYS:
            chosen = [number for number in range(self.count) if self.weekday(number) == day[0]]
        else:
            chosen = [int(day[0]) - 1]
        return [number * DAY_S + clock for number in chosen]

    def stretches(self, since: str, until: str, place: Steps) -> list[tuple[float, float]]:
        """The stretches of the run from one moment to the next other one."""
        ends = self.seconds(until) + ([self.count * DAY_S + self.clock(until)] if " " not in until else [])
        found = []
        for start in self.seconds(since):
            end = min((end for end in ends if end > start), default=None)
            if end is None:
                raise self._found.error((*place, "to"), f"{until!r} is not after {since!r}")
            found.append((start, end))
        if not found:
            raise self._found.error((*place, "from"), f"{since!r} is on no day of this run")
        return found
