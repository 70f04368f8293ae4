"""Slopes at points around a point.

Where several elements make one kink, such as three tied numbers that are sorted, the slope along some directions is
that of no derivative at a point nearby, and the two one-sided slopes do not show them all.
"""

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.flat_function import Claim
from tinygrad_edu.testing.numeric.finite_differences import largest, value_or_nan
from tinygrad_edu.testing.numeric.rounding import has_float32_parts
from tinygrad_edu.testing.numeric.sampling import Rng

_POINTS = 48  # at each distance
_NEAR, _FAR = 32, 1024  # distances of the points, in steps
_STEPS = 2.0**-23, 2.0**-12  # relative to the inputs, for float64 and for float32
_UNITS = float(np.finfo(np.float64).eps), float(np.finfo(np.float32).eps)
_ERROR = 1e-4  # the smallest relative error of a slope


@np.errstate(all="ignore")
def is_slope_nearby(claim: Claim, k: int, direction: Array, derivative: float, rng: Rng) -> bool:
    """Return whether slopes vary around the point because of a kink, and a derivative along a direction is among them.

    The slopes of a smooth function vary less at a smaller distance, those of a kink do not.
    """
    is_rough = has_float32_parts(claim.of_input(k), claim.arrays[k], direction)
    slopes, error = _slopes_around(claim, k, direction, is_rough, _NEAR, rng)
    if not slopes.size or not slopes.min() - error <= derivative <= slopes.max() + error or np.ptp(slopes) <= 4 * error:
        return False
    return bool(np.ptp(slopes) > np.ptp(_slopes_around(claim, k, direction, is_rough, _FAR, rng)[0]) / 4)


def _slopes_around(
    claim: Claim, k: int, direction: Array, is_rough: bool, distance: float, rng: Rng
) -> tuple[Array, float]:
    """Return the slopes of the weighted result at random points without a kink, and their error.

    The elements of all inputs move in proportion to their sizes.
    """
    relative, unit = _STEPS[is_rough], _UNITS[is_rough]
    step = _step(claim.arrays[k], direction, relative)

    def slopes() -> Array:  # on both sides
        point = [x + distance * relative * _sizes(x) * rng.uniform(-1, 1, x.shape) for x in claim.arrays]

        def result(moved: Array) -> float:
            value = value_or_nan(lambda x: claim.f(*point[:k], x, *point[k + 1 :]), moved, claim.value)
            return float(np.sum(claim.cotangent * value))

        return np.diff([result(point[k] + move * step * direction) for move in (-1, 0, 1)]) / step

    found = np.array([slopes() for _ in range(_POINTS)])
    terms = float(np.abs(claim.cotangent).sum()) * largest(claim.value)
    error = _ERROR * largest(found) + (16 * unit + claim.accuracy) * terms / step
    return found.mean(axis=1)[np.abs(np.diff(found))[:, 0] <= error], error


def _step(x: Array, direction: Array, relative: float) -> float:
    """Return the largest step along a direction that moves no element by more than a part of its size."""
    moved = direction != 0
    return float(relative * np.min(_sizes(x)[moved] / np.abs(direction[moved])))


def _sizes(x: Array) -> Array:
    return np.where(x == 0, largest(x) or 1.0, np.abs(x))
