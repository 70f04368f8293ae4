"""When two results count as equal: NaN with NaN, infinities by sign, numbers up to rounding."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array

Arrays = Sequence[Array]

RELATIVE = 1e-8
ABSOLUTE = 1e-13  # of the largest finite number in the result: what remains where terms cancel
HIDDEN = 1e-10  # the same for second gradients, which cancel numbers that no result shows
LARGEST = 1e6
DENORMAL = 1e-320  # where numbers have no digits to compare
UNSTABLE = 300.0  # times what a change of the inputs in their last digits changes


def unequal(ours: Array, theirs: Array, relative: float, absolute: Any) -> Array:
    """Return where two arrays of one shape differ by more than a relative and an absolute part."""
    with np.errstate(all="ignore"):
        near = np.abs(ours - theirs) <= relative * np.abs(theirs) + absolute + DENORMAL
    return np.asarray(~(near | (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))))


def differing(
    ours: Arrays, theirs: Arrays, scale: float, absolute: float, again: Callable[[int], Arrays | None]
) -> int | None:
    """Return which array differs first, or None.

    `scale` is the largest number that they were computed from: where terms cancel, rounding leaves the part `absolute`
    of it. It is 0 for what is computed element by element, where nothing cancels.
    `again` computes theirs once more with inputs that are changed in their last digits: what changes then is rounding.
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
    """Return how far results move when `again` computes them from changed inputs; None where that is refused."""
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
    """Return the largest finite number, in magnitude."""
    return float(np.max(np.abs(x.astype(np.float64)), initial=0, where=np.isfinite(x)))


def nudged(inputs: Mapping[str, Array], number: int, every: bool) -> dict[str, Array]:
    """Change floating inputs by a few units in the last place; equal numbers stay equal.

    Plain numbers, where functions bend, stay as they are, unless `every` number is to be changed.
    """
    return {
        name: x * factors(x, number, every).astype(x.dtype) if x.dtype.kind == "f" else x for name, x in inputs.items()
    }


def factors(x: Array, number: int, every: bool) -> Array:
    """Return numbers within a few epsilons of 1, to change x with; equal numbers have equal factors."""
    with np.errstate(all="ignore"):
        plain = ~np.isfinite(x) | (x == 0)
        if not every:
            plain |= (x * 4 == np.round(x * 4)) & (np.abs(x) < 1000)
        digits = np.abs(np.frexp(np.where(plain, 1, x).astype(np.float64))[0] * 2.0**40).astype(np.int64)
        steps = np.array([-2, -1, 1, 2])[digits * (2 * number + 3) // 7 % 4]
        return np.asarray(np.where(plain, 1, 1 + steps * float(np.finfo(x.dtype).eps)))
