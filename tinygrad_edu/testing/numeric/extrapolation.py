"""What a ladder of steps says about a derivative: for each element the rung that knows it best, and its error.

The derivative along a direction u is the limit of F(h) = (f(x + h u) - f(x - h u)) / 2h. Two steps give Richardson's
R(h) = (F(r h) - r ** 2 F(h)) / (1 - r ** 2), whose truncation error falls with h ** 4, while rounding grows with 1 / h.
So the step goes down a ladder, r = 0.38 times as long each time, and each element of the result takes the rung with the
least error. What the error of a rung is, the numbers show:

- how far R differs from its neighbours;
- the jump from the left slope to the right one, S(h) = (f(x + h u) - 2 f(x) + f(x - h u)) / h, of which two steps take
  out what falls with h: it goes to 0 where f is smooth, and stays where a kink lies within h. F alone does not see a
  kink, nor a peak between its two points;
- the noise of f: the largest disagreement of all smaller steps, as a change of f, divided by h; and at least the
  rounding of the result and of the point, which matters most where a slope is 0 and bends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.engine import Array

__tracebackhide__ = True  # pytest shows the line of the test, and with --full-trace ours

SAFETY = 8.0  # how many error estimates two numbers may differ by
# The square of the golden ratio: where a result moves by few units of its last place, no two steps round alike.
RATIO = (3 - 5**0.5) / 2

_TINY = float(np.finfo(np.float64).tiny)
_SETTLED = 1e-10  # no step needs to know better
_KNOWN = 0.05  # a rung with a smaller relative error knows that there is a slope
_KINK = 1e-4  # a kink matters from this part of the slope
_SEEN = 8.0  # a jump of the slope that is so many times the rounding is one
_NOISY = 0.01  # what changes a result by less than this part, and alike at every step, is noise
_QUIET = 1e-6  # noise below this part of the result is rounding, and no wave that the steps are too large for


@dataclass(frozen=True)
class Estimate:
    """A numeric derivative: one number for each element of the function's result.

    Attributes
    ----------
    value : ndarray of float64
    error : ndarray of float64
        The estimated absolute error of `value`; infinite where the extrapolation does not converge.
    kinks : ndarray of bool
        Where the error comes from a slope that jumps, at this very point or within the distance `near`.
    near : ndarray of float64
        The smallest step at which a jump of the slope was seen, in units of the direction; infinite without one.
    noise : ndarray of float64
        The part of the error that is rounding of the function.
    size : ndarray of float64
        Of the results that were rounded.
    step : ndarray of float64
        At which it was known best.
    unit : float
        The relative rounding unit of the arithmetic that the function shows.
    """

    value: Array
    error: Array
    kinks: Array
    near: Array
    noise: Array
    size: Array
    step: Array
    unit: float


class Seen(NamedTuple):
    """What was seen of a function along a direction, at one step after the other."""

    steps: list[float]
    central: list[Array]
    second: list[Array]
    sizes: list[Array]


class Scales(NamedTuple):
    """How large the numbers are that the function rounds: its unit, the point, and the terms that it adds up.

    They are at most as large as `most`, and how large is known once it was looked at.
    """

    unit: float
    point: float
    most: float
    terms: Array | None = None


class _Table(NamedTuple):
    """Arrays of a row for each step, with a column for each element; the steps themselves are one column."""

    steps: Array
    values: Array
    jumps: Array
    rounding: Array
    noise: Array
    sizes: Array
    flat: Array
    errors: Array


def estimate(seen: Seen, scales: Scales) -> tuple[Estimate, bool]:
    """Return the best estimate of at least four steps, and whether smaller steps will not be better."""
    rungs = _table(seen, scales)
    best = _best(rungs)
    value, error, rounding, size = (at(best, a) for a in (rungs.values, rungs.errors, rungs.rounding, rungs.sizes))
    error = np.maximum(error, _stairs(rungs, value, best))
    kinks = _kinks(rungs, best, value, error, scales)
    near = np.where(rungs.jumps > _SEEN * rungs.rounding, rungs.steps, np.inf).min(axis=0)
    exhausted = bool(_is_exhausted(rungs, value, error, best).all())
    parts = (value, error, kinks, near, rounding, size, rungs.steps[best, 0])
    value, error, kinks, near, rounding, size, step = (part.reshape(seen.central[0].shape) for part in parts)
    return Estimate(value, error, kinks, near, rounding, size, step, scales.unit), exhausted


def at(best: Array, of_rungs: Array) -> Array:
    """Return what the best rung of each element says."""
    chosen: Array = of_rungs[best, np.arange(best.size)]
    return chosen


def _rows(parts: Sequence[Any]) -> Array:
    return np.array(parts).reshape(len(parts), -1)


def _table(seen: Seen, scales: Scales) -> _Table:
    """Estimate the derivative and its error from each three neighbouring steps."""
    h, central, second, sizes = (_rows(part) for part in seen)
    with np.errstate(all="ignore"):
        slopes = (central[1:] - RATIO**2 * central[:-1]) / (1 - RATIO**2)
        jumps = np.abs(second[1:] - RATIO * second[:-1])[1:-1] / (1 - RATIO)
        gaps, values = np.abs(slopes[1:] - slopes[:-1]), slopes[1:-1]
        changes = gaps * h[2:]
        changes = np.where(np.isfinite(changes), changes, 0)
        noise = np.maximum.accumulate(changes[::-1])[::-1][1:]  # of this step and of all smaller ones
        if scales.terms is None:
            terms = np.where(((central == 0) & (second == 0)).all(axis=0), scales.most, 0)
        else:
            terms = scales.terms.reshape(-1)
        sizes = np.maximum(sizes, terms)[1:-2]
        # The point is rounded, too, which moves the values by the slope, and the slope by the curvature.
        moved = scales.point * (np.abs(values) + np.abs(second[2:-1]))
        rounding = (scales.unit * (sizes + moved) / 4 + noise / 2) / h[2:-1] + _TINY
        unlike = np.maximum(gaps[:-1], gaps[1:]) + jumps / 4
        # Where a step changes nothing, the numbers inside may be as large as the inputs.
        flat, largest = (values == 0) & (unlike == 0), sizes.max(axis=0) + scales.point
        sizes = np.where(flat, largest, sizes)
        errors = np.where(flat, scales.unit * largest / h[2:-1], unlike + rounding)
        known = np.isfinite(errors) & np.isfinite(values)
    if not known.all():
        errors, values = np.where(known, errors, np.inf), np.nan_to_num(values)
    return _Table(h[2:-1], values, jumps, rounding, noise, sizes, flat, errors)


def _best(rungs: _Table) -> Array:
    """Choose the rung of each element: that of the least relative error, or of the least error if none is small."""
    with np.errstate(all="ignore"):
        known = np.isfinite(rungs.errors) & (rungs.values != 0)
        relative = np.where(known, rungs.errors / np.abs(rungs.values), np.inf)
    knows = relative.min(axis=0) <= _KNOWN
    best: Array = np.where(knows, relative.argmin(axis=0), rungs.errors.argmin(axis=0))
    return best


def _kinks(rungs: _Table, best: Array, value: Array, error: Array, scales: Scales) -> Array:
    """Whether the error is that of a jump of the slope, which the next step shows as well."""
    jump, next_jump = at(best, rungs.jumps), at(np.minimum(best + 1, len(rungs.jumps) - 1), rungs.jumps)
    rounding = at(best, rungs.rounding) + scales.unit * scales.point / rungs.steps[best, 0]
    kinks: Array = (
        (error > _KINK * np.abs(value)) & (jump > np.maximum(_SEEN * rounding, error)) & (next_jump > jump / 4)
    )
    return kinks


def _stairs(rungs: _Table, value: Array, best: Array) -> Array:
    """Return how far off a value may be that is the slope of one stair: larger steps show how f rounds.

    Three of them in a row exclude it; or it is 0, and each of them moves.
    """
    larger = _places(rungs) < best
    noisy = larger & (rungs.noise <= _NOISY * rungs.sizes) & (rungs.jumps <= _SEEN * rungs.rounding)
    if not noisy.any():
        return np.zeros(value.shape)
    apart = np.abs(rungs.values - value)
    apart = np.where(noisy & (apart > SAFETY * rungs.errors), apart, 0)
    three = np.minimum(np.minimum(apart[2:], apart[1:-1]), apart[:-2])
    moving = np.min(np.where(noisy & (rungs.values != 0), rungs.errors, np.inf), axis=0)
    error: Array = np.maximum(np.max(three, axis=0, initial=0), np.where((value == 0) & (moving < np.inf), moving, 0))
    return error


def _places(rungs: _Table) -> Array:
    return np.arange(len(rungs.values))[:, None]


def _is_exhausted(rungs: _Table, value: Array, error: Array, best: Array) -> Array:
    """Whether smaller steps will not help: the error is small enough, or is rounding alone and grew with each step."""
    passed = _places(rungs) > best + 1
    rounding = (rungs.noise <= _QUIET * rungs.sizes) & (SAFETY * rungs.rounding >= rungs.errors)
    known = (error <= _SETTLED * np.abs(value)) | rungs.flat.all(axis=0)
    exhausted: Array = known | (passed & (rounding | rungs.flat)).any(axis=0)
    return exhausted


def better(a: Estimate, b: Estimate) -> Estimate:
    """Take each element from the estimate that knows it best: by the relative error, or by the error if none does."""
    with np.errstate(all="ignore"):
        knows_a, knows_b = (e.error <= _KNOWN * np.abs(e.value) for e in (a, b))
        closer = np.where(knows_a & knows_b, b.error * np.abs(a.value) < a.error * np.abs(b.value), b.error < a.error)
    second = np.where(knows_a == knows_b, closer, knows_b)
    parts = [np.where(second, y, x) for x, y in zip(_parts(a), _parts(b), strict=True)]
    value, error, kinks, near, noise, size, step = parts
    return Estimate(value, error, kinks, near, noise, size, step, a.unit)


def _parts(e: Estimate) -> Sequence[Array]:
    return e.value, e.error, e.kinks, e.near, e.noise, e.size, e.step
