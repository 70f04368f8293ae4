"""Comparison of results: NaN equals NaN, infinities by sign, other numbers up to rounding errors."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array

Arrays = Sequence[Array]

RELATIVE = 1e-8
ABSOLUTE = 1e-13  # times the largest finite number in the result: the rounding error of a cancellation
HIDDEN = 1e-10  # the same for second gradients, where intermediate values cancel
LARGEST = 1e6
DENORMAL = 1e-320  # below it, numbers have too few significant digits to compare
UNSTABLE = 300.0  # times the effect of a change of the inputs by a few units in the last place


def unequal(ours: Array, theirs: Array, relative: float, absolute: Any) -> Array:
    """Return where two arrays of the same shape differ by more than the tolerances."""
    with np.errstate(all="ignore"):
        near = np.abs(ours - theirs) <= relative * np.abs(theirs) + absolute + DENORMAL
    return np.asarray(~(near | (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))))


def differing(
    ours: Arrays, theirs: Arrays, scale: float, absolute: float, again: Callable[[int], Arrays | None]
) -> int | None:
    """Return the index of the first array that differs, or None.

    `scale` is the largest number in the computation; `absolute` times `scale` is the rounding error of a cancellation.
    It is 0 for elementwise functions, where no terms cancel.
    `again` recomputes `theirs` from inputs changed by a few units in the last place, to measure the rounding errors.
    """
    if not _any(ours, theirs, [0.0] * len(theirs)):
        return None
    scales = [absolute * max(largest(x), min(scale, LARGEST)) if scale else 0.0 for x in theirs]
    first = _any(ours, theirs, scales)
    if not first:
        return None
    rounding = spread(theirs, again)
    if rounding is None:
        return None
    found = _any(ours, theirs, [UNSTABLE * part + scale for part, scale in zip(rounding, scales, strict=True)])
    return found[0] if found else None


def spread(results: Arrays, again: Callable[[int], Arrays | None]) -> Arrays | None:
    """Return the largest changes of results that `again` computes from changed inputs, or None if it returns None."""
    largest_moves = [np.zeros(x.shape) for x in results]
    for number in range(3):
        moved = again(number)
        if moved is None:
            return None
        with np.errstate(all="ignore"):
            for k, (x, y) in enumerate(zip(results, moved, strict=True)):
                apart = np.where(np.isfinite(x) & np.isfinite(y), np.abs(x - y), np.inf)
                apart = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, apart)
                largest_moves[k] = np.maximum(largest_moves[k], apart)
    return largest_moves


def _any(ours: Arrays, theirs: Arrays, absolute: Sequence[Any]) -> list[int]:
    pairs = enumerate(zip(ours, theirs, absolute, strict=True))
    return [k for k, (x, y, slack) in pairs if unequal(x, y, RELATIVE, slack).any()]


def largest(x: Array) -> float:
    """Return the largest magnitude of the finite elements."""
    return float(np.max(np.abs(x.astype(np.float64)), initial=0, where=np.isfinite(x)))


def nudged(inputs: Mapping[str, Array], number: int, every: bool) -> dict[str, Array]:
    """Change floating-point inputs by a few units in the last place; equal numbers stay equal.

    Multiples of 1/4, which include the kinks of functions, are unchanged unless `every` is true.
    """
    return {
        name: x * factors(x, number, every).astype(x.dtype) if x.dtype.kind == "f" else x for name, x in inputs.items()
    }


def factors(x: Array, number: int, every: bool) -> Array:
    """Return factors within a few epsilons of 1 for the elements of x; equal elements have equal factors."""
    with np.errstate(all="ignore"):
        plain = ~np.isfinite(x) | (x == 0)
        if not every:
            plain |= (x * 4 == np.round(x * 4)) & (np.abs(x) < 1000)
        digits = np.abs(np.frexp(np.where(plain, 1, x).astype(np.float64))[0] * 2.0**40).astype(np.int64)
        steps = np.array([-2, -1, 1, 2])[digits * (2 * number + 3) // 7 % 4]
        return np.asarray(np.where(plain, 1, 1 + steps * float(np.finfo(x.dtype).eps)))
