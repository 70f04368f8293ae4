"""Compare gradients in float32, float16 and bfloat16 with the float64 gradients at the same point.

No formula bounds the rounding error of a low-precision gradient, because cancellation amplifies it. But the rounding
error varies between neighbouring points, while the error of a wrong vjp does not.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.dtypes import unit_of
from tinygrad_edu.testing.numeric.finite_differences import largest

# The cotangents of each order: of the result, of its gradients, and of their gradients.
Cotangents = Sequence[Sequence[Array]]
# Maps arrays and cotangents of any dtype to the result of the order below, as one array, and its gradients, beginning
# with the gradients of the arrays.
Pull = Callable[[Sequence[Array], Cotangents], tuple[Array, Sequence[Array]]]

# The allowed rounding units of a gradient, relative to itself and to the largest cotangent; 1 in 16 bits.
_UNITS = {np.dtype(np.float32): 64.0}
_UNITS_OF_HIGHER = 64.0  # the factor for higher derivatives, whose terms are as large as the largest gradient
_FEW, _NEIGHBOURS, _MAX_DISTANCE = 4, 12, 16  # neighbouring points, first and at most, and their distance in units
_SPREADS = 4.0  # the allowed mean error in standard deviations
_CONDITION = 0.25  # times the deviation of float64 gradients at neighbouring points: about 2 units
_MAX_RESULT_GAP = 0.1  # results that differ by more depend on random numbers or are dominated by rounding
_PROPAGATION = 16.0  # the allowed relative error of a gradient as a multiple of the relative error of the result
_MODERATE = 1e3  # numbers up to this size do not overflow, except in float16


class _Gap(NamedTuple):
    """The actual and allowed difference of a low-precision gradient from float64; 0 for elements not compared."""

    off: Array
    wide: Array
    allowed: Array
    compared: Array


class _Comparison(NamedTuple):
    """The relative differences of low-precision results, the largest result, and the gaps of the gradients."""

    result_off: Array
    size: float
    gaps: list[_Gap]


@np.errstate(all="ignore")
def compare_in_low_precision(
    pull: Pull, arrays: Sequence[Array], cotangents: Cotangents, rng: np.random.Generator
) -> tuple[tuple[int, str] | None, float]:
    """Compare the gradients in the dtypes of `arrays`, at least one of low precision, with the gradients in float64.

    Return the position and a description of a wrong gradient, or None, and the fraction of elements that were compared.
    Elements that overflow are not compared. `rng` draws neighbouring points if a gradient differs by more than allowed.
    """
    points = (*arrays, *(g for order in cotangents for g in order))
    dtype = min((x.dtype for x in points), key=lambda dtype: dtype.itemsize)
    first = _compare(pull, arrays, cotangents, dtype)
    compared = np.concatenate([np.zeros(0), *(gap.compared.ravel() for gap in first.gaps)])
    suspects = [k for k, gap in enumerate(first.gaps) if not np.all(np.abs(gap.off) <= gap.allowed)]
    comparisons = [first]
    inputs = points if len(cotangents) > 1 else [None] * len(points)
    mismatch: tuple[int, str] | None = None
    for neighbours in (_FEW, _NEIGHBOURS) if suspects else ():
        for n in range(len(comparisons) - 1, neighbours):
            neighbour = [[_perturbed(x, dtype, rng, n % 2 == 1) for x in level] for level in (arrays, *cotangents)]
            comparisons.append(_compare(pull, neighbour[0], neighbour[1:], dtype))
        mismatch = next(filter(None, (_wrong_element(comparisons, k, inputs[k]) for k in suspects)), None)
        if mismatch is None:
            break
    return mismatch, float(compared.mean()) if compared.size else 1.0


def _wrong_element(comparisons: Sequence[_Comparison], k: int, x: Array | None) -> tuple[int, str] | None:
    """Describe the error of the k-th gradient at the first point, if it is wrong by the same amount at all points.

    `x` is the input of a higher-order gradient. If the result has a relative error e that depends on x, the gradient
    has an error of about e times the result divided by x, even if the gradient is 0.
    """
    gap, slopes = comparisons[0].gaps[k], np.asarray(largest(comparisons[0].gaps[k].wide))
    if x is not None:
        slopes = np.maximum(slopes, np.divide(comparisons[0].size, np.abs(x), out=np.zeros(x.shape), where=x != 0))
    propagated = _PROPAGATION * largest(np.mean([c.result_off for c in comparisons], axis=0)) * slopes
    offsets = np.stack([c.gaps[k].off for c in comparisons])
    wide = np.stack([c.gaps[k].wide for c in comparisons])
    compared = np.stack([c.gaps[k].compared for c in comparisons])  # a neighbour may be outside of the domain
    compared |= ~gap.compared  # these elements get no verdict, but NumPy warns of a mean of none
    spread, condition = offsets.std(axis=0, where=compared), wide.std(axis=0, where=compared)
    allowed = gap.allowed + propagated + _SPREADS * spread + _CONDITION * condition
    wrong = ~(np.abs(offsets.mean(axis=0, where=compared)) <= allowed) & gap.compared
    return (k, _words(gap, wrong)) if wrong.any() else None


def _compare(pull: Pull, arrays: Sequence[Array], cotangents: Cotangents, dtype: Any) -> _Comparison:
    """Compare all gradients with the float64 gradients at the same numbers."""
    result, narrow = pull(arrays, cotangents)
    out = result.astype(np.float64)
    wide_arrays, *wide_cotangents = ([x.astype(np.float64) for x in level] for level in (arrays, *cotangents))
    wide_out, wide = pull(wide_arrays, wide_cotangents)
    size, cotangent = largest(wide_out) or 1, prod(max(map(largest, order), default=0) for order in cotangents)
    terms = max(map(largest, wide), default=0) if len(cotangents) > 1 else 0
    is_comparable = np.allclose(out, wide_out, rtol=0, atol=_MAX_RESULT_GAP * size, equal_nan=True)
    result_off = np.where(is_comparable & np.isfinite(out), (out - wide_out) / size, 0)
    may_overflow = dtype == np.float16 or max(cotangent, *map(largest, (*wide_arrays, wide_out, *wide))) > _MODERATE
    unit = _UNITS.get(dtype, 1.0) * unit_of(dtype) * (_UNITS_OF_HIGHER if len(cotangents) > 1 else 1)
    gaps = []
    for a, b in zip((x.astype(np.float64) for x in narrow), wide, strict=True):
        compared = is_comparable & np.isfinite(b) & (np.isfinite(a) | (not may_overflow))
        allowed = unit * (np.maximum(np.abs(np.where(compared, b, 0)), terms) + cotangent)
        gaps.append(_Gap(np.where(compared, a - b, 0), b, allowed, compared))
    return _Comparison(result_off, size, gaps)


def _perturbed(x: Array, dtype: Any, rng: np.random.Generator, by_largest: bool = False) -> Array:
    """Return x with each number changed by some units in the last place, of the number or of the largest number."""
    unit = unit_of(dtype) * (largest(x) if by_largest else x.astype(np.float64))
    return np.asarray(x.astype(np.float64) + unit * rng.integers(-_MAX_DISTANCE, _MAX_DISTANCE + 1, x.shape), x.dtype)


def _words(gap: _Gap, wrong: Array) -> str:
    worst = np.argmax(np.where(wrong, np.nan_to_num(np.abs(gap.off), nan=np.inf), -1))
    index = tuple(int(i) for i in np.unravel_index(worst, wrong.shape))
    return f"at {index}, expected {gap.wide[index]:.7g} as in float64, got {gap.wide[index] + gap.off[index]:.7g}"
