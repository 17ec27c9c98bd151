"""How callers of a real bank behaved in one month: the numbers that the demo centre draws from.

Source: every call of August 1999 to the call centre of an Israeli bank, the data set known as "Anonymous Bank"
(A. Mandelbaum, A. Sakov, S. Zeltyn, Technion: "Empirical analysis of a call center", 2000). Computed from its
42,078 rows; arrivals are means over the 23 weekdays, patience is the Kaplan-Meier estimate.
"""

import math
from itertools import pairwise
from random import Random
from typing import NamedTuple

OPENING_HOUR = 7
CLOSING_HOUR = 24
CALLS_PER_HOUR = (38, 81, 124, 145, 130, 113, 111, 119, 119, 118, 98, 88, 63, 58, 65, 69, 47)
"""Calls that sought an agent on a weekday, for each hour from `OPENING_HOUR` to `CLOSING_HOUR`."""

HIGH_PRIORITY_SHARE = 12_393 / 42_078
HIGH_PRIORITY_HEAD_START_S = 90
"""What the bank's own queue gave to customers of high priority."""


class HandleTime(NamedTuple):
    """A lognormal length of conversation, in seconds."""

    mean_s: float
    median_s: float

    def draw(self, random: Random) -> float:
        """A length of at least one second."""
        log_sd = math.sqrt(2 * math.log(self.mean_s / self.median_s))
        return max(1.0, random.lognormvariate(math.log(self.median_s), log_sd))


REGULAR = HandleTime(171, 114)
STOCKS = HandleTime(238, 163)
NEW_CUSTOMER = HandleTime(118, 69)
INTERNET = HandleTime(380, 122)
FOREIGN = HandleTime(299, 215)

PATIENCE_SURVIVAL = (
    (0, 1.0),
    (5, 0.986),
    (15, 0.935),
    (30, 0.893),
    (60, 0.816),
    (120, 0.714),
    (180, 0.642),
    (300, 0.551),
    (600, 0.384),
)
"""`(seconds, share of callers who are still willing to wait after them)`."""


def draw_patience(random: Random) -> float:
    """Seconds until a caller gives up waiting.

    Between the points of `PATIENCE_SURVIVAL` the readiness to give up is constant; after the last one it goes on
    as before it.
    """
    survival = 1.0 - random.random()
    for (start, above), (end, below) in pairwise(PATIENCE_SURVIVAL):
        if survival > below or end == PATIENCE_SURVIVAL[-1][0]:
            return start + (end - start) * math.log(above / survival) / math.log(above / below)
    raise AssertionError("the last segment is open")


def calls_per_hour(second_of_day: float) -> float:
    """Rate of calls that seek an agent at this time of a weekday; 0 while the centre is closed."""
    hour = int(second_of_day // 3600)
    if not OPENING_HOUR <= hour < CLOSING_HOUR:
        return 0.0
    return float(CALLS_PER_HOUR[hour - OPENING_HOUR])
