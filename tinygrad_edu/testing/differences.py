"""Numeric derivatives of functions of arrays, with an error estimate and a detector of kinks. Forward values only.

The derivative along a direction u is the limit of F(h) = (f(x + h u) - f(x - h u)) / 2h. Two steps give Richardson's
R(h) = (4 F(h/2) - F(h)) / 3, whose truncation error falls with h ** 4, while rounding grows with 1 / h. So the step
goes down a ladder of halvings, and each element of the result takes the rung where three neighbours R agree best:
how far they disagree is the error estimate, truncation and rounding together.

A kink hides from F: that of |x| at 0 is 0 at every step. It shows in the jump from the left slope to the right one,
(f(x + h u) - 2 f(x) + f(x - h u)) / h, which goes to 0 with h where f is smooth.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.errors import ShapeError, TinygradError

SAFETY = 8.0  # how many error estimates two numbers may differ by
_FIRST_STEP = 2.0**-5
_RUNGS = 12  # for an input of scale 1; one more for each halving that its scale is away from 1
_SETTLED = 1e-10
_TINY = float(np.finfo(np.float64).tiny)
_KINK = 1e-7  # a jump of the slope below this part of it is no kink


class NotDifferentiableHere(TinygradError, ArithmeticError):  # noqa: N818 - a statement about a point, as StopIteration
    """The function has a kink or a jump at this point, or is not finite: its numeric derivative means nothing."""


@dataclass(frozen=True)
class Estimate:
    """A numeric derivative: one number for each element of the function's result.

    Attributes
    ----------
    value : ndarray of float64
    error : ndarray of float64
        An estimate of the absolute error of `value`, out of the numbers themselves. Infinite where nothing settled.
    kinks : ndarray of bool
        Where the slope jumps at this very point.
    result : ndarray of float64
        The function's own value.
    """

    value: Array
    error: Array
    kinks: Array
    result: Array


def directional_derivative(f: Callable[[Array], Any], x: Any, direction: Any, scale: float = 0.0) -> Estimate:
    """Return the derivative of `f` at `x` along `direction`, by central differences in float64.

    Parameters
    ----------
    f : callable
        Of a float64 array of the shape of `x`, to an array (or number).
    x : array_like, floating
    direction : array_like
        Of the shape of `x`.
    scale : float
        The size of the numbers that f adds up, where they may be larger than their sum: f rounds as they do.

    Returns
    -------
    Estimate
        Of the shape of f(x).

    Raises
    ------
    ShapeError
        For a direction of another shape.
    NotDifferentiableHere
        Where f(x) itself is not finite.

    Examples
    --------
    >>> slope = directional_derivative(np.sin, [0.0, 1.0], [1.0, 1.0])
    >>> bool(np.all(np.abs(slope.value - np.cos([0.0, 1.0])) < 1e-9)), bool(slope.kinks.any())
    (True, False)
    >>> directional_derivative(np.abs, [0.0, 1.0], [1.0, 1.0]).kinks
    array([ True, False])
    """
    x, direction = np.asarray(x, np.float64), np.asarray(direction, np.float64)
    if x.shape != direction.shape:
        raise ShapeError(f"a direction of shape {direction.shape} at a point of shape {x.shape}.")
    center, eps = _value_and_unit(f, x.copy())
    if not np.all(np.isfinite(center)):
        raise NotDifferentiableHere(f"the function is not finite at this point: {center[~np.isfinite(center)][0]}.")
    steps, central, second, rounding = _ladder(x), [], [], []
    estimate = Estimate(center, center, np.zeros(center.shape, bool), center)
    for h in steps:
        with np.errstate(all="ignore"):
            ahead, behind = _value_and_unit(f, x + h * direction)[0], _value_and_unit(f, x - h * direction)[0]
            central.append((ahead - behind) / (2 * h))
            second.append((ahead - center + (behind - center)) / h)
            size = np.maximum(np.abs(ahead), np.abs(behind)) + np.abs(center)
            rounding.append(4 * eps / h * (np.maximum(size, scale) + _TINY))
        if len(central) >= 4:
            estimate = _best_rung(np.array(central), np.array(second), np.array(rounding), center)
            wanted = _SETTLED * np.max(np.abs(estimate.value), initial=0) + 4 * rounding[-1]
            if np.all(estimate.error <= wanted):
                break
    return estimate


def _value_and_unit(f: Callable[[Array], Any], x: Array) -> tuple[Array, float]:
    """Return f(x) in float64, and the rounding unit of the dtype that it came in."""
    with np.errstate(all="ignore"):
        out = np.asarray(f(np.asarray(x)))  # NumPy makes scalars of what is computed of 0-d arrays
    eps = float(np.finfo(out.dtype).eps) if out.dtype.kind == "f" else float(np.finfo(np.float64).eps)
    return out.astype(np.float64), max(eps, float(np.finfo(np.float64).eps))


def _ladder(x: Array) -> Sequence[float]:
    """Return the steps, each half of the one before, around the scale of `x` and around 1."""
    largest = float(np.max(np.abs(x), initial=0))
    exponent = float(np.log2(largest)) if 0 < largest < np.inf else 0.0
    top = _FIRST_STEP * 2.0 ** np.ceil(max(exponent, 0.0))
    return [top * 2.0**-k for k in range(_RUNGS + min(int(abs(exponent)), 40))]


def _best_rung(central: Array, second: Array, rounding: Array, center: Array) -> Estimate:
    """Choose for each element the three neighbouring steps whose extrapolations agree best."""
    with np.errstate(all="ignore"):
        slopes = (4 * central[1:] - central[:-1]) / 3
        jumps = 2 * second[1:] - second[:-1]  # the second difference of a smooth f falls with h: this takes it out
        gaps = np.abs(np.diff(slopes, axis=0))
    errors = np.maximum(gaps[:-1], gaps[1:]) + rounding[1:-2]
    errors = np.where(np.isfinite(errors), errors, np.inf)
    best = np.argmin(errors, axis=0)[None]

    def at_best(rungs: Array) -> Array:
        chosen: Array = np.take_along_axis(rungs, best, axis=0)[0]
        return chosen

    value, jump = at_best(slopes[1:-1]), at_best(jumps[1:-1])
    with np.errstate(all="ignore"):
        unsure = np.abs(jump - at_best(jumps[:-2])) + np.abs(jump - at_best(jumps[2:]))
    kinks = np.abs(jump) > 2 * unsure + 16 * at_best(rounding[1:-2]) + _KINK * np.abs(value)
    return Estimate(np.nan_to_num(value), at_best(errors), kinks, center)
