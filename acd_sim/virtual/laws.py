"""How long things take: distributions of durations, in seconds, as declared values.

Each law draws with NumPy, in blocks, so that the numbers depend on the stream only and not on the size of the blocks.
"""

import itertools
import math
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PositiveS = Annotated[float, Meta(gt=0, le=1e9)]
NonNegativeS = Annotated[float, Meta(ge=0, le=1e9)]
Spread = Annotated[float, Meta(gt=0, le=100, description="standard deviation divided by mean")]


class LawError(ValueError):
    """A law whose values contradict each other; the message says which."""


class Constant(Struct, frozen=True, forbid_unknown_fields=True, tag_field="law", tag="constant"):
    """Always as long."""

    seconds: NonNegativeS

    @property
    def mean_s(self) -> float:
        """Expected duration."""
        return self.seconds

    def draw(self, stream: np.random.Generator, count: int) -> Floats:  # noqa: ARG002 - laws are drawn alike
        """So many durations."""
        return np.full(count, self.seconds)


class Exponential(Struct, frozen=True, forbid_unknown_fields=True, tag_field="law", tag="exponential"):
    """Without memory: how long it has lasted says nothing about how long it will."""

    mean_s: PositiveS

    def draw(self, stream: np.random.Generator, count: int) -> Floats:
        """So many durations."""
        return stream.standard_exponential(count) * self.mean_s


class Lognormal(Struct, frozen=True, forbid_unknown_fields=True, tag_field="law", tag="lognormal"):
    """The usual shape of talks: many short, few long. Give `cv` or `median_s`.

    Attributes:
        mean_s: mean.
        cv: standard deviation divided by mean.
        median_s: half are shorter; below the mean.
    """

    mean_s: PositiveS
    cv: Spread | None = None
    median_s: PositiveS | None = None

    def __post_init__(self) -> None:
        if (self.cv is None) == (self.median_s is None):
            raise LawError("give either cv or median_s")
        if self.median_s is not None and self.median_s >= self.mean_s:
            raise LawError("median_s must be below mean_s")

    def draw(self, stream: np.random.Generator, count: int) -> Floats:
        """So many durations."""
        if self.cv is not None:
            variance = math.log1p(self.cv**2)
        else:
            assert self.median_s is not None
            variance = 2 * math.log(self.mean_s / self.median_s)
        draws: Floats = np.exp(
            math.log(self.mean_s) - variance / 2 + math.sqrt(variance) * stream.standard_normal(count)
        )
        return draws


class Gamma(Struct, frozen=True, forbid_unknown_fields=True, tag_field="law", tag="gamma"):
    """A sum of several steps when `cv` is below 1; more spread than exponential above it."""

    mean_s: PositiveS
    cv: Spread

    def draw(self, stream: np.random.Generator, count: int) -> Floats:
        """So many durations."""
        return stream.standard_gamma(self.cv**-2, count) * (self.mean_s * self.cv**2)


class Uniform(Struct, frozen=True, forbid_unknown_fields=True, tag_field="law", tag="uniform"):
    """Anything between two bounds is as likely."""

    low_s: NonNegativeS
    high_s: NonNegativeS

    def __post_init__(self) -> None:
        if self.high_s < self.low_s:
            raise LawError("high_s must not be below low_s")

    @property
    def mean_s(self) -> float:
        """Expected duration."""
        return (self.low_s + self.high_s) / 2

    def draw(self, stream: np.random.Generator, count: int) -> Floats:
        """So many durations."""
        return self.low_s + (self.high_s - self.low_s) * stream.random(count)


class Empirical(Struct, frozen=True, forbid_unknown_fields=True, tag_field="law", tag="empirical"):
    """Values that were observed, each as likely."""

    values_s: Annotated[tuple[NonNegativeS, ...], Meta(min_length=1)]

    @property
    def mean_s(self) -> float:
        """Expected duration."""
        return float(np.mean(self.values_s))

    def draw(self, stream: np.random.Generator, count: int) -> Floats:
        """So many durations."""
        values = np.asarray(self.values_s, dtype=np.float64)
        return values[(stream.random(count) * len(values)).astype(np.int64)]


class Survival(Struct, frozen=True, forbid_unknown_fields=True, tag_field="law", tag="survival"):
    """Patience as a curve: the share that is still there after so many seconds.

    Between two points the readiness to leave is constant; after the last point it goes on as between the last two.

    Attributes:
        points: `(seconds, share)`, seconds rising, share falling from below or at 1 and above 0.
    """

    points: Annotated[tuple[tuple[NonNegativeS, Annotated[float, Meta(gt=0, le=1)]], ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        seconds, shares = (list(column) for column in zip(*self.points, strict=True))
        if seconds[0] == 0 and shares[0] < 1:
            raise LawError("the share at 0 seconds is 1")
        knots = [(0.0, 1.0), *(point for point in self.points if point[0] > 0)]
        if len(knots) < 2:
            raise LawError("one point after 0 seconds is needed at least")
        for (start, above), (end, below) in itertools.pairwise(knots):
            if end <= start or below > above:
                raise LawError(
                    f"the point ({end:g}, {below:g}) must lie later and not higher than ({start:g}, {above:g})"
                )
        if knots[-1][1] == knots[-2][1]:
            raise LawError("the last point must lie below the one before, else nobody would ever leave")

    def _knots(self) -> tuple[Floats, Floats]:
        """Seconds, and the cumulated readiness to leave up to them."""
        points = [(0.0, 1.0), *(point for point in self.points if point[0] > 0)]
        seconds, shares = np.asarray(points).T
        return seconds, -np.log(shares)

    @property
    def mean_s(self) -> float:
        """Expected patience."""
        seconds, hazard = self._knots()
        lengths, slopes = np.diff(seconds), np.diff(hazard) / np.diff(seconds)
        shares = np.exp(-hazard)
        areas = [
            length * share if slope == 0 else (share - after) / slope
            for length, share, after, slope in zip(lengths, shares[:-1], shares[1:], slopes, strict=True)
        ]
        return float(sum(areas) + shares[-1] / slopes[-1])

    def draw(self, stream: np.random.Generator, count: int) -> Floats:
        """So many durations."""
        seconds, hazard = self._knots()
        level = stream.standard_exponential(count)
        inside = np.interp(level, hazard, seconds)
        slope = (hazard[-1] - hazard[-2]) / (seconds[-1] - seconds[-2])
        return np.where(level > hazard[-1], seconds[-1] + (level - hazard[-1]) / slope, inside)


Law = Constant | Exponential | Lognormal | Gamma | Uniform | Empirical | Survival
LAWS: tuple[type[Struct], ...] = Law.__args__


def kaplan_meier(durations_s: Any, left: Any, points: int = 200) -> Survival:
    """The patience of callers of whom some were served first (Kaplan and Meier 1958, product-limit estimate).

    Args:
        durations_s: how long each waited.
        left: for each whether he gave up; the others were answered, so their patience is known to be longer only.
        points: the curve is thinned to about so many points.

    Raises:
        LawError: nobody gave up, so nothing is known.
    """
    waits = np.asarray(durations_s, dtype=np.float64)
    gave_up = np.asarray(left, dtype=bool)
    times = np.unique(waits[gave_up & (waits > 0)])
    if not len(times):
        raise LawError("nobody gave up after waiting, so patience cannot be estimated")
    ordered = np.sort(waits)
    at_risk = len(waits) - np.searchsorted(ordered, times, side="left")
    quits = np.sort(waits[gave_up])
    leaving = np.searchsorted(quits, times, side="right") - np.searchsorted(quits, times, side="left")
    share = np.cumprod(1 - leaving / at_risk)
    alive = share > 0
    times, share = times[alive], share[alive]
    if not len(times):
        raise LawError("all gave up at once, so patience cannot be estimated")
    keep = np.unique(np.linspace(0, len(times) - 1, min(points, len(times))).round().astype(np.int64))
    curve = [(float(times[index]), float(share[index])) for index in keep]
    return Survival(tuple(curve))
