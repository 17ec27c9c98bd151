"""How long a simulated centre takes to forget that it began empty."""

from collections.abc import Sequence

import numpy as np


def warmup_intervals(series: Sequence[float]) -> int:
    """How many intervals to leave out at the beginning, by the marginal standard error rule.

    MSER (White 1997): leave out those without which the mean of the rest is known best. At most half may go; more
    would mean that the run is too short to tell.

    Args:
        series: a figure of each interval, such as the mean number waiting, averaged over some replications.
    """
    values = np.asarray(series, dtype=np.float64)
    count = len(values)
    if count < 4:
        return 0
    best, best_error = 0, np.inf
    for cut in range(count // 2 + 1):
        rest = values[cut:]
        error = float(np.sum((rest - rest.mean()) ** 2)) / len(rest) ** 2
        if error < best_error:
            best, best_error = cut, error
    return best
