"""Numeric derivatives of functions of arrays, with an error that they show themselves. Forward values only.

How the derivative and its error come from the values at several steps is said in `rungs`. Here is which steps are
taken, and what the function is asked.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.testing.arrays.dtypes import is_floating, unit_of
from tinygrad_edu.testing.failures import NotDifferentiableHere
from tinygrad_edu.testing.numeric.extrapolation import RATIO, SAFETY, Estimate, Scales, Seen, better, estimate
from tinygrad_edu.testing.numeric.rounding import jitter

__tracebackhide__ = True  # pytest shows the line of the test, and with --full-trace ours

_TOP, _LAST = 2.0**-5, 2.0**-40  # the steps, times the scale of the input if that is above 1
_BESIDE = 2.0**-20  # a step that is small, and large beside the rounding of float32
_CLOSE, _POINTS = 2.0**-22, 7  # the step, times the same scale, and the number of points that show the jitter of f
_SMALL = 2.0**-20  # inputs smaller than this part of the largest step get steps of their own scale besides
_ENOUGH = 1e-6  # a relative error below this needs no other steps
_FAR_BELOW = (2.0**-33, 2.0**-34, 2.0**-35)  # steps at which waves of 1e-9 are wide
_EPS = float(np.finfo(np.float64).eps)


class _Line(NamedTuple):
    """A function along a direction through a point."""

    f: Callable[[Array], Any]
    x: Array
    direction: Array
    center: Array
    values: dict[float, Array]  # by the step


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
        The greatest size of the numbers that f may add up, where they may be larger than their sum: f rounds as they
        do. How large they are its jitter shows, unless it is too wide a stair for that.

    Returns
    -------
    Estimate
        Of the shape of f(x).

    Raises
    ------
    ShapeError
        For a direction of another shape.
    DTypeError
        For a complex result.
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
    with np.errstate(all="ignore"):
        return derivative_along(f, x, direction, f(x.copy()), scale)


def derivative_along(f: Callable[[Array], Any], x: Array, direction: Array, at_x: Any, scale: float = 0.0) -> Estimate:
    """Return the same of float64 arrays, where f(x) is known: it serves every direction."""
    center, unit = _value_and_unit(at_x)
    if not np.all(np.isfinite(center)):
        raise NotDifferentiableHere(f"the function is not finite at this point: {center[~np.isfinite(center)][0]}.")
    line = _Line(f, x, direction, center, {0.0: center})
    point = largest(x[direction != 0])
    first = max(point, 1.0) * _TOP
    scales = Scales(max(unit, _unit_inside(line, first * RATIO)), point, scale)
    found = _descend(line, scales, _from(first, first * _LAST / _TOP))
    for steps in _other_steps(x[direction != 0], first):
        if _is_settled(found):
            break
        found = better(found, _descend(line, scales, steps))
    return found


def affine_slope(f: Callable[[Array], Any], x: Array, direction: Array) -> Estimate:
    """Return the derivative of an affine function along a direction: any step is right, and one says all.

    It is as good as the function is affine, and what it rounds is not asked.
    """
    (ahead, unit), (behind, _) = (_asked(f, x + step * direction) for step in (1.0, -1.0))
    with np.errstate(all="ignore"):
        value, size = (ahead - behind) / 2, np.maximum(np.abs(ahead), np.abs(behind))
    nothing = np.zeros(value.shape)
    return Estimate(value, nothing, nothing > 0, nothing + np.inf, nothing, size, nothing + 1, unit)


def check_smaller_steps(f: Callable[[Array], Any], x: Array, direction: Array, found: Estimate) -> Estimate:
    """Return an estimate, less certain where steps far below those that it took agree on another slope: waves in f."""
    line = _Line(f, x, direction, np.zeros(0), {})
    smallest = np.min(np.abs(x), initial=np.inf, where=np.isfinite(x) & (x != 0) & (direction != 0))
    point = largest(x[direction != 0])
    steps = [min(max(point, 1.0), float(smallest) / _SMALL) * h for h in _FAR_BELOW]
    with np.errstate(all="ignore"):
        slopes = np.stack([(_value(line, h) - _value(line, -h)) / (2 * h) for h in steps])
        apart, spread = np.min(np.abs(slopes - found.value), axis=0), np.ptp(slopes, axis=0)
        rounding = found.unit * (found.size + point * np.abs(found.value)) / steps[-1]
        # What is rounded to steps of its own shows slopes of 0, or no two alike.
        waves = (spread < apart / 4) & (apart > SAFETY * found.error + 2 * rounding) & np.all(slopes != 0, axis=0)
    return replace(found, error=np.where(waves, found.error + apart, found.error))


def largest(x: Array) -> float:
    """Return the greatest absolute value that is finite, or 0."""
    return float(np.max(np.abs(x), initial=0, where=np.isfinite(x)))


def _asked(f: Callable[[Array], Any], x: Any) -> tuple[Array, float]:
    """Return f(x) in float64, and the rounding unit of the dtype that it came in."""
    with np.errstate(all="ignore"):
        return _value_and_unit(f(np.asarray(x)))  # NumPy makes scalars of what is computed of 0-d arrays


def _value_and_unit(result: Any) -> tuple[Array, float]:
    """Return a result in float64, and the rounding unit of its dtype."""
    out = np.asarray(result)
    if out.dtype == np.float64:
        return out.copy(), _EPS
    if out.dtype.kind == "c":
        raise DTypeError("the function returned complex numbers: check its real and its imaginary part, each alone.")
    unit = unit_of(out.dtype) if is_floating(out.dtype) else _EPS
    return out.astype(np.float64), max(unit, _EPS)


def _value(line: _Line, step: float) -> Array:
    if step not in line.values:
        line.values[step] = _asked(line.f, line.x + step * line.direction)[0]
    return line.values[step]


def _unit_inside(line: _Line, small: float) -> float:
    """Return the eps of the narrowest dtype that f computes in, as a small step and a very small one show it."""
    units = []
    for step in (small, _BESIDE):
        units += [unit for unit in [_unit_shown(line, step)] if unit is not None]
        if _EPS in units:  # there is no finer one
            break
    return min(units, default=_EPS)


def _unit_shown(line: _Line, step: float) -> float | None:
    """Return the eps of the narrowest dtype to which the point can be rounded, as are the results that it changes."""
    point, out, unit = line.x + step * line.direction, _value(line, step), _EPS
    changed = out[out != line.center]
    for dtype in (np.float32, np.float16):
        with np.errstate(all="ignore"):
            narrow, rounded = changed.astype(dtype), point.astype(dtype).astype(np.float64)
        if not (np.array_equal(narrow, changed) and np.array_equal(_asked(line.f, rounded)[0], out)):
            break
        unit = float(np.finfo(dtype).eps)
    return unit if changed.size else None


def _terms(line: _Line, unit: float, most: float) -> Array:
    """Return how large the numbers are that f adds up: their rounding is its jitter at points close to each other.

    Where nothing moves, f may be a wide stair, and the numbers as large as `most`.
    """
    with np.errstate(all="ignore"):
        step = max(largest(line.x[line.direction != 0]), 1.0) * _CLOSE
        values = np.stack([line.center, *(_value(line, k * step) for k in range(1, _POINTS))])
        moves = np.any(values != line.center, axis=0)
        return np.where(moves, np.fmin(jitter(values) / unit, most), most)


def _from(first: float, last: float) -> list[float]:
    return [first * RATIO**k for k in range(int(np.log(last / first) / np.log(RATIO)) + 1)]


def _other_steps(x: Array, first: float) -> Iterator[list[float]]:
    """Yield larger steps, for what is noisy; and those of the smallest number in x, which none of the others fits."""
    yield _from(first / _TOP, first * RATIO**2)
    sizes = np.abs(x[np.isfinite(x) & (x != 0)])
    if sizes.size and (smallest := float(sizes.min())) < _SMALL * first:
        yield _from(smallest / 4, smallest * 2.0**-28)


def _descend(line: _Line, scales: Scales, steps: Sequence[float]) -> Estimate:
    """Take one step after the other, until no element can be known better by a smaller one."""
    seen = Seen([], [], [], [])
    for count, h in enumerate(steps, 1):
        with np.errstate(all="ignore"):
            ahead, behind = _value(line, h), _value(line, -h)
            seen.steps.append(h)
            seen.central.append((ahead - behind) / (2 * h))
            seen.second.append((ahead - line.center + (behind - line.center)) / h)
            seen.sizes.append(np.maximum(np.maximum(np.abs(ahead), np.abs(behind)), np.abs(line.center)))
        if (count >= 4 and count % 2 == 0) or h == steps[-1]:
            found, exhausted = estimate(seen, scales)
            if not exhausted and scales.most and scales.terms is None:
                scales = scales._replace(terms=_terms(line, scales.unit, scales.most))
                found, exhausted = estimate(seen, scales)
            if exhausted:
                break
    return found


def _is_settled(found: Estimate) -> bool:
    """Whether other steps need not be tried."""
    zero = (np.abs(found.value) <= SAFETY * found.error) & (found.error <= np.sqrt(found.unit) * found.size)
    return bool(np.all((found.error <= _ENOUGH * np.abs(found.value)) | zero))
