"""Probe: a function with a random cotangent and its gradients, and comparisons up to the measured rounding error."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.dtypes import unit_of
from tinygrad_edu.testing.differentiable import Differentiable, copies, errors_as
from tinygrad_edu.testing.failures import CheckFailed, LawBroken
from tinygrad_edu.testing.numeric.extrapolation import SAFETY
from tinygrad_edu.testing.numeric.finite_differences import largest
from tinygrad_edu.testing.numeric.rounding import ROUGH, jitter
from tinygrad_edu.testing.numeric.sampling import Rng, draw_signed
from tinygrad_edu.testing.verdict import NotApplicable

# The allowed difference, in rounding units, of two sums of the same terms in another order.
_UNITS = {np.dtype(np.float64): 5e4, np.dtype(np.float32): 256.0, np.dtype(np.float16): 64.0}
_POINTS, _SPACING = 12, 16  # the number and distance, in units in the last place, of points that show the rounding


@dataclass(frozen=True)
class Probe:
    """A differentiable function, random cotangents of its results, and its gradients."""

    d: Differentiable
    rng: Rng
    results: list[Array]
    cotangents: list[Array]
    gradients: list[Array]

    def pull(
        self, cotangents: Sequence[Array | None], where: str = "", needs: Collection[int] | None = None
    ) -> list[Array]:
        """Return the gradients for other cotangents, from a new call of the function."""
        copied = [None if g is None else g.copy() for g in cotangents]
        return copies(self.d.evaluate(copies(self.d.arrays), copied, needs, where)[1])

    def pull_each(self, groups: Sequence[Sequence[Array]]) -> list[list[Array]]:
        """Return the gradients for groups of cotangents, from one call of the function if it keeps its graph."""
        if not self.d.keeps_graphs:
            return [self.pull(cotangents) for cotangents in groups]
        _, pullback = self.d.recorded(copies(self.d.arrays))
        with errors_as(LawBroken, f"{self.d.name}: the gradient cannot be computed"):
            return [copies(pullback(copies(cotangents))) for cotangents in groups]

    def at(self, arrays: Sequence[Array], cotangents: list[Array]) -> Probe:
        """Return the probe at other arrays and cotangents."""
        results, gradients = self.d.evaluate(arrays, cotangents)
        return Probe(replace(self.d, arrays=tuple(arrays)), self.rng, results, cotangents, gradients)

    @cached_property
    def rounding(self) -> tuple[list[Array], list[Array]]:
        """The measured rounding errors of the results and gradients: their jitter over neighbouring points."""
        if not all(self._nearby):
            return [np.zeros(())] * len(self.results), [np.zeros(())] * len(self.gradients)
        jitters = [SAFETY * jitter(np.stack(part)) for part in zip(*self._nearby, strict=True)]
        return jitters[: len(self.results)], jitters[len(self.results) :]

    @property
    def is_stable(self) -> bool:
        """Whether the results and gradients at neighbouring points are close to those at the point."""
        here = (*self.results, *self.gradients)
        return all(self._nearby) and all(
            np.allclose(near, x, rtol=0, atol=ROUGH * largest(x) + self.cancellation(x), equal_nan=True)
            for values in self._nearby
            for near, x in zip(values, here, strict=True)
        )

    @cached_property
    def _nearby(self) -> list[list[Array]]:
        """The results and gradients at neighbouring points; an empty list for a point that the function rejects."""
        rays = [
            [_SPACING * unit_of(self.precision(x)) * x * draw_signed(self.rng, x.shape) for x in xs]
            for xs in (self.d.arrays, self.cotangents)
        ]
        return [self._values_near(rays, count) for count in range(1, _POINTS + 1)]

    def precision(self, x: Array) -> np.dtype[Any]:
        """Return the dtype in which x is computed: a narrow one if float64 results do not depend on further digits."""
        return self._inner_dtype if x.dtype == np.float64 else x.dtype

    @cached_property
    def _inner_dtype(self) -> np.dtype[Any]:
        point = [_with_all_digits(x, self.rng) for x in self.d.arrays]
        for dtype in map(np.dtype, (np.float16, np.float32)):
            rounded = [x.astype(dtype).astype(x.dtype) for x in point]
            with np.errstate(all="ignore"), contextlib.suppress(Exception):  # the function may reject these numbers
                if all(map(same, self.d.value(rounded), self.d.value(point))):
                    return dtype
        return np.dtype(np.float64)

    def _values_near(self, rays: Sequence[Sequence[Array]], count: int) -> list[Array]:
        """Return the results and gradients at a number of steps along rays, or an empty list."""
        point = (self.d.arrays, self.cotangents)
        moved = [
            [np.asarray(x + count * u, x.dtype) for x, u in zip(*pair, strict=True)]
            for pair in zip(point, rays, strict=True)
        ]
        try:
            results, gradients = self.d.evaluate(moved[0], moved[1])
        except (NotApplicable, CheckFailed):
            return []
        return [x.astype(np.float64) for x in (*results, *gradients)]

    def require_results(self, actual: Sequence[Array], law: str) -> None:
        """Require results that equal those of the probe up to rounding."""
        for k, (a, b) in enumerate(zip(actual, self.results, strict=True)):
            if not self.has_result(k, a):
                raise self.broken(law, a, b)

    def has_result(self, k: int, actual: Array) -> bool:
        """Whether an array equals result `k` up to rounding."""
        expected = self.results[k]
        return agree(actual, expected) or self._agree(actual, expected, self.rounding[0][k])

    def require_gradients(self, actual: Sequence[Array], law: str, positions: Iterable[int] | None = None) -> None:
        """Require gradients that equal those of the probe up to rounding. `law` has {} for the name of the input."""
        for k in range(len(self.gradients)) if positions is None else positions:
            self.require_gradient(k, actual[k], self.gradients[k], law.format(self.d.names[k]))

    def require_gradient(self, k: int, actual: Array, expected: Array, law: str, parts: float = 1.0) -> None:
        """Require a gradient of input `k`: a sum of terms with `parts` times the rounding of the probe's gradient."""
        if not agree(actual, expected) and not self._agree(actual, expected, parts * self.rounding[1][k]):
            raise self.broken(law, actual, expected)

    def _agree(self, a: Array, b: Array, rounding: Array) -> bool:
        return agree(a, b, rounding + self.cancellation(a) + relative_rounding(self.precision(a)) * largest(b))

    def cancellation(self, x: Array) -> float:
        """Return the rounding error of sums that cancel, of terms as large as a cotangent times an input."""
        terms = max(1.0, *map(largest, self.d.arrays)) * max(map(largest, self.cotangents))
        return (16.0 if x.dtype == np.float64 else _UNITS.get(x.dtype, 16.0)) * unit_of(x.dtype) * terms

    def broken(self, law: str, actual: Array, expected: Array) -> LawBroken:
        """Return the error about the element that differs most."""
        return LawBroken(f"{self.d.name}: {law}{_difference(actual, expected)}.")


def _with_all_digits(x: Array, rng: Rng) -> Array:
    """Return numbers close to x that use all digits of its dtype, as float16 represents 0.25 without an error."""
    change = rng.uniform(0, 1e-3, x.shape)
    return np.where(x == 0, change, x * (1 - change)).astype(x.dtype)


def draw_probe(d: Differentiable, rng: Rng) -> Probe:
    """Draw cotangents for the results of a function, and compute its gradients."""
    arrays = copies(d.arrays)
    results, pullback = d.record(arrays, range(len(arrays)))
    cotangents = [draw_signed(rng, x.shape).astype(x.dtype, copy=False) for x in results]
    return Probe(d, rng, copies(results), cotangents, copies(pullback(copies(cotangents))))


# Equalities of float64 gradients hold up to this relative error, because a part of a function may compute in float32.
# The law of the slope finds smaller errors.
OF_FLOAT32_PARTS = 64 * float(np.finfo(np.float32).eps)


def relative_rounding(dtype: Any) -> float:
    """Return the relative rounding error of a sum in a dtype."""
    return _UNITS.get(dtype, 16.0) * unit_of(dtype)


def same(a: Array, b: Array) -> bool:
    """Whether two arrays have the same dtype, shape and values."""
    return a.dtype == b.dtype and a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))


def agree(actual: Array, expected: Array, rounding: Array | float = 0.0) -> bool:
    """Whether two arrays have equal shapes and are equal up to rounding. Overflow in float16 is not compared."""
    if actual.shape != expected.shape:
        return False
    if np.array_equal(actual, expected):  # the rest takes ten times as long
        return True
    relative, overflows = relative_rounding(actual.dtype), actual.dtype == np.float16
    a, b = actual.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(a) & np.isfinite(b)
    equal = (a == b) | (np.isnan(a) & np.isnan(b)) | (overflows & ~finite)
    allowed = relative * (np.abs(b) + largest(b)) + np.where(np.isfinite(rounding), rounding, np.inf)
    return bool(np.all(equal | (finite & (np.abs(a - b) <= allowed))))


def _difference(actual: Array, expected: Array) -> str:
    """Describe the element of two arrays that differs most, for the end of a sentence."""
    if actual.shape != expected.shape:
        return f": the shapes are {actual.shape} and {expected.shape}"
    gap = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
    index = np.unravel_index(int(np.argmax(np.nan_to_num(gap, nan=np.inf))), gap.shape)
    place = f" at {tuple(map(int, index))}" if index else ""
    return f":{place} {float(actual[index]):.7g} instead of {float(expected[index]):.7g}"
