"""Measure the rounding error of a numeric or claimed derivative by its jitter between neighbouring points.

Finite differences do not show the rounding of terms that the step does not change: each step gives 5.6e-17 as the slope
of (0.1 + 0.2 - 0.3) x, and 2.8e-17 if the sum is in another order. At a point a few units in the last place away, the
rounding error differs, while a wrong gradient is wrong by the same amount. A claimed gradient is linear in its
cotangent, so its jitter is measured over multiples of the cotangent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.dtypes import unit_of
from tinygrad_edu.testing.arrays.layouts import copy_with_layout_of
from tinygrad_edu.testing.numeric.extrapolation import Estimate
from tinygrad_edu.testing.numeric.sampling import draw_signed

EXACT = 1e-10  # the relative rounding error of a float64 computation with a few thousand terms
ROUGH = 0.05  # the largest relative error of a right claim, and of a numeric derivative that can refute a claim
FLOAT32_PARTS = 2.0**-22  # the relative accuracy of a function that computes a part in float32
_FLOAT32 = float(np.finfo(np.float32).eps)
_POINTS = 12
_UNITS = 16  # the distance of neighbouring points, in units in the last place
_FACTOR = 1.3  # of a cotangent; its multiple of a gradient is not a small number of units of the gradient
_MULTIPLE_SPACING = 2.0**-20  # the distance of the multiples of a cotangent


def jitter(values: Array) -> Array:
    """Return the standard deviation of the noise in values at equally spaced points.

    Third differences remove the smooth part (J. J. Moré and S. M. Wild, "Estimating computational noise", 2011).

    Examples
    --------
    >>> x = np.arange(12)
    >>> float(jitter(x**2)), float(jitter(x % 2))
    (0.0, 0.8944271909999159)
    """
    smooth = np.diff(values, 3, axis=0)
    return np.asarray(np.sqrt(np.mean(smooth**2, axis=0) / 20))  # 1 + 9 + 9 + 1


def has_float32_parts(f: Callable[[Array], Any], x: Array, direction: Array) -> bool:
    """Return whether f is as rough as float32 at points that only float64 tells apart, along a direction."""
    spacing = _FLOAT32 / 4 * (float(np.max(np.abs(x[direction != 0]), initial=0)) or 1.0)
    with np.errstate(all="ignore"), contextlib.suppress(Exception):  # f may reject the points
        values = np.stack([np.asarray(f(x + k * spacing * direction), np.float64) for k in range(1, _POINTS + 1)])
        roughness = float(np.max(jitter(values), initial=0)) / float(np.max(np.abs(values), initial=0) or 1.0)
        return _FLOAT32 / 256 < roughness < 16 * _FLOAT32
    return False


def add_jitter(
    f: Callable[..., Any], arrays: Sequence[Array], k: int, direction: Array, slope: Estimate, rng: np.random.Generator
) -> Estimate:
    """Add the jitter of f at the best step to the error of a slope along a direction of input `k`."""
    rounding = np.zeros(slope.value.shape)
    for h in np.unique(slope.step):
        forward, backward = (
            _jitter_around(f, [*arrays[:k], arrays[k] + step * direction, *arrays[k + 1 :]], slope.unit, rng)
            for step in (h, -h)
        )
        rounding = np.where(slope.step == h, np.maximum(forward, backward) / h, rounding)
    return replace(slope, error=slope.error + rounding, noise=slope.noise + rounding)


def _jitter_around(f: Callable[..., Any], arrays: Sequence[Array], unit: float, rng: np.random.Generator) -> Array:
    """Return the jitter of f along a ray from a point. Each input moves in proportion to its size."""
    ray = [_UNITS * unit * x * draw_signed(rng, x.shape) for x in arrays]

    def values() -> Iterator[Array]:
        for count in range(1, _POINTS + 1):  # without the point itself, where f may jump
            yield np.asarray(
                f(*(copy_with_layout_of(x + count * u, x) for x, u in zip(arrays, ray, strict=True))), np.float64
            )

    with contextlib.suppress(Exception), np.errstate(all="ignore"):  # f may accept only special numbers
        return _finite_or_zero(jitter(np.stack([*values()])))
    return np.zeros(())


def jitter_of_linear(linear: Callable[[float], Any]) -> Array:
    """Return the jitter of ``linear(c) / c`` over multiples c of an argument of a linear function."""
    multiples = 1 + _MULTIPLE_SPACING * np.arange(1, _POINTS + 1)
    with np.errstate(all="ignore"):  # a claimed derivative may be infinite
        return _finite_or_zero(jitter(np.stack([np.asarray(linear(float(c)), np.float64) / c for c in multiples])))


@np.errstate(all="ignore")  # a claimed derivative may be infinite
def narrow_dtype(linear: Callable[[float], Any]) -> str:
    """Return the narrow dtype in which a linear function of c computes, or "".

    Most of its results do not change if c changes by less than the precision of the dtype.
    """
    at_one, scaled = (np.asarray(linear(c), np.float64) for c in (1.0, _FACTOR))
    # What a cancellation leaves does not scale.
    is_used = np.isfinite(at_one) & (at_one != 0) & (np.abs(scaled - _FACTOR * at_one) <= ROUGH * np.abs(at_one))
    for dtype, bits in (("bfloat16", 8), ("float16", 11), ("float32", 24)):
        changes = 2.0 ** -(bits + 3) * np.array([-1.5, -1.0, 1.0, 1.5])
        unchanged = [
            np.asarray(linear(1 + float(change)), np.float64)[is_used] == at_one[is_used] for change in changes
        ]
        if is_used.any() and np.mean(unchanged) > 0.6:
            return dtype
    return ""


def rounding_of_claim(g: Array, claimed: float) -> float:
    """Return the rounding error that a claimed derivative may have, in the dtype of the gradient g."""
    rounding = 64 * unit_of(g.dtype)
    if rounding <= EXACT:
        return EXACT * claimed
    return min(rounding * claimed, ROUGH * float(np.linalg.norm(g.astype(np.float64))))


def _finite_or_zero(rounding: Array) -> Array:
    return np.where(np.isfinite(rounding), rounding, 0)
