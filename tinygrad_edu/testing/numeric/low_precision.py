"""The gradient in float32 and float16, held to that in float64 at the very same point, by what the dtype can hold.

A narrow gradient is off by the rounding inside, which no formula bounds: it is amplified where terms cancel. But at
points some units of the last place away it is off by other amounts, while a wrong rule is off by the same one.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.numeric.finite_differences import largest

__tracebackhide__ = True  # pytest shows the line of the test, and with --full-trace ours

# The cotangents of each order: of the result, then of its gradients, then of theirs.
Cotangents = Sequence[Sequence[Array]]
# Of arrays and cotangents, the result of the order below, in one array, and its gradients.
Pull = Callable[[Sequence[Array], Cotangents], tuple[Array, Sequence[Array]]]

# Of a gradient, and of the largest cotangent: it may be the difference of terms as large as that.
_UNITS = {np.dtype(np.float32): 64.0, np.dtype(np.float16): 1.0}
_UNITS_OF_HIGHER = 64.0  # times as many of a higher derivative: its terms, as large as the largest gradient, cancel
_NEIGHBOURS, _AWAY = 12, 16  # how many points beside this one, and how many units away
_SPREADS = 4.0  # how many standard deviations their mean may be off
_ALIKE = 0.1  # results further apart are those of other random numbers, or drowned in rounding
_PASSED_ON = 16.0  # where the function is another in the narrow dtype, its gradient is, by some times as much
_MODERATE = 1e3  # of numbers up to here no overflow makes NaN, except in float16


class Comparison(NamedTuple):
    """What comes of a comparison of narrow gradients with those in float64.

    Attributes
    ----------
    wrong : (int, str) or None
        Which gradient is wrong, by position, and how.
    compared : float
        The part of the elements that was compared. Those that overflow in a narrow dtype are not.
    """

    wrong: tuple[int, str] | None
    compared: float


class _Gap(NamedTuple):
    """By how much a narrow gradient differs from that in float64, and by how much it may. 0 where not compared."""

    off: Array
    wide: Array
    allowed: Array
    compared: Array


class _Seen(NamedTuple):
    """By how much results in a narrow dtype differ, relative to the largest, its size, and gaps of gradients."""

    result_off: Array
    size: float
    gaps: list[_Gap]


@np.errstate(all="ignore")
def compare_in_low_precision(
    pull: Pull, arrays: Sequence[Array], cotangents: Cotangents, rng: np.random.Generator
) -> Comparison:
    """Compare gradients in the dtypes of `arrays` with those of the same numbers in float64.

    Parameters
    ----------
    pull : callable
        Of arrays and cotangents of any floating-point dtype: the result and its gradients, first those by the arrays.
    arrays : sequence of ndarray, floating
        All or some of them narrow.
    cotangents : sequence of sequences of ndarray
        For each order, in the dtypes of what they are the cotangents of.
    rng : numpy.random.Generator
        Draws the points beside this one, which are looked at only if it raises a suspicion.
    """
    points = (*arrays, *(g for order in cotangents for g in order))
    dtype = min((x.dtype for x in points), key=lambda dtype: dtype.itemsize)
    first = _seen(pull, arrays, cotangents, dtype)
    compared = np.concatenate([np.zeros(0), *(gap.compared.ravel() for gap in first.gaps)])
    suspects = [k for k, gap in enumerate(first.gaps) if not np.all(np.abs(gap.off) <= gap.allowed)]
    seen = [first]
    for n in range(_NEIGHBOURS if suspects else 0):
        beside = [[_moved(x, dtype, rng, n % 2 == 1) for x in level] for level in (arrays, *cotangents)]
        seen.append(_seen(pull, beside[0], beside[1:], dtype))
    inputs = points if len(cotangents) > 1 else [None] * len(points)
    wrong = (found for k in suspects if (found := _wrong_element(seen, k, inputs[k])))
    return Comparison(next(wrong, None), float(compared.mean()) if compared.size else 1.0)


def _wrong_element(seen: Sequence[_Seen], k: int, x: Array | None) -> tuple[int, str] | None:
    """Return how the k-th gradient is wrong at the first of some points, if it is off alike at all of them.

    `x` is the input of a gradient of a higher order. If the result is off by a part of itself that depends on x, its
    gradient is off by as much over x, even where the gradient itself is 0.
    """
    gap, slopes = seen[0].gaps[k], np.asarray(largest(seen[0].gaps[k].wide))
    if x is not None:
        slopes = np.maximum(slopes, np.divide(seen[0].size, np.abs(x), out=np.zeros(x.shape), where=x != 0))
    another = _PASSED_ON * largest(np.mean([each.result_off for each in seen], axis=0)) * slopes
    off = np.stack([each.gaps[k].off for each in seen])
    wrong = ~(np.abs(off.mean(axis=0)) <= gap.allowed + another + _SPREADS * off.std(axis=0))
    return (k, _words(gap, wrong)) if wrong.any() else None


def _seen(pull: Pull, arrays: Sequence[Array], cotangents: Cotangents, dtype: Any) -> _Seen:
    """Compare the gradients by all arrays with those of the same numbers in float64."""
    out, narrow = pull(arrays, cotangents)
    wide_arrays, *wide_cotangents = ([x.astype(np.float64) for x in level] for level in (arrays, *cotangents))
    wide_out, wide = pull(wide_arrays, wide_cotangents)
    size, cotangent = largest(wide_out) or 1, prod(max(map(largest, order), default=0) for order in cotangents)
    terms = max(map(largest, wide), default=0) if len(cotangents) > 1 else 0
    alike = np.allclose(out, wide_out, rtol=0, atol=_ALIKE * size, equal_nan=True)
    result_off = np.where(alike & np.isfinite(out), (out - wide_out) / size, 0)
    may_overflow = dtype == np.float16 or max(cotangent, *map(largest, (*wide_arrays, wide_out, *wide))) > _MODERATE
    unit = _UNITS[dtype] * float(np.finfo(dtype).eps) * (_UNITS_OF_HIGHER if len(cotangents) > 1 else 1)
    gaps = []
    for a, b in zip(narrow, wide, strict=True):
        compared = alike & np.isfinite(b) & (np.isfinite(a) | (not may_overflow))
        allowed = unit * (np.maximum(np.abs(np.where(compared, b, 0)), terms) + cotangent)
        gaps.append(_Gap(np.where(compared, a - b, 0), b, allowed, compared))
    return _Seen(result_off, size, gaps)


def _moved(x: Array, dtype: Any, rng: np.random.Generator, by_largest: bool = False) -> Array:
    """Return x, each number some units larger or smaller, in the same memory layout.

    They are units of each number, or of the largest one: added to that, a smaller number is rounded to its units.
    """
    unit = float(np.finfo(dtype).eps) * (largest(x) if by_largest else x)
    return np.asarray(x + unit * rng.integers(-_AWAY, _AWAY + 1, x.shape), x.dtype)


def _words(gap: _Gap, wrong: Array) -> str:
    worst = np.argmax(np.where(wrong, np.nan_to_num(np.abs(gap.off), nan=np.inf), -1))
    at = tuple(int(i) for i in np.unravel_index(worst, wrong.shape))
    return f"at {at} it is {gap.wide[at] + gap.off[at]:.7g}, and {gap.wide[at]:.7g} in float64"
