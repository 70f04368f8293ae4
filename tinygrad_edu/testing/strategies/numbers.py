"""The numbers from which arrays are drawn: at most a few hundred, the simplest first.

Ordinary numbers are multiples of 1/32, up to 8. They are exact and have a short repr. Numbers of all sizes are 0, and
1, 2 and 5 times the powers of ten, from 1e-8 to the bounds.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor, isfinite, log10

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.errors import DataError

_MARGIN = 0.125  # the distance from a kink
_MAX_SIZES = 256  # the largest number of sizes
_REACH = 8  # the largest distance of ordinary numbers from 0, or from the bound closest to 0
_MIN_GRID = 16  # a grid with fewer numbers between the bounds is refined
_INTEGER_GRID = [Fraction(1)]
_DECIMAL = [Fraction(1, 10**k) for k in range(2, 325)]
_GRIDS = [Fraction(1, 32), *_DECIMAL]
_GAPS = [*(Fraction(1, 2**k) for k in range(3, 11)), *_DECIMAL[2:]]


@lru_cache
def ordinary_numbers(low: float, high: float, away_from: tuple[float, ...], dtype: np.dtype) -> Array:
    """Return a grid of numbers between the bounds, and the bounds; raise `DataError` if no number is left."""
    nearest = _nearest_to_0(low, high)
    first, last = max(low, nearest - _REACH), min(high, nearest + _REACH)
    for grid in _GRIDS if dtype.kind == "f" else _INTEGER_GRID:
        multiples = _multiples(grid, first, last)
        if len(multiples) >= _MIN_GRID:
            break
    bounds = [x for x in (low, high) if first <= x <= last]
    numbers = _within_bounds([*_times(grid, multiples), *bounds], low, high, away_from, dtype)
    if not numbers.size:
        raise DataError(
            f"no {dtype} number from low={low} to high={high} is at least {margin(low, high)} away from {away_from}."
        )
    return numbers


@lru_cache
def numbers_of_all_sizes(low: float, high: float, away_from: tuple[float, ...], dtype: np.dtype) -> Array:
    """Return 0, and 1, 2 and 5 times the powers of ten of both signs, within the bounds. The result may be empty."""
    largest = max(abs(low), abs(high))
    top = floor(log10(largest)) if largest else 0
    sizes = [float(f"{digit}e{power}") for power in range(top, min(-8, top - 8) - 1, -1) for digit in (5, 2, 1)]
    numbers = _within_bounds([x for size in sizes for x in (size, -size)] + [0.0], low, high, away_from, dtype)
    return numbers[:: 1 + numbers.size // _MAX_SIZES]


@lru_cache
def distinct_numbers(size: int, low: float, high: float, away_from: tuple[float, ...], dtype: np.dtype) -> Array:
    """Return `size` distinct sorted numbers near 0 with a distance of 1/8, or less if they do not fit.

    Raise `DataError` if the dtype has fewer such numbers.
    """
    nearest, chosen = _nearest_to_0(low, high), np.empty(0, dtype)
    for gap in _GAPS if dtype.kind == "f" else _INTEGER_GRID:
        numbers: list[float] = []
        for first, last in _between_kinks(low, high, away_from):
            multiples = _multiples(gap, first, last)
            middle = min(max(floor(Fraction(nearest) / gap), multiples.start), multiples.stop) - multiples.start
            numbers += _times(gap, multiples[max(middle - size, 0) : middle + size])
        chosen = _within_bounds(numbers, low, high, away_from, dtype)
        if chosen.size >= size:
            return np.sort(np.array(sorted(chosen.tolist(), key=lambda x: (abs(x - nearest), x < 0))[:size], dtype))
    raise DataError(
        f"cannot draw {size} distinct {dtype} numbers from low={low} to high={high}, away from {away_from}: there are "
        f"only {chosen.size}."
    )


def _between_kinks(low: float, high: float, away_from: tuple[float, ...]) -> Iterator[tuple[float, float]]:
    """Yield the intervals between the bounds that exclude kinks. Some are empty."""
    distance = margin(low, high)
    for kink in sorted(away_from):
        yield low, min(kink - distance, high)
        low = max(low, kink + distance)
    yield low, high


def _nearest_to_0(low: float, high: float) -> float:
    if not (isfinite(low) and isfinite(high) and low <= high):
        raise DataError(f"low and high must be finite, with low <= high, got low={low} and high={high}.")
    return min(max(low, 0.0), high)


def _multiples(grid: Fraction, first: float, last: float) -> range:
    """Return the integers k with ``first <= k * grid <= last``."""
    return range(ceil(Fraction(first) / grid), floor(Fraction(last) / grid) + 1)


def _times(grid: Fraction, multiples: range) -> list[float]:
    return [k * grid.numerator / grid.denominator for k in multiples]  # rounded only once, for a short repr


def margin(low: float, high: float) -> float:
    """Return the required distance from a kink."""
    return min(_MARGIN, (high - low) / 8)


def _within_bounds(
    numbers: list[float], low: float, high: float, away_from: tuple[float, ...], dtype: np.dtype
) -> Array:
    """Return numbers rounded to a dtype, within the bounds and away from kinks, the simplest first."""
    with np.errstate(over="ignore", invalid="ignore"):  # numbers outside the dtype's range are excluded below
        rounded = dict.fromkeys(np.array(numbers).astype(dtype).tolist())
    numbers = [x for x in rounded if low <= x <= high and all(abs(x - a) >= margin(low, high) for a in away_from)]
    return np.array(sorted(numbers, key=lambda x: (x != round(x), len(repr(abs(x))), abs(x), x < 0)), dtype)
