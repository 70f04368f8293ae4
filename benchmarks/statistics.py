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
