"""The gradient in float32 and float16, held to that in float64 at the very same point, by what the dtype can hold.

A narrow gradient is off by the rounding inside, which no formula bounds: it is amplified where terms cancel. But at
points some units of the last place away it is off by other amounts, while a wrong rule is off by the same one.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.differences import largest

__tracebackhide__ = True  # pytest shows the line of the test, and with --full-trace ours

# Of arrays and a cotangent, the result and the gradients.
Pull = Callable[[Sequence[Array], Array], tuple[Array, Sequence[Array]]]

# Of a gradient, and of the largest cotangent: it may be the difference of terms as large as that.
_UNITS = {np.dtype(np.float32): 64.0, np.dtype(np.float16): 1.0}
_NEIGHBOURS, _AWAY = 12, 16  # how many points beside this one, and how many units away
_SPREADS = 4.0  # how many standard deviations their mean may be off
_ALIKE = 0.1  # results further apart are those of other random numbers, or drowned in rounding
_PASSED_ON = 16.0  # where the function is another in the narrow dtype, its gradient is, by some times as much
_MODERATE = 1e3  # of numbers up to here no overflow makes NaN, except in float16


class _Gap(NamedTuple):
    """By how much a narrow gradient differs from that in float64, and by how much it may. It is 0 where not told."""

    off: Array
    wide: Array
    allowed: Array


class _Seen(NamedTuple):
    """By how much results in a narrow dtype differ, relative to the largest, and the gaps of the gradients."""

    result_off: Array
    gaps: list[_Gap]


@np.errstate(all="ignore")
def wrong_in_narrow(pull: Pull, arrays: Sequence[Array], g: Array, rng: np.random.Generator) -> tuple[int, str] | None:
    """Return which gradient is wrong in the dtype of `arrays`, by position, and how; None if none is.

    Parameters
    ----------
    pull : callable
        Of arrays and a cotangent, of any floating-point dtype: the result and the gradients by the arrays.
    arrays : sequence of ndarray, floating
        All or some of them narrow.
    g : ndarray
        The cotangent, in the dtype of the result.
    rng : numpy.random.Generator
        Draws the points beside this one, which are looked at only if it raises a suspicion.
    """
    dtype = min((x.dtype for x in (*arrays, g)), key=lambda dtype: dtype.itemsize)
    first = _seen(pull, arrays, g, dtype)
    suspects = [k for k, gap in enumerate(first.gaps) if not np.all(np.abs(gap.off) <= gap.allowed)]
    if not suspects:
        return None
    moved = (([_moved(x, dtype, rng, k % 2 == 1) for x in arrays], _moved(g, dtype, rng)) for k in range(_NEIGHBOURS))
    seen = [first, *(_seen(pull, *point, dtype) for point in moved)]
    another = _PASSED_ON * largest(np.mean([each.result_off for each in seen], axis=0))
    for k in suspects:
        off = np.stack([each.gaps[k].off for each in seen])
        allowed = first.gaps[k].allowed + another * largest(first.gaps[k].wide)
        wrong = ~(np.abs(off.mean(axis=0)) <= allowed + _SPREADS * off.std(axis=0))
        if wrong.any():
            return k, _words(first.gaps[k], wrong)
    return None


def _seen(pull: Pull, arrays: Sequence[Array], g: Array, dtype: Any) -> _Seen:
    """Compare the gradients by all arrays with those of the same numbers in float64."""
    out, narrow = pull(arrays, g)
    wide_arrays = [x.astype(np.float64) for x in arrays]
    wide_out, wide = pull(wide_arrays, g.astype(np.float64))
    size = largest(wide_out) or 1
    alike = np.allclose(out, wide_out, rtol=0, atol=_ALIKE * size, equal_nan=True)
    result_off = np.where(alike & np.isfinite(out), (out - wide_out) / size, 0)
    may_overflow = dtype == np.float16 or max(map(largest, (*wide_arrays, g, wide_out, *wide))) > _MODERATE
    unit = _UNITS[dtype] * float(np.finfo(dtype).eps)
    gaps = []
    for a, b in zip(narrow, wide, strict=True):
        told = alike & np.isfinite(b) & (np.isfinite(a) | (not may_overflow))
        gaps.append(_Gap(np.where(told, a - b, 0), b, unit * (np.abs(np.where(told, b, 0)) + largest(g))))
    return _Seen(result_off, gaps)


def _moved(x: Array, dtype: Any, rng: np.random.Generator, by_largest: bool = False) -> Array:
    """Return x, each number some units larger or smaller, in the same memory layout.

    They are units of each number, or of the largest one: added to that, a smaller number is rounded to its units.
    """
    unit = float(np.finfo(dtype).eps) * (largest(x) if by_largest else x)
    moved: Array = (x + unit * rng.integers(-_AWAY, _AWAY + 1, x.shape)).astype(x.dtype)
    return moved


def _words(gap: _Gap, wrong: Array) -> str:
    worst = np.argmax(np.where(wrong, np.nan_to_num(np.abs(gap.off), nan=np.inf), -1))
    at = tuple(int(i) for i in np.unravel_index(worst, wrong.shape))
    return f"at {at} it is {gap.wide[at] + gap.off[at]:.7g}, and {gap.wide[at]:.7g} in float64"
