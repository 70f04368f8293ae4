"""Choosing, one element at a time: by a condition, the greater of two, and what lies within bounds."""

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, Operand, op
from tinygrad_edu.ops.fast.elementwise import masked

__all__ = ["clip", "maximum", "minimum", "where"]


@op(broadcasts=True, promotes=("x", "y"))
def where(condition: Any, x: Operand, y: Operand) -> Array:
    """Return x where `condition` holds, and y elsewhere. No gradient flows to the condition."""
    return np.where(condition, x, y)


@op(broadcasts=True, promotes=("x",))
def keep(x: Array, mask: Array) -> Array:
    """Return x where `mask` holds and 0 elsewhere, also in place of a NaN. No gradient flows to the mask."""
    return masked(x if isinstance(x, ndarray) else np.asarray(x), mask)


where.vjps(x=lambda g, condition: keep(g, condition), y=lambda g, condition: keep(g, condition == 0))
keep.vjps(x=lambda g, mask: keep(g, mask))


@op(broadcasts=True)
def maximum(x: Operand, y: Operand) -> Array:
    """Return the greater of x and y. Where they are equal, each gets half of the gradient; beside a NaN, all of it."""
    return np.maximum(x, y)


maximum.vjps(
    x=lambda g, x, y: where(x == y, g * 0.5, keep(g, ~(x < y))),
    y=lambda g, x, y: where(x == y, g * 0.5, keep(g, ~(y < x))),
)


@op(broadcasts=True)
def minimum(x: Operand, y: Operand) -> Array:
    """Return the smaller of x and y. Where they are equal, each gets half of the gradient; beside a NaN, all of it."""
    return np.minimum(x, y)


minimum.vjps(
    x=lambda g, x, y: where(x == y, g * 0.5, keep(g, ~(x > y))),
    y=lambda g, x, y: where(x == y, g * 0.5, keep(g, ~(y > x))),
)


@op
def clip(x: Array, /, min: float | None = None, max: float | None = None) -> Array:
    """Return x held between `min` and `max` (numbers, or None for no bound).

    The gradient passes where min <= x <= max, the bounds included, and is 0 outside.
    """
    return np.clip(x, min, max)


clip.vjps(x=lambda g, x, min, max: keep(g, _within(x, min, max)))


def _within(x: Any, min: Any, max: Any) -> ndarray:
    inside = np.ones(x.shape, bool)
    if min is not None:
        inside &= x >= min
    if max is not None:
        inside &= x <= max
    return inside
