"""Latencies counted in the layout of HdrHistogram: three significant digits from a nanosecond to an hour, in one array.

The layout and the text format `.hgrm` are those of the HdrHistogram project, so its tools plot our files beside others'.
Two histograms of the same run can be subtracted, which gives what happened in between.
"""

from array import array
from collections.abc import Iterator
from itertools import accumulate
from typing import Self

from acd_sim.load.sender import HISTOGRAM_COUNTS, SUB_BUCKET_BITS

_HALF = 1 << (SUB_BUCKET_BITS - 1)
_TICKS_PER_HALVING = 5
"""How finely `.hgrm` tells the tail: so many rows for each halving of what lies above."""


class Histogram:
    """Counts of durations in nanoseconds.

    Args:
        counts: as `Sender.histogram` gives them; empty for none.
    """

    def __init__(self, counts: bytes = b"") -> None:
        self.counts = array("q", counts or bytes(8 * HISTOGRAM_COUNTS))
        self.total = sum(self.counts)

    def __sub__(self, earlier: Self) -> "Histogram":
        """What was counted since the earlier one."""
        return Histogram(
            array("q", (now - then for now, then in zip(self.counts, earlier.counts, strict=True))).tobytes()
        )

    def __add__(self, other: Self) -> "Histogram":
        """Both together."""
        return Histogram(array("q", (one + two for one, two in zip(self.counts, other.counts, strict=True))).tobytes())

    def at(self, share: float) -> int:
        """The value that this share of all do not exceed, 0..1; 0 when nothing was counted."""
        wanted = max(1, round(share * self.total + 0.499_999))
        seen = 0
        for index, count in enumerate(self.counts):
            seen += count
            if count and seen >= wanted:
                return highest(index)
        return self.most

    @property
    def most(self) -> int:
        """The greatest value."""
        return max((highest(index) for index, count in enumerate(self.counts) if count), default=0)

    @property
    def mean(self) -> float:
        """Their mean, as exact as the layout."""
        return sum(middle(index) * count for index, count in enumerate(self.counts) if count) / max(1, self.total)

    def curve(self) -> Iterator[tuple[float, int, int]]:
        """(value, share at or below it, how many) for rows that lie ever closer to 1, as `.hgrm` has them."""
        filled = [(index, count) for index, count in enumerate(self.counts) if count]
        sums = list(accumulate(count for _, count in filled))
        share = 0.0
        for place, (index, _) in enumerate(filled):
            reached = sums[place] / self.total
            if reached < share and place < len(filled) - 1:
                continue
            yield reached, highest(index), sums[place]
            while share <= reached < 1:
                halvings = 0
                while (1 - share) * 2 ** (halvings + 1) <= 1:
                    halvings += 1
                share += 1 / (_TICKS_PER_HALVING * 2 ** (halvings + 1))

    def hgrm(self, unit_ns: float = 1e6) -> str:
        """The text format of HdrHistogram's plotter; values in milliseconds unless told otherwise."""
        lines = [f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}", ""]
        for share, value, count in self.curve():
            beyond = f"{1 / (1 - share):>14.2f}" if share < 1 else " " * 11 + "inf"
            lines.append(f"{value / unit_ns:>12.3f} {share:>14.12f} {count:>10} {beyond}")
        mean = self.mean
        squares = sum((middle(index) - mean) ** 2 * count for index, count in enumerate(self.counts) if count)
        deviation = (squares / max(1, self.total)) ** 0.5
        lines += [
            f"#[Mean    = {mean / unit_ns:>12.3f}, StdDeviation   = {deviation / unit_ns:>12.3f}]",
            f"#[Max     = {self.most / unit_ns:>12.3f}, Total count    = {self.total:>12}]",
            f"#[Buckets = {HISTOGRAM_COUNTS // _HALF - 1:>12}, SubBuckets     = {2 * _HALF:>12}]",
        ]
        return "\n".join(lines) + "\n"


def lowest(index: int) -> int:
    """The least value that is counted there."""
    bucket = (index >> (SUB_BUCKET_BITS - 1)) - 1
    if bucket < 0:
        return index
    return (index - (bucket << (SUB_BUCKET_BITS - 1))) << bucket


def highest(index: int) -> int:
    """The greatest value that is counted there."""
    return lowest(index) + (1 << max(0, (index >> (SUB_BUCKET_BITS - 1)) - 1)) - 1


def middle(index: int) -> float:
    """Between both."""
    return (lowest(index) + highest(index)) / 2
