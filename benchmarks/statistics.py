"""Statistics of timings: median, quartiles, confidence interval and growth exponent."""

import math
from collections.abc import Sequence

import numpy as np


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return float(np.median(values))


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """Return the first and the third quartile."""
    low, high = np.percentile(values, (25, 75))
    return float(low), float(high)


def interval_of_median(values: Sequence[float], doubt: float) -> tuple[float, float] | None:
    """Return a confidence interval of the median with error probability at most `doubt`, or None for too few values.

    The interval is from the k-th smallest to the k-th largest value. For any continuous distribution, each value is
    below the median with probability 1/2, so the interval misses the median with probability 2 P(B < k) for B ~
    Binomial(n, 1/2) and n values; k is the largest that keeps this at most `doubt`. See H. A. David and H. N. Nagaraja,
    "Order statistics", 2003, section 7.1.

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
    """Return the exponent p of values ~ size ** p: the slope of a linear fit of the logarithms.

    Return None for fewer than two values, or if the numbers of values and sizes differ.

    Examples
    --------
    >>> round(exponent([1, 10, 100], [2, 20, 200]), 3)
    1.0
    """
    if len(values) != len(sizes) or len(values) < 2 or min(values) <= 0:
        return None
    slope = np.polyfit(np.log(sizes), np.log(values), 1)[0]
    return float(slope) if math.isfinite(slope) else None
