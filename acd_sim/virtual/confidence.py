"""How sure a simulated figure is: means with intervals of Student's t distribution."""

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from scipy import special  # type: ignore[import-untyped]


class Estimate(Struct, frozen=True):
    """A mean of independent observations.

    Attributes:
        mean: the estimate; NaN when there is no observation.
        half_width: the true value lies within `mean` ± this, with the confidence asked for; infinite when one
            observation alone says nothing about its spread.
        count: of observations.
    """

    mean: float
    half_width: float
    count: int

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.mean + self.half_width

    def covers(self, value: float, allowance: float = 0.0) -> bool:
        """Whether `value` lies in the interval, widened by `allowance` on either side."""
        return self.low - allowance <= value <= self.high + allowance


def estimate(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Mean and interval of independent observations; those that are NaN (nothing happened) are left out."""
    known = np.asarray([value for value in values if not math.isnan(value)], dtype=np.float64)
    count = len(known)
    if count == 0:
        return Estimate(math.nan, math.inf, 0)
    if count == 1:
        return Estimate(float(known[0]), math.inf, 1)
    error = float(np.std(known, ddof=1)) / math.sqrt(count)
    return Estimate(float(np.mean(known)), error * quantile(count - 1, confidence), count)


def paired_difference(values: Sequence[float], base: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Mean of `values - base`, pair by pair: with common random numbers it is much surer than the two means."""
    return estimate([value - other for value, other in zip(values, base, strict=True)], confidence)


def quantile(freedom: int, confidence: float) -> float:
    """Student's t: a mean with so many degrees of freedom lies within so many standard errors."""
    return float(special.stdtrit(freedom, (1 + confidence) / 2))
