"""How long will a contact wait? What the forecast is made of; model/pace.py and pace.pyx make it.

The contacts of a queue that ask the same of an agent beyond what the queue asks stand in one line. While somebody
waits in it, the engine measures how fast it moves:

* the *step*: mean time between two of the line who reach an agent, which is the time during which somebody waited,
  divided by those who were answered after waiting. In a queue with s busy agents it comes to 1/(s mu), whatever other
  work they have, and however many of them there are.
* the *loss*: how many of those who wait give up (or leave in any other way without an agent) for each step, which is
  those who left divided by all their waiting, times the step.
* the *ring*: mean and variance of the time from the offer to its acceptance.

All of them are sums over a window that fades: each minute of engine time takes 1/16 of them away, so half of what is
known is eleven minutes old at most. Sums are integers, and advancing them in one stride or in many gives the same.

A contact with `ahead` others before it waits for `ahead + 1` steps, of which each is shorter by those who may give up
behind it: the abandonment-aware queue-length predictor, QLm, of Ibrahim and Whitt (Manufacturing & Service Operations
Management 11(3), 2009; Operations Research 59(5), 2011), the sum over i = 0..ahead of step / (1 + i loss), plus the
ring. The steps are taken for exponential and independent, so the variance is the sum of their squares; that of the
measured step itself, which is its square divided by the number it was measured from, comes on top, and that of the
ring. Quantiles are those of the gamma distribution with this mean and variance. That is exact without loss, when it
is Erlang's; against the exact distribution the p50 is up to 2.5 % high and the p90 1 % while no more than one in two
gives up, up to 5 % and 2 % beyond. The sum is exact for the first 32 steps, and taken in four blocks an octave from
there on, which is at most 0.5 % low; so a forecast costs the same however long the line is, at most 120 terms.

While fewer than `SERVED_MIN` were answered in the window, the wait of the last who was answered after waiting (LES)
takes the place of the mean, if that was less than half an hour ago; its variance is that of two Poisson streams, 2 / (ahead
+ 1) of the square. Without such a contact there is no forecast.

What the forecast does not know: contacts of higher priority that come later, steps that open the queue to other agents,
breaks that begin in a minute. How much that matters is measured: each forecast is scored when its contact is answered.
"""

from collections.abc import Iterator

PERIOD_US = 60_000_000
"""The window fades at the end of each such period of engine time,"""
FADE_SHIFT = 4
"""by 1 / 2**4 of what it holds."""
ONE = 1 << 16
"""One contact, as the counts of the window hold it."""
LOSS_SHIFT = 20
"""A loss of 1 is held as 2**20."""
LOSS_MAX = 1 << 30
SERVED_MIN = 4
"""From so many answered contacts on, the window tells how fast a line moves."""
LAST_MAX_US = 1_800_000_000
"""The last answered contact tells something for so long."""
RING_MAX_MS = 600_000
"""A longer ring is counted as so long."""
WAIT_MAX_US = 86_400_000_000
"""A forecast beyond a day is given as a day."""
LINES_OWN_MAX = 16
"""A queue's contacts are told apart by so many requirements of their own; those with others stand in its main line."""
TERMS_EXACT = 32
"""From so many steps on they are taken in blocks."""

SPREAD_SHIFT = 12
"""A coefficient of variation of 1 is held as 2**12."""
P50_BY_SPREAD = (
    65536,
    65531,
    65515,
    65488,
    65451,
    65403,
    65344,
    65275,
    65195,
    65105,
    65003,
    64892,
    64770,
    64637,
    64494,
    64340,
    64176,
    64001,
    63816,
    63621,
    63415,
    63200,
    62974,
    62737,
    62491,
    62235,
    61968,
    61692,
    61405,
    61109,
    60804,
    60488,
    60163,
    59828,
    59485,
    59131,
    58769,
    58397,
    58016,
    57627,
    57229,
    56822,
    56406,
    55982,
    55550,
    55110,
    54661,
    54205,
    53741,
    53270,
    52791,
    52305,
    51813,
    51313,
    50807,
    50294,
    49775,
    49250,
    48720,
    48183,
    47642,
    47095,
    46543,
    45987,
    45426,
    44861,
    44292,
    43719,
    43143,
    42564,
    41981,
    41396,
    40808,
    40219,
    39627,
    39034,
    38439,
    37843,
    37246,
    36649,
    36051,
    35453,
    34856,
    34258,
    33662,
    33066,
    32472,
    31880,
    31289,
    30700,
    30113,
    29529,
    28947,
    28369,
    27793,
    27221,
    26653,
)
"""Median of the gamma distribution with mean 65536, by its coefficient of variation in steps of 1/64 from 0."""
P90_BY_SPREAD = (
    65536,
    66852,
    68174,
    69502,
    70837,
    72177,
    73523,
    74874,
    76229,
    77589,
    78954,
    80322,
    81694,
    83070,
    84448,
    85830,
    87214,
    88600,
    89988,
    91377,
    92768,
    94160,
    95553,
    96946,
    98340,
    99733,
    101126,
    102518,
    103909,
    105299,
    106687,
    108074,
    109458,
    110840,
    112219,
    113594,
    114967,
    116336,
    117701,
    119061,
    120417,
    121769,
    123115,
    124456,
    125791,
    127121,
    128444,
    129760,
    131070,
    132373,
    133669,
    134957,
    136237,
    137510,
    138774,
    140029,
    141276,
    142513,
    143741,
    144960,
    146169,
    147368,
    148556,
    149735,
    150902,
    152059,
    153204,
    154339,
    155461,
    156572,
    157671,
    158758,
    159833,
    160895,
    161945,
    162982,
    164006,
    165017,
    166014,
    166998,
    167968,
    168925,
    169868,
    170796,
    171711,
    172611,
    173497,
    174369,
    175225,
    176067,
    176895,
    177707,
    178504,
    179286,
    180053,
    180805,
    181541,
)
"""Its 90 % quantile. Between two entries both are linear, which is off by 0.004 % of the mean at most."""


def blocks(steps: int) -> Iterator[tuple[int, int]]:
    """The steps 0, 1, .. in blocks: how many they are, and twice the number of the middle one."""
    step, size = 0, 1
    while step < steps:
        if step >= TERMS_EXACT and step & (step - 1) == 0:
            size = step >> 2
        count = min(size, steps - step)
        yield count, 2 * step + count - 1
        step += count


def quantile(mean: int, spread: int, by_spread: tuple[int, ...]) -> int:
    """The quantile that a table gives, of a distribution with this mean and coefficient of variation."""
    at = min(spread, (len(by_spread) - 2) << 6)
    low, part = at >> 6, at & 63
    ratio = (by_spread[low] * (64 - part) + by_spread[low + 1] * part) >> 6
    return mean * ratio >> 16
