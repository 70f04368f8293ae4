"""Elementwise selection and interpolation: where, clip, maximum, minimum, fmax, fmin, lerp."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike

from tinygrad_edu import core
from tinygrad_edu.engine import Array, Operand, Tensor, TensorLike, batched, extend, op, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.ops.elementwise.arithmetic import in_dtype_of
from tinygrad_edu.ops.fast import elementwise
from tinygrad_edu.shared.speed.plain_mode import faster_than

__all__ = ["clip", "fmax", "fmin", "lerp", "masked_fill", "maximum", "minimum", "nan_to_num", "where"]


def plain_masked(x: ndarray, mask: Any) -> ndarray:
    """Return x where the mask is True, and 0 elsewhere."""
    return np.where(mask, x, x.dtype.type(0))


masked = faster_than(plain_masked)(elementwise.masked)


def plain_zeroed(x: ndarray, mask: Any) -> ndarray:
    """Return 0 where the mask is True, and x elsewhere."""
    return np.where(mask, x.dtype.type(0), x)


zeroed = faster_than(plain_zeroed)(elementwise.zeroed)


def plain_selected(mask: Any, x: Any, y: Any) -> ndarray:
    """Return x where the mask is True, and y elsewhere."""
    return np.where(mask, x, y)


selected = faster_than(plain_selected)(elementwise.selected)


@op(broadcasts=True, promotes=("x", "y"), batching="elementwise")
def where(condition: Any, x: Operand, y: Operand) -> Array:
    """Return x where `condition` is True and y elsewhere. The condition receives no gradient."""
    return selected(condition, x, y)


@op(name="where", broadcasts=True, promotes=("x",), batching="elementwise")
def keep(x: Array, mask: Array) -> Array:
    """Return x where `mask` is True and 0 elsewhere, even if x is NaN there. The mask receives no gradient."""
    return masked(x if isinstance(x, ndarray) else np.asarray(x), mask)


@op(name="where", broadcasts=True, promotes=("x",), batching="elementwise")
def drop(x: Array, mask: Array) -> Array:
    """Return 0 where `mask` is True, even if x is NaN there, and x elsewhere. The mask receives no gradient."""
    return zeroed(x if isinstance(x, ndarray) else np.asarray(x), mask)


where.vjps(x=lambda g, condition: keep(g, condition), y=lambda g, condition: drop(g, condition))
keep.vjps(x=lambda g, mask: keep(g, mask))
drop.vjps(x=lambda g, mask: drop(g, mask))


def masked_fill(x: TensorLike, mask: ArrayLike, value: TensorLike) -> Tensor | Array:
    """Return x with `value` where `mask` is True.

    Parameters
    ----------
    x : array_like
    mask : array_like of bool
        Broadcastable with x. It receives no gradient.
    value : number, or 0-d array or Tensor
        Cast to the dtype of x if both are floating-point. The gradient of a Tensor is the sum of the upstream gradient
        over the masked elements.

    Raises
    ------
    DTypeError
        If the mask is not boolean.
    ShapeError
        If `value` is not 0-d.
    """
    mask = values_of(mask) if isinstance(mask, Tensor) else np.asarray(mask)
    if mask.dtype != bool:
        raise DTypeError(f"masked_fill: mask must be boolean, got {mask.dtype}; pass a comparison such as x > 0.")
    if np.shape(value):
        raise ShapeError(f"masked_fill: value must be a scalar of shape (), got shape {np.shape(value)}.")
    if all(getattr(part, "dtype", mask.dtype).kind == "f" for part in (x, value)):
        value = in_dtype_of(x, value)
    return where(mask, value, x)


maximum = extend(
    core.maximum,
    batching="elementwise",
    doc="Return the maximum of x and y. A tie gives each half of the gradient; where one is NaN, both get all of it.",
)


def _split_ties(g: Any, not_selected: Any, tied: Any) -> Any:
    """Return the gradient of one operand: g where it is selected, g / 2 where both are equal, 0 elsewhere."""
    kept = drop(g, not_selected)
    return where(tied, g * 0.5, kept) if np.any(tied) else kept


# Not the vjps of the core, which multiply: 0 times an infinite gradient is NaN.
maximum.vjps(x=lambda g, x, y: _split_ties(g, x < y, x == y), y=lambda g, x, y: _split_ties(g, y < x, x == y))


@op(broadcasts=True, batching="elementwise")
def minimum(x: Operand, y: Operand) -> Array:
    """Return the minimum of x and y. At a tie, each gets half of the gradient; where one is NaN, both get all of it."""
    return np.minimum(x, y)


minimum.vjps(x=lambda g, x, y: _split_ties(g, x > y, x == y), y=lambda g, x, y: _split_ties(g, y > x, x == y))


def fmax(x: TensorLike, y: TensorLike) -> Tensor | Array:
    """Return the maximum of x and y, or the other one where one is NaN. At a tie, each gets half of the gradient."""
    return maximum(*_without_nan(x, y))


def fmin(x: TensorLike, y: TensorLike) -> Tensor | Array:
    """Return the minimum of x and y, or the other one where one is NaN. At a tie, each gets half of the gradient."""
    return minimum(*_without_nan(x, y))


def _without_nan(x: Any, y: Any) -> tuple[Any, Any]:
    """Replace each NaN with the other operand, so that the operands tie there."""
    return where(np.isnan(values_of(x)), y, x), where(np.isnan(values_of(y)), x, y)


@op(name="clip", batching="elementwise")
def clip_by_scalars(x: Array, /, min: float | None, max: float | None) -> Array:
    """Clip x to two numbers; None means no bound."""
    return np.clip(x, min, max)


clip_by_scalars.vjps(x=lambda g, x, min, max: keep(g, _in_bounds_mask(x, min, max)))


@op(name="clip", broadcasts=True, batching="elementwise")
def clip_by_arrays(x: Operand, min: Operand, max: Operand) -> Array:
    """Clip x to bounds that broadcast with it."""
    return np.clip(x, min, max)


clip_by_arrays.vjps(
    x=lambda g, x, min, max: keep(g, _in_bounds_mask(x, min, max)),
    min=lambda g, x, min, max: keep(g, (x < min) & (min <= max)),
    max=lambda g, x, min, max: keep(g, np.maximum(values_of(x), values_of(min)) > max),
)


def _in_bounds_mask(x: Any, min: Any, max: Any) -> Any:
    not_nan = x == x  # all but NaN
    return (not_nan if min is None else min <= x) & (not_nan if max is None else x <= max)


@batched("elementwise", inputs=3)
def clip(x: TensorLike, min: TensorLike | None = None, max: TensorLike | None = None) -> Tensor | Array:
    """Clip x to [min, max]. Each bound is a number, an array or a Tensor that broadcasts, or None for no bound.

    The gradient goes to x where min <= x <= max, and to the bound elsewhere. Where one of the three is NaN, the result
    is NaN and all gradients are 0. Where `min` exceeds `max`, the result is `max`.
    """
    bounds: list[Any] = [min, max]
    if not any(isinstance(bound, Tensor) or np.ndim(bound) for bound in bounds):
        return clip_by_scalars(x, min, max)
    operands = [y if np.isscalar(y) else np.asarray(values_of(y)) for y in (x, min, max) if y is not None]
    lowest, highest = extremes(np.result_type(*operands))
    return clip_by_arrays(x, lowest if min is None else min, highest if max is None else max)


def extremes(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Return the smallest and the largest value of a dtype."""
    if dtype.kind == "f":
        return -np.inf, np.inf
    return (np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype.kind in "iu" else (False, True)


@op(batching="elementwise")
def nan_to_num(x: Array, /, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Array:
    """Replace NaN and infinities with finite numbers. Replaced elements receive no gradient.

    Parameters
    ----------
    x : array_like
    nan : float, default 0.0
        Replacements for NaN, infinity and -infinity. By default `posinf` and `neginf` are the largest and the smallest
        finite number of the dtype.
    posinf, neginf : float, optional
        Replacements for NaN, infinity and -infinity. By default `posinf` and `neginf` are the largest and the smallest
        finite number of the dtype.
    """
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


nan_to_num.vjps(x=lambda g, x: keep(g, np.isfinite(values_of(x))))


@op(broadcasts=True, batching="elementwise")
def lerp(x: Operand, y: Operand, weight: Operand) -> Array:
    """Interpolate linearly from x (weight 0) to y (weight 1): x + weight * (y - x).

    The result is computed from the nearer end, so that it is exact at both ends.
    """
    dtype = np.result_type(x, y, weight)
    x, y, weight = (np.asarray(part, dtype) for part in (x, y, weight))
    difference, near_x = y - x, np.abs(weight) < 0.5
    if not weight.ndim:
        return x + weight * difference if near_x else y - difference * (1 - weight)
    return np.where(near_x, x + weight * difference, y - difference * (1 - weight))


lerp.vjps(
    x=lambda g, weight: g * (1 - in_dtype_of(g, weight)),
    y=lambda g, weight: g * weight,
    weight=lambda g, x, y: g * (in_dtype_of(g, y) - in_dtype_of(g, x)),
)
