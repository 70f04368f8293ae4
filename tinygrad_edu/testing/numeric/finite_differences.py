"""Numeric directional derivatives of functions of arrays, with error estimates.

This file chooses the steps and evaluates the function; `extrapolation` computes the derivative and its error.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.testing.arrays.dtypes import unit_of
from tinygrad_edu.testing.failures import NotDifferentiableHere
from tinygrad_edu.testing.numeric.extrapolation import (
    RATIO,
    SAFETY,
    Differences,
    Estimate,
    Scales,
    better,
    disagreement,
    estimate,
)
from tinygrad_edu.testing.numeric.rounding import jitter
from tinygrad_edu.testing.numeric.stairs import Ray, is_stair, nearest_jump

_FIRST, _LAST = 2.0**-5, 2.0**-40  # the largest and smallest step, relative to the input's scale if that is above 1
_SMALL_STEP = 2.0**-20  # small, but much larger than the rounding of float32
_CLOSE, _POINTS = 2.0**-22, 7  # the distance, at the same scale, and the number of points that measure jitter
_SMALL = 2.0**-20  # inputs smaller than this part of the largest step also get steps at their own scale
_LEAST = 2.0**-1030  # smaller inputs get no steps of their own, which would have too few digits
_ACCURATE = 1e-6  # if the relative error is below this, no other steps are tried
_FINE = 2.0**-25  # a step smaller than any stair, relative to the first
_EPS = float(np.finfo(np.float64).eps)
_ALL = slice(None)


class _Line(NamedTuple):
    """A function on the line through a point along a direction."""

    f: Callable[[Array], Any]
    x: Array
    direction: Array
    center: Array
    unit: float  # of the dtype of the results
    values: dict[float, Array]  # the cached values by step


def directional_derivative(f: Callable[[Array], Any], x: Any, direction: Any, scale: float = 0.0) -> Estimate:
    """Return the derivative of `f` at `x` along `direction`, by central differences in float64.

    Use it instead of `check` for the numeric derivative itself, when there is nothing to compare it with.

    Parameters
    ----------
    f : callable
        Takes a float64 array of the shape of `x`, and returns an array or a number.
    x : array_like, floating
    direction : array_like
        An array of the shape of `x`.
    scale : float, default 0.0
        An upper bound of the terms that f adds, if they may be larger than their sum. Default: 0, for smaller terms.

    Returns
    -------
    Estimate
        Its arrays have the shape of f(x).

    Raises
    ------
    ShapeError
        The direction has another shape.
    DTypeError
        x, the direction or f(x) is complex.
    NotDifferentiableHere
        f(x) is not finite.

    Examples
    --------
    >>> slope = directional_derivative(np.sin, [0.0, 1.0], [1.0, 1.0])
    >>> bool(np.all(np.abs(slope.value - np.cos([0.0, 1.0])) < 1e-9)), bool(slope.kinks.any())
    (True, False)
    >>> directional_derivative(np.abs, [0.0, 1.0], [1.0, 1.0]).kinks
    array([ True, False])
    """
    if np.iscomplexobj(x) or np.iscomplexobj(direction):
        raise DTypeError("directional_derivative: x and direction must be real; pass their .real and .imag separately.")
    x, direction = np.asarray(x, np.float64), np.asarray(direction, np.float64)
    if x.shape != direction.shape:
        raise ShapeError(
            f"directional_derivative: direction must have the shape {x.shape} of x, got {direction.shape}."
        )
    with np.errstate(all="ignore"):
        return derivative_along(f, x, direction, f(x.copy()), scale)


@np.errstate(all="ignore")
def derivative_along(
    f: Callable[[Array], Any], x: Array, direction: Array, at_x: Any, scale: float = 0.0, accuracy: float = 0.0
) -> Estimate:
    """Return `directional_derivative` for float64 arrays, given f(x), and the relative accuracy of f's results."""
    line, scales, first = _line(f, x, direction, at_x, scale, accuracy)
    slope = _slope(line, scales, first)
    if (found := _jump_below(line, scales, slope, first)) is not None and found[1]:
        return _slope_below(line, scales, found[0])
    # The declared noise selects the step; the observed one is the error.
    return replace(slope, error=np.maximum(slope.error - scales.noise / (2 * slope.step), 0)) if accuracy else slope


@np.errstate(all="ignore")
def quick_derivative_along(f: Callable[[Array], Any], x: Array, direction: Array, at_x: Any, scale: float) -> Estimate:
    """Return the same from fewer calls, without a search for stairs."""
    return _slope(*_line(f, x, direction, at_x, scale, 0.0))


def _slope(line: _Line, scales: Scales, first: float) -> Estimate:
    """Return the slope at the steps with the least error."""
    slope = _refine(line, scales, _steps_between(first, first * _LAST / _FIRST))
    for steps in _other_steps(line.x[line.direction != 0], first):
        if _is_accurate(slope, line):
            break
        slope = better(slope, _refine(line, scales, steps))
    return slope


@np.errstate(all="ignore")
def one_sided_derivatives(
    f: Callable[[Array], Any], x: Array, direction: Array, at_x: Any, scale: float = 0.0, accuracy: float = 0.0
) -> tuple[Estimate, Estimate]:
    """Return the left and the right derivative along a direction. The error is infinite where a side has none."""
    line, scales, first = _line(f, x, direction, at_x, scale, accuracy)
    left, right = (_refine(line, scales, _steps_between(first, first * _LAST / _FIRST), side) for side in (-1, 1))
    return left, right


def _line(
    f: Callable[[Array], Any], x: Array, direction: Array, at_x: Any, scale: float, accuracy: float
) -> tuple[_Line, Scales, float]:
    """Return the line through x, the magnitudes that determine rounding errors, and the first step."""
    center, unit = _value_and_unit(at_x)
    if not np.all(np.isfinite(center)):
        raise NotDifferentiableHere(f"the function is not finite at this point: {center[~np.isfinite(center)][0]}.")
    line = _Line(f, x, direction, center, unit, {0.0: center})
    point = largest(x[direction != 0])
    first = max(point, 1.0) * _FIRST
    scales = Scales(max(unit, _internal_unit(line, first * RATIO)), point, scale, accuracy * largest(center))
    return line, scales, first


@np.errstate(all="ignore")
def affine_slope(f: Callable[[Array], Any], x: Array, direction: Array, at_x: Array) -> Estimate:
    """Return the derivative of an affine function along a direction, from one step and without an error estimate."""
    (forward, unit), (backward, _) = (_evaluate(f, x + step * direction, at_x) for step in (1.0, -1.0))
    value, size = (forward - backward) / 2, np.maximum(np.abs(forward), np.abs(backward))
    zeros = np.zeros(value.shape)
    return Estimate(value, zeros, zeros > 0, zeros + np.inf, zeros, size, zeros + 1, np.abs(value), unit)


@np.errstate(all="ignore")
def check_smaller_steps(
    f: Callable[[Array], Any], x: Array, direction: Array, at_x: Any, slope: Estimate, accuracy: float = 0.0
) -> Estimate:
    """Increase the error of an estimate where smaller steps agree on another slope, because f has kinks or waves."""
    line, scales, first = _line(f, x, direction, at_x, 0.0, accuracy)
    for steps in (_steps_between(first, first * _LAST / _FIRST), *_smaller_steps(x[direction != 0], first)):
        differences = Differences([], [], [], [])
        for h in steps:
            _append(differences, line, h, 0)
        error = disagreement(differences, scales, slope).reshape(slope.error.shape)
        slope = replace(slope, error=slope.error + error)
    return slope


def largest(x: Array) -> float:
    """Return the largest finite absolute value, or 0."""
    return float(np.max(np.abs(x), initial=0, where=np.isfinite(x)))


@np.errstate(all="ignore")
def value_or_nan(f: Callable[[Array], Any], x: Any, like: Array) -> Array:
    """Return f(x) in float64, or NaN of the shape of `like` if f raises."""
    return _evaluate(f, x, like)[0]


def _evaluate(f: Callable[[Array], Any], x: Any, like: Array) -> tuple[Array, float]:
    """Return f(x) in float64, and the rounding unit of its dtype; NaN of the shape of `like` if f raises."""
    with contextlib.suppress(Exception):
        value, unit = _value_and_unit(f(np.asarray(x)))  # arithmetic on 0-d arrays returns NumPy scalars
        if value.shape == like.shape:
            return value, unit
    return np.full(like.shape, np.nan), _EPS


def _value_and_unit(result: Any) -> tuple[Array, float]:
    """Return a result in float64, and the rounding unit of its dtype."""
    out = np.asarray(result)
    if out.dtype == np.float64:
        return out.copy(), _EPS
    if out.dtype.kind == "c":
        raise DTypeError(f"the function must return real numbers, got {out.dtype}; check .real and .imag separately.")
    return out.astype(np.float64), max(unit_of(out.dtype), _EPS)


def _value(line: _Line, step: float) -> Array:
    if step not in line.values:
        line.values[step] = _evaluate(line.f, line.x + step * line.direction, line.center)[0]
    return line.values[step]


def _internal_unit(line: _Line, small: float) -> float:
    """Return the eps of the lowest precision in which f computes, inferred from a small and a very small step."""
    units = []
    for step in (small, _SMALL_STEP):
        units += [unit for unit in [_unit_at_step(line, step)] if unit is not None]
        if _EPS in units:
            break
    return min(units, default=_EPS)


def _unit_at_step(line: _Line, step: float) -> float | None:
    """Return the eps of the lowest precision to which the results and x can be rounded without changing a result.

    If the step changes no result, return None.
    """
    point, out, unit = line.x + step * line.direction, _value(line, step), _EPS
    changed = out[out != line.center]
    if not changed.size:
        return None
    for dtype in (np.float32, np.float16):
        narrow, rounded = changed.astype(dtype), point.astype(dtype).astype(np.float64)
        if not (np.array_equal(narrow, changed) and np.array_equal(_evaluate(line.f, rounded, out)[0], out)):
            break
        unit = float(np.finfo(dtype).eps)
    return unit


def _terms(line: _Line, unit: float, max_terms: float) -> Array:
    """Return the magnitude of the terms that f adds, from its jitter at points close to each other.

    If the values do not move at all, the terms may be as large as `max_terms`.
    """
    step = max(largest(line.x[line.direction != 0]), 1.0) * _CLOSE
    values = np.stack([line.center, *(_value(line, k * step) for k in range(1, _POINTS))])
    varies = np.any(values != line.center, axis=0)
    return np.where(varies, np.fmin(jitter(values) / unit, max_terms), max_terms)


def _steps_between(first: float, last: float) -> list[float]:
    return [first * RATIO**k for k in range(int(np.log(last / first) / np.log(RATIO)) + 1)]


def _other_steps(x: Array, first: float) -> Iterator[list[float]]:
    """Yield larger steps, for noisy functions, and smaller ones."""
    yield _steps_between(first / _FIRST, first * RATIO**2)
    yield from _smaller_steps(x, first)


def _smaller_steps(x: Array, first: float) -> Iterator[list[float]]:
    """Yield steps that suit the smallest number in x."""
    sizes = np.abs(x[np.isfinite(x) & (x != 0)])
    if sizes.size and _LEAST < (smallest := float(sizes.min())) < _SMALL * first:
        yield _steps_between(smallest / 4, smallest * 2.0**-28)


def _refine(line: _Line, scales: Scales, steps: Sequence[float], side: int = 0) -> Estimate:
    """Evaluate f at decreasing steps until no smaller step can improve an element. Sides are -1, 1, and 0 for both."""
    differences = Differences([], [], [], [])
    active: Any = _ALL  # the elements to improve
    found: Estimate | None = None
    for count, h in enumerate(steps, 1):
        _append(differences, line, h, side, active)
        if (count >= 4 and count % 2 == 0) or h == steps[-1]:
            slope, exhausted = estimate(differences, scales)
            if not exhausted.all() and scales.max_terms and scales.terms is None:
                scales = scales._replace(terms=_terms(line, scales.unit, scales.max_terms).reshape(-1))
                slope, exhausted = estimate(differences, scales)
            if found is None:
                found = slope
            else:
                found.update(active, slope)
            if exhausted.all():
                break
            if exhausted.any():
                active, differences = np.arange(line.center.size)[active][~exhausted], differences.at(~exhausted)
                scales = scales.at(~exhausted)
    assert found is not None
    return found.map_arrays(lambda _, x: x.reshape(line.center.shape))


def _append(differences: Any, line: _Line, h: float, side: int, elements: Any = _ALL) -> None:
    """Append the differences at a step, for some elements of the result."""
    entries: Any = _one_sided(line, h, elements, side) if side else _central(line, h, elements)
    for column, entry in zip(differences, entries, strict=True):
        column.append(entry)


def _values(line: _Line, steps: Sequence[float], elements: Any) -> list[Array]:
    return [_value(line, step).reshape(-1)[elements] for step in steps]


def _central(line: _Line, h: float, elements: Any) -> tuple[float, Array, Array, Array]:
    """Return the step, the central difference, the difference between the one-sided slopes, and the largest value."""
    forward, center, backward = _values(line, (h, 0.0, -h), elements)
    second = (forward - center + (backward - center)) / h
    size = np.maximum(np.maximum(np.abs(forward), np.abs(backward)), np.abs(center))
    return h, (forward - backward) / (2 * h), second, size


def _one_sided(line: _Line, h: float, elements: Any, side: int) -> tuple[float, Array, Array, Array]:
    """Return the same for one side, from two steps that cancel the error of order h, as for a central difference."""
    far, near, center = _values(line, (side * h, side * h * RATIO, 0.0), elements)
    slope = ((near - center) / RATIO - RATIO * (far - center)) / (side * h * (1 - RATIO))
    # The step that has the rounding error of this slope is smaller.
    return h * RATIO / 4, slope, np.zeros(slope.shape), np.maximum(np.abs(far), np.abs(center))


def _jump_below(line: _Line, scales: Scales, slope: Estimate, first: float) -> tuple[float, bool | None] | None:
    """Return the distance of the nearest jump and whether it is a stair, if the slope at fine steps is another one."""
    value, error, size = (x.reshape(-1) for x in (slope.value, slope.error, slope.size))
    step, far = first * _FINE, max(first, float(np.max(slope.step, initial=0)))
    rays = [
        Ray(partial(_results, line), line.x, sign * line.direction, step, {0.0: line.center.reshape(-1)})
        for sign in (1, -1)
    ]
    is_doubtful = np.abs(rays[0].slope - value) > error + SAFETY * _EPS * size / step
    if not is_doubtful.any() and _is_accurate(replace(slope, unit=_EPS), line):
        return None
    jumps = [(jump, ray) for ray in rays if (jump := nearest_jump(ray, far)) is not None]
    if not jumps:
        return None
    jump, ray = min(jumps, key=lambda found: found[0].step)
    # Two results, each with the declared error, differ by up to twice the error.
    if jump.height <= 2 * max(scales.noise, line.unit * jump.size if line.unit > _EPS else 0):
        return None
    return jump.step, is_stair(ray, jump, float(np.max(np.abs(value[jump.elements]))), far / _FIRST)


def _results(line: _Line, x: Array) -> Array:
    return _evaluate(line.f, x, line.center)[0].reshape(-1)


def _slope_below(line: _Line, scales: Scales, jump: float) -> Estimate:
    """Return the slope from steps that are smaller than the distance of the nearest jump."""
    return _refine(line, scales._replace(unit=line.unit, noise=0.0), _steps_between(jump / 4, jump * _LAST / _FIRST))


@np.errstate(all="ignore")
def slope_between_jumps(
    f: Callable[[Array], Any], x: Array, direction: Array, at_x: Any, slope: Estimate, accuracy: float = 0.0
) -> Estimate | None:
    """Return the slope at fine steps, if the jumps of f may be stairs as well as rounding, or None."""
    line, scales, first = _line(f, x, direction, at_x, 0.0, accuracy)
    found = _jump_below(line, scales, slope, first)
    return _slope_below(line, scales, found[0]) if found is not None and found[1] is None else None


def _is_accurate(slope: Estimate, line: _Line) -> bool:
    """Whether the estimate is accurate enough without other steps."""
    zero = (np.abs(slope.value) <= SAFETY * slope.error) & (slope.error <= np.sqrt(slope.unit) * slope.size)
    # Steps far larger than x show none of a slope that is as large as the result divided by x.
    zero &= (line.center == 0) | (slope.error * largest(line.x) <= np.abs(line.center))
    return bool(np.all((slope.error <= _ACCURATE * np.abs(slope.value)) | zero))
