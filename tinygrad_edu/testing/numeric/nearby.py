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

_POINTS = 32  # at each distance
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
    near, far = (_slopes_around(claim, k, direction, _STEPS[is_rough], distance, rng) for distance in (_NEAR, _FAR))
    step = _step(claim.arrays[k], direction, _STEPS[is_rough])
    terms = np.abs(claim.cotangent).sum() * largest(claim.value)
    error = _ERROR * largest(near) + (16 * _UNITS[is_rough] + claim.accuracy) * terms / step
    near, far = (slopes[np.abs(np.diff(slopes))[:, 0] <= error].mean(axis=1) for slopes in (near, far))
    has_kink = near.size > 0 and far.size > 0 and np.ptp(near) > max(4 * error, np.ptp(far) / 4)
    return bool(has_kink and near.min() - error <= derivative <= near.max() + error)


def _slopes_around(claim: Claim, k: int, direction: Array, relative: float, distance: float, rng: Rng) -> Array:
    """Return the slopes of the weighted result on both sides of random points, an array (points, 2).

    The elements of all inputs move in proportion to their sizes.
    """
    step = _step(claim.arrays[k], direction, relative)

    def slopes() -> Array:
        point = [x + distance * relative * _sizes(x) * rng.uniform(-1, 1, x.shape) for x in claim.arrays]

        def result(moved: Array) -> float:
            value = value_or_nan(lambda x: claim.f(*point[:k], x, *point[k + 1 :]), moved, claim.value)
            return float(np.sum(claim.cotangent * value))

        return np.diff([result(point[k] + move * step * direction) for move in (-1, 0, 1)]) / step

    return np.array([slopes() for _ in range(_POINTS)])


def _step(x: Array, direction: Array, relative: float) -> float:
    """Return the largest step along a direction that moves no element by more than a part of its size."""
    moved = direction != 0
    return float(relative * np.min(_sizes(x)[moved] / np.abs(direction[moved])))


def _sizes(x: Array) -> Array:
    return np.where(x == 0, largest(x) or 1.0, np.abs(x))
