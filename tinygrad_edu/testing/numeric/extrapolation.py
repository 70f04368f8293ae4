"""Richardson extrapolation of central differences, with an error estimate for each element of the result.

The derivative along a direction u is the limit of F(h) = (f(x + h u) - f(x - h u)) / 2h. Two steps give the
extrapolated R(h) = (F(r h) - r ** 2 F(h)) / (1 - r ** 2). Its truncation error is O(h ** 4), and its rounding error is
O(1 / h). The steps decrease by the factor r = 0.38. Each element takes the step with the smallest error estimate,
which is the sum of:

- the difference between R at this step and at its neighbours;
- the jump between the one-sided slopes, S(h) = (f(x + h u) - 2 f(x) + f(x - h u)) / h, extrapolated so that its O(h)
  term cancels. It tends to 0 where f is smooth, but not if there is a kink within h. F alone detects no kink;
- the noise of f divided by h. The noise is the largest disagreement of all smaller steps, and at least the rounding
  of the result and of the point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.engine import Array

SAFETY = 8.0  # two numbers agree if they differ by at most this many error estimates
RATIO = (3 - 5**0.5) / 2  # of neighbouring steps; irrational, so that no two steps have the same rounding error

_TINY = float(np.finfo(np.float64).tiny)
_CONVERGED = 1e-10  # a relative error below which no smaller step is tried
_SIGNIFICANT = 0.05  # a slope with a smaller relative error differs from 0
_KINK = 1e-4  # the smallest relative error for which a kink is reported
_JUMP = 8.0  # a jump of the slope is significant above this multiple of the rounding error
_NOISY = 0.01  # the largest fraction of the result that counts as noise
_QUIET = 1e-6  # the largest fraction of the result that counts as rounding; more is a wave that larger steps miss


@dataclass(frozen=True)
class Estimate:
    """A numeric derivative: one number for each element of the function's result.

    Parameters
    ----------
    value : ndarray of float64
        The derivative.
    error : ndarray of float64
        The estimated absolute error of `value`; infinite where the extrapolation does not converge.
    kinks : ndarray of bool
        Whether a kink causes the error: the slope jumps at the point or within the distance `near`.
    near : ndarray of float64
        The smallest step with a significant jump of the slope, in units of the direction; infinite if there is none.
    noise : ndarray of float64
        The part of the error that is rounding of the function.
    size : ndarray of float64
        The largest absolute value of the subtracted results.
    step : ndarray of float64
        The step with the smallest error.
    around : ndarray of float64
        The largest absolute slope at this step and at larger ones, also of one side.
    unit : float
        The rounding unit (eps) of the function's arithmetic.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu.testing import directional_derivative
    >>> estimate = directional_derivative(lambda x: x**3, [np.array(2.0)], [np.array(1.0)])
    >>> estimate.value.round(6), estimate.kinks
    (array([12.]), array([False]))
    """

    value: Array
    error: Array
    kinks: Array
    near: Array
    noise: Array
    size: Array
    step: Array
    around: Array
    unit: float

    @property
    def is_kinked(self) -> Array:
        """Whether a kink, a jump or the edge of a domain causes an error that is not small among the slopes around."""
        with np.errstate(all="ignore"):
            jumps = self.error * self.step > _NOISY * self.size
        return ~np.isfinite(self.error) | ((self.kinks | jumps) & (self.error > _KINK * self.around))

    def map_arrays(self, f: Callable[[str, Array], Array]) -> Estimate:
        """Return an estimate with ``f(name, array)`` in place of each array."""
        return replace(self, **{name: f(name, x) for name, x in vars(self).items() if name != "unit"})  # type: ignore[arg-type]

    def update(self, elements: Any, other: Estimate) -> None:
        """Replace the numbers of some elements by those of another estimate, in place."""
        for name, x in vars(self).items():
            if name != "unit":
                x[elements] = vars(other)[name]


class Differences(NamedTuple):
    """The differences of elements of a result along a direction, for each step."""

    steps: list[float]
    central: list[Array]
    second: list[Array]
    sizes: list[Array]

    def at(self, elements: Array) -> Differences:
        """Return the differences of some of the elements."""
        return Differences(self.steps, *([row[elements] for row in part] for part in self[1:]))


class Scales(NamedTuple):
    """The magnitudes that determine rounding errors: the unit, the point, and the terms that the function adds.

    The terms are at most `max_terms`, and None until they are measured. `noise` is the declared error of the results.
    """

    unit: float
    point: float
    max_terms: float
    noise: float = 0.0
    terms: Array | None = None

    def at(self, elements: Array) -> Scales:
        """Return the magnitudes for some of the elements."""
        return self if self.terms is None else self._replace(terms=self.terms[elements])


class _Table(NamedTuple):
    """Extrapolated slopes and their errors, with a row for each step and a column for each element."""

    steps: Array
    values: Array
    around: Array
    jumps: Array
    has_jump: Array  # whether the jump is significant
    rounding: Array
    noise: Array
    sizes: Array
    flat: Array
    errors: Array


def estimate(differences: Differences, scales: Scales) -> tuple[Estimate, Array]:
    """Return the best estimate from at least four steps, and the elements that smaller steps cannot improve.

    Smaller steps show whether a kink is real.
    """
    table = _table(differences, scales)
    best = _best(table)
    columns = table.values, table.errors, table.rounding, table.sizes, table.around
    value, error, rounding, size, around = _at(best, *columns)
    error = np.maximum(error, _stair_error(table, value, best))
    jump = _jump_at_point(table)
    kinks = (error > _KINK * np.abs(value)) & (jump > 0)
    error = np.where(kinks, np.maximum(error, jump / 2), error)
    near = np.where(table.has_jump, table.steps, np.inf).min(axis=0)
    slope = Estimate(value, error, kinks, near, rounding, size, table.steps[best, 0], around, scales.unit)
    return slope, _is_exhausted(table, value, error, best) & ~kinks


def _at(best: Array, *columns: Array) -> list[Array]:
    """Return the entries of columns of a table at the best step of each element."""
    entries = best, np.arange(best.size)
    return [column[entries] for column in columns]


def as_rows(parts: Sequence[Any]) -> Array:
    """Return arrays of one size as the rows of one array."""
    return np.array(parts).reshape(len(parts), -1)


def _table(differences: Differences, scales: Scales) -> _Table:
    """Return the derivatives and errors from each three neighbouring steps."""
    h, central, second, sizes = (as_rows(part) for part in differences)
    slopes = (central[1:] - RATIO**2 * central[:-1]) / (1 - RATIO**2)
    jumps = np.abs(second[1:] - RATIO * second[:-1])[1:-1] / (1 - RATIO)
    gaps, values = np.abs(slopes[1:] - slopes[:-1]), slopes[1:-1]
    changes = gaps * h[2:]
    changes = np.where(np.isfinite(changes), changes, 0)
    noise = np.maximum.accumulate(changes[::-1])[::-1][1:]  # the maximum over this step and all smaller ones
    if scales.terms is None:
        terms = np.where(((central == 0) & (second == 0)).all(axis=0), scales.max_terms, 0)
    else:
        terms = scales.terms
    sizes = np.maximum(sizes, terms)[1:-2]
    # Rounding of the point changes the values by the slope, and the slope by the curvature.
    point_terms = scales.point * (np.abs(values) + np.abs(second[2:-1]))
    rounding = (scales.unit * (sizes + point_terms) / 4 + noise / 2 + scales.noise / 2) / h[2:-1] + _TINY
    disagreement = np.maximum(gaps[:-1], gaps[1:]) + jumps / 4
    # If a step changes nothing, the rounded intermediate values may be as large as the inputs.
    flat, largest = (values == 0) & (disagreement == 0), sizes.max(axis=0) + scales.point
    sizes = np.where(flat, largest, sizes)
    errors = np.where(flat, scales.unit * (largest / h[2:-1]) + scales.noise / h[2:-1], disagreement + rounding)
    is_finite = np.isfinite(errors) & np.isfinite(values)
    one_sided = np.abs(central) + np.abs(second) / 2
    around = np.maximum.accumulate(np.where(np.isfinite(one_sided), one_sided, 0))[2:-1]
    if not is_finite.all():
        errors, values = np.where(is_finite, errors, np.inf), np.nan_to_num(values)
    return _Table(h[2:-1], values, around, jumps, jumps > _JUMP * rounding, rounding, noise, sizes, flat, errors)


def _best(table: _Table) -> Array:
    """Return the step of each element with the smallest relative error; absolute error if no slope is significant."""
    is_usable = np.isfinite(table.errors) & (table.values != 0)
    relative = np.where(is_usable, table.errors / np.abs(table.values), np.inf)
    significant = relative.min(axis=0) <= _SIGNIFICANT
    best: Array = np.where(significant, relative.argmin(axis=0), table.errors.argmin(axis=0))
    return best


def _jump_at_point(table: _Table) -> Array:
    """Return the jump of the slope at the point, or 0: the smallest significant one, if it is constant above its step.

    Below its step, only rounding may hide it.
    """
    significant, jumps = table.has_jump, table.jumps
    if not significant.any():
        return np.zeros(jumps.shape[1])
    last = len(jumps) - 1 - np.argmax(significant[::-1], axis=0)
    before, after = np.maximum(last - 1, 0), np.minimum(last + 1, len(jumps) - 1)
    (jump,), (jump_before,) = _at(last, jumps), _at(before, jumps)
    jump_after, rounding_after = _at(after, jumps, table.rounding)
    is_constant = (jump > jump_before / 4) & (jump_after + _JUMP * rounding_after > jump / 4)
    return np.where(significant.any(axis=0) & (last > 0) & is_constant, jump, 0)


def _stair_error(table: _Table, value: Array, best: Array) -> Array:
    """Return the error of a value that is the slope of one stair of a function that rounds coarsely.

    A value is such a slope if three larger steps in a row disagree with it, or if it is 0 and no larger step gives 0.
    """
    larger = _row_numbers(table) < best
    noisy = larger & (table.noise <= _NOISY * table.sizes) & (table.jumps <= _JUMP * table.rounding)
    if not noisy.any():
        return np.zeros(value.shape)
    distances = np.abs(table.values - value)
    distances = np.where(noisy & (distances > SAFETY * table.errors), distances, 0)
    smallest = np.min(np.where(noisy & (table.values != 0), table.errors, np.inf), axis=0)
    zero_error = np.where((value == 0) & (smallest < np.inf), smallest, 0)
    error: Array = np.maximum(_persistent(distances), zero_error)
    return error


def disagreement(differences: Differences, scales: Scales, slope: Estimate) -> Array:
    """Return the distance of an estimate from the slopes of three smaller steps in a row; 0 within their errors."""
    table = _table(differences, scales)
    distances = np.abs(table.values - slope.value.reshape(-1))
    # Where f rounds coarsely, the slope of a small step may be exactly 0.
    is_sure = (table.steps < slope.step.reshape(-1)) & (distances > SAFETY * table.errors) & (table.values != 0)
    return _persistent(np.where(is_sure, distances, 0))


def _persistent(distances: Array) -> Array:
    """Return the largest number that three rows in a row reach."""
    return np.asarray(np.max(np.minimum(np.minimum(distances[2:], distances[1:-1]), distances[:-2]), axis=0, initial=0))


def _row_numbers(table: _Table) -> Array:
    return np.arange(len(table.values))[:, None]


def _is_exhausted(table: _Table, value: Array, error: Array, best: Array) -> Array:
    """Whether smaller steps cannot help, because the error is small enough or consists of rounding only."""
    smaller = _row_numbers(table) > best + 1
    rounding = (table.noise <= _QUIET * table.sizes) & (SAFETY * table.rounding >= table.errors)
    is_accurate = (error <= _CONVERGED * np.abs(value)) | table.flat.all(axis=0)
    exhausted: Array = is_accurate | (smaller & (rounding | table.flat)).any(axis=0)
    return exhausted


def better(a: Estimate, b: Estimate) -> Estimate:
    """Take each element from the estimate with the smaller relative error, or absolute error if none is significant."""
    sure_a, sure_b = (e.error <= _SIGNIFICANT * np.abs(e.value) for e in (a, b))
    closer = np.where(sure_a & sure_b, b.error * np.abs(a.value) < a.error * np.abs(b.value), b.error < a.error)
    use_b = np.where(sure_a == sure_b, closer, sure_b) & (~a.kinks | (b.step < a.near))  # larger steps hide a kink
    return a.map_arrays(lambda name, x: np.where(use_b, vars(b)[name], x))
