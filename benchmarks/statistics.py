"""The few statistics of a list of timings: its middle, its spread, and how a list grows."""

import math
from collections.abc import Sequence

import numpy as np


def median(values: Sequence[float]) -> float:
    """Return the middle value."""
    return float(np.median(values))


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """Return what a quarter of the values lie below, and what a quarter lie above."""
    low, high = np.percentile(values, (25, 75))
    return float(low), float(high)


def interval_of_median(values: Sequence[float], doubt: float) -> tuple[float, float] | None:
    """Return two of the values, between which their distribution's median lies but for a chance of at most `doubt`.

    A value is below that median as likely as above it, so the number of those below is the number of heads of as many
    fair coins, whatever the distribution: the k-th smallest and the k-th largest miss the median with the chance
    2 P(fewer than k heads). See H. A. David and H. N. Nagaraja, "Order statistics", 2003, section 7.1. None where
    there are so few values that the outermost miss it more often than that.

    Examples
    --------
    >>> interval_of_median([5.0, 1.0, 2.0, 4.0, 3.0, 9.0], doubt=0.05)
    (1.0, 9.0)
    """
    k = fewer = 0
    while 2 * (fewer + math.comb(len(values), k)) <= doubt * 2 ** len(values):
        fewer += math.comb(len(values), k)
        k += 1
    ordered = sorted(values)
    return (ordered[k - 1], ordered[-k]) if k else None


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float | None:
    """Return the power of the size that the values grow with: the slope of their logarithms.

    None where there are fewer than two values, or one for another number of sizes.

    Examples
    --------
    >>> round(exponent([1, 10, 100], [2, 20, 200]), 3)
    1.0
    """
    if len(values) != len(sizes) or len(values) < 2 or min(values) <= 0:
        return None
    slope = np.polyfit(np.log(sizes), np.log(values), 1)[0]
    return float(slope) if math.isfinite(slope) else None
