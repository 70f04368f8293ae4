"""Numeric derivatives that explain a mismatch, within a limited number of calls of the function."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.dtypes import unit_of
from tinygrad_edu.testing.flat_function import Claim
from tinygrad_edu.testing.numeric.extrapolation import RATIO
from tinygrad_edu.testing.numeric.finite_differences import quick_derivative_along
from tinygrad_edu.testing.numeric.sampling import draw_directions, seeded

_SECONDS, _CALLS = 0.8, 190  # an explanation takes at most this long, or this many calls of f, whichever is longer
_OVERHEAD = 1e-4  # seconds that the extrapolation adds to a call of f
_FEWEST = 120  # calls; the limit is a multiple of it by a power of two, so that it varies little
_MANY = 3000  # with fewer calls, probes reuse the step of the first one, unless there are few elements
_PER_ELEMENT = 32  # calls of f for the probes of one element, and some for the guesses


class OutOfCalls(Exception):  # noqa: N818 - control flow, not a failure
    """The explanation has used all calls of f that it may make."""


class NumericSlope(NamedTuple):
    """The numeric derivative of ``sum(cotangent * f)`` along a direction of one input."""

    direction: Array
    value: float
    error: float
    step: float


class Prober:
    """Numeric derivatives of input `k` of a claim. `of` shares the limit on the calls with another claim or input.

    If the function is slow, only the elements of a direction are probed, along which the claim is wrong.
    """

    limit: int  # of the calls of f, which _calls counts
    _calls: list[int]

    def __init__(self, claim: Claim, k: int, direction: Array, shared: Prober | None = None) -> None:
        self._f, self._x, self._scale = claim.of_input(k), claim.arrays[k], claim.scale
        self._mask = np.flatnonzero(claim.cotangent)
        self._weights, self._center = claim.cotangent.reshape(-1)[self._mask], self._masked(claim.value)
        self._noise = float(np.linalg.norm(self._weights * self._center)) * unit_of(claim.value.dtype)
        self._calls = shared._calls if shared else [0]
        self.limit = shared.limit if shared else self._affordable()
        groups = [direction] if self.is_quick else draw_directions(seeded(None), self._x)
        self._groups = [part != 0 for part in groups]
        self.elements = np.any(self._groups, axis=0)

    def _affordable(self) -> int:
        """Return the number of calls of f in the time of an explanation, from timings of f and of `_sum`."""
        self.limit, (alone, summed) = _FEWEST, (min(self._time(f) for _ in range(2)) for f in (self._f, self._sum))
        affordable = max(_SECONDS, _CALLS * alone) / (summed + _OVERHEAD)
        return int(_FEWEST * 2 ** max(np.log2(affordable / _FEWEST) // 1, 0))

    def _time(self, f: Callable[[Array], Any]) -> float:
        start = time.perf_counter()
        f(self._x.copy())
        return time.perf_counter() - start

    @property
    def is_quick(self) -> bool:
        """Whether the function is slow, so that probes save calls."""
        return self.limit < min(_MANY, 2 * _FEWEST + _PER_ELEMENT * self._x.size)

    def of(self, claim: Claim, k: int) -> Prober:
        """Return a prober of another claim or input."""
        return Prober(claim, k, self.elements, self)

    def along(self, direction: Array) -> NumericSlope:
        """Return the derivative along a direction; raise `OutOfCalls` if the limit is reached.

        It is the sum of the derivatives for the orders of magnitude in x, which need different steps.
        """
        parts = [part for group in self._groups if (part := np.where(group, direction, 0)).any()] or [direction]
        slopes = [quick_derivative_along(self._sum, self._x, part, 0.0, self._scale) for part in parts]
        if self._calls[0] >= self.limit:  # quick_derivative_along may have handled the exception
            raise OutOfCalls
        error = sum(float(slope.error) + self._noise / float(slope.step) for slope in slopes)
        return NumericSlope(direction, sum(float(slope.value) for slope in slopes), error, float(slopes[0].step))

    def like(self, known: NumericSlope, direction: Array) -> NumericSlope:
        """Return the derivative along a direction; if the function is slow, with the step and error of a known one."""
        if not self.is_quick:
            return self.along(direction)
        small, large = (self.difference(direction, step) for step in (known.step, known.step / RATIO))
        return known._replace(direction=direction, value=(small - RATIO**2 * large) / (1 - RATIO**2))

    def difference(self, direction: Array, step: float) -> float:
        """Return the central difference along a direction."""
        return (self._sum(self._x + step * direction) - self._sum(self._x - step * direction)) / (2 * step)

    def _sum(self, x: Array) -> float:
        """Return the weighted sum of the changes of f, whose rounding error is smaller than that of the sum of f."""
        if self._calls[0] >= self.limit:
            raise OutOfCalls
        self._calls[0] += 1
        with np.errstate(all="ignore"):
            return float(np.dot(self._weights, self._masked(self._f(x)) - self._center))

    def _masked(self, result: Any) -> Array:
        """Return the elements of a result that have a weight."""
        flat = np.asarray(result, np.float64).reshape(-1)
        return flat if self._mask.size == flat.size else flat[self._mask]
