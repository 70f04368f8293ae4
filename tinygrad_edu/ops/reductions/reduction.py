"""Reductions over axes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray
from numpy.typing import DTypeLike

from tinygrad_edu import core
from tinygrad_edu.core.arrays import Axis, keepdims_shape, numpy_axis
from tinygrad_edu.engine import Array, Tensor, TensorLike, batched, extend, op, shape_of, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.ops.elementwise.arithmetic import (
    add,
    as_floating,
    astype,
    cast,
    divide,
    divide_evenly,
    in_dtype_of,
    multiply,
    subtract,
)
from tinygrad_edu.ops.elementwise.powers import exp
from tinygrad_edu.ops.elementwise.selection import drop, extremes, keep, maximum, minimum
from tinygrad_edu.ops.elementwise.selection import where as select
from tinygrad_edu.ops.fast import reductions as fast
from tinygrad_edu.ops.reductions.axes import merge_axes, reduced_count, split_axes
from tinygrad_edu.ops.reductions.scans import cumprod, neighbor
from tinygrad_edu.ops.shapes.shape import broadcast_to, flip, reshape, shaped
from tinygrad_edu.shared.speed.plain_mode import faster_than

__all__ = ["amax", "amin", "logsumexp", "max", "mean", "min", "nanmean", "nansum", "prod", "ptp", "sum"]


def plain_reduce_along(function: np.ufunc, x: Any, axis: Any, keepdims: bool = True, **settings: Any) -> Any:
    """Return ``function.reduce(x, axis)``."""
    return function.reduce(x, axis=axis, keepdims=keepdims, **settings)


reduce_along = faster_than(plain_reduce_along)(fast.reduce_along)


def plain_sum_along(x: ndarray, axes: tuple[int, ...] | None, keepdims: bool, dtype: Any) -> Any:
    """Sum x over several axes, or over all."""
    return plain_reduce_along(np.add, x, axes, keepdims, dtype=dtype)


sum_along = faster_than(plain_sum_along)(fast.sum_along)


_plain_mean, _plain_mean_x = core.mean.forward, core.mean.vjp_functions["x"]


def plain_mean_along(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the mean over `axis`. A 0-d array has the axes 0 and -1, as in NumPy's sum."""
    return _plain_mean(x, None if np.ndim(x) == 0 and axis in (0, -1) else axis, keepdims)


mean_along = faster_than(plain_mean_along)(fast.mean_along)


def plain_log_sum(x: ndarray, axis: Any) -> ndarray:
    """Return log(sum(x)) over `axis`, which is kept with length 1. float16 is summed in float32."""
    dtype = np.float32 if x.dtype == np.float16 else x.dtype
    return np.asarray(np.log(np.add.reduce(x, axis, dtype, keepdims=True))).astype(x.dtype, copy=False)


log_sum = faster_than(plain_log_sum)(fast.log_sum)


sum = extend(
    core.sum,
    batching="axis",
    promotes=False,
    doc="""Return the sum over `axis`: all axes, one, or several. An empty sum is 0. `dtype` is the dtype of the result.

    As in NumPy, the sum begins with `initial`, and omits elements where `where` is False. float16 is summed in float32.
    """,
)
_plain_sum, _plain_sum_x = sum.forward, sum.vjp_functions["x"]


@sum.replace_forward
@faster_than(_plain_sum)
def sum_values(x: Any, /, axis: Axis = None, keepdims: bool = False, dtype: DTypeLike | None = None) -> Any:
    """Return the sum of an array, by the functions for its axes."""
    if x.__class__ is not ndarray or (x.dtype if dtype is None else np.dtype(dtype)).char == "e":
        return _plain_sum(x, axis, keepdims, dtype)
    if axis.__class__ is int and x.ndim:
        return reduce_along(np.add, x, axis, keepdims, dtype=dtype)
    if axis is None or axis.__class__ is tuple:
        return sum_along(x, axis, keepdims, dtype)
    return _plain_sum(x, axis, keepdims, dtype)


# The result does not have the dtype of x if `dtype` says so.
sum.vjps(x=lambda g, x_shape, x_dtype, axis: _plain_sum_x(cast(g, x_dtype), x_shape, axis))


@op(promotes=False, batching="axis")
def prod(x: Array, /, axis: Axis = None, keepdims: bool = False, dtype: DTypeLike | None = None) -> Array:
    """Return the product over `axis`: all axes, one, or several. An empty product is 1.

    `dtype` is the dtype of the result. As in NumPy, the product begins with `initial`, and omits elements where `where`
    is False. Derivatives of any order are correct at zeros, too.
    """
    return np.prod(x, axis=numpy_axis(axis), keepdims=keepdims, dtype=dtype)


def _leave_one_out_products(x: Any) -> Any:
    """Return, for each element, the product of all other elements along the last axis."""
    before = neighbor(cumprod(x, -1), -1, False, 1)
    after = neighbor(flip(cumprod(flip(x, -1), -1), -1), -1, True, 1)
    return before * after


def no_division(*arguments: Any) -> None:
    """Return None: the plain vjp of a product does not divide by its factors."""
    return


other_factors = faster_than(no_division)(fast.other_factors)


def _prod_x(g: Any, x: Any, out: Any, axis: Axis) -> Any:
    kept, factors, other_products = keepdims_shape(x.shape, axis), in_dtype_of(g, x), None
    if isinstance(factors, ndarray) and isinstance(out, ndarray):
        other_products = other_factors(factors, reshape(out, kept))
    if other_products is None:
        other_products = split_axes(_leave_one_out_products(merge_axes(factors, axis)), x.shape, axis)
    return cast(reshape(g, kept) * other_products, x.dtype)


prod.vjps(x=_prod_x)


mean = extend(
    core.mean,
    batching="axis",
    doc="Return the mean over `axis`, of the elements where `where` is True. The mean of none is NaN, as in NumPy.",
)


@mean.replace_forward
@faster_than(plain_mean_along)
def mean_values(x: Any, /, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the mean of an array, by the functions for its axes."""
    return mean_along(x, numpy_axis(axis), keepdims)


def _mean_x(g: Any, x_shape: tuple[int, ...], axis: Axis) -> Any:
    if g.dtype == np.float16:  # a count above 65,504 is infinite in float16
        return astype(_plain_mean_x(astype(g, np.float32), x_shape, axis), g.dtype)
    return _plain_mean_x(g, x_shape, axis)


mean.vjps(x=_mean_x)


def _extremum_x(g: Any, x: Any, out: Any, axis: Axis) -> Any:
    """Split the gradient of a maximum or minimum evenly among the elements that attain it."""
    kept = keepdims_shape(x.shape, axis)
    attains = x == reshape(out, kept)
    if np.count_nonzero(attains) == out.size and not (out != out).any():
        return keep(reshape(g, kept), attains)  # no ties and no NaN
    ties = np.count_nonzero(attains, axis=numpy_axis(axis), keepdims=True)
    return divide_evenly(keep(reshape(g, kept), attains), ties)  # if out is NaN, 0 / 0 for all


@op(batching="axis")
def max(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the maximum over `axis`. Ties share the gradient evenly.

    As in NumPy, `initial` takes part, and elements where `where` is False do not; `where` requires `initial`. At a tie,
    `initial` gets half of the gradient.
    """
    return reduce_along(np.maximum, x, numpy_axis(axis), keepdims)


max.vjps(x=_extremum_x)


@op(batching="axis")
def min(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the minimum over `axis`. Ties share the gradient evenly.

    As in NumPy, `initial` takes part, and elements where `where` is False do not; `where` requires `initial`. At a tie,
    `initial` gets half of the gradient.
    """
    return reduce_along(np.minimum, x, numpy_axis(axis), keepdims)


min.vjps(x=_extremum_x)

amax, amin = max, min  # NumPy has both names


def ptp(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor | Array:
    """Return the maximum minus the minimum over `axis`."""
    return subtract(max(x, axis, keepdims), min(x, axis, keepdims))


def nansum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor | Array:
    """Return the sum over `axis`, ignoring NaN. NaN elements receive no gradient."""
    return sum(drop(x, np.isnan(values_of(x))), axis, keepdims)


@batched("axis")
def nanmean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor | Array:
    """Return the mean over `axis`, ignoring NaN; NaN if all are NaN. NaN elements receive no gradient.

    float16 is computed in float32.
    """
    x = as_floating(x)
    is_number = ~np.isnan(values_of(x))
    if x.dtype == np.float16:
        return astype(nanmean(astype(x, np.float32), axis, keepdims), np.float16)
    return divide_evenly(nansum(x, axis, keepdims), np.sum(is_number, numpy_axis(axis), keepdims=keepdims))


@op(batching="axis")
def logsumexp(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return log(sum(exp(x))) over `axis`, without overflow: the maximum is subtracted first."""
    axes, x = numpy_axis(axis), as_floating(x)
    largest = reduce_along(np.maximum, x, axes, initial=-np.inf)
    largest = np.where(np.isfinite(largest), largest, 0)
    out = log_sum(np.exp(x - largest), axes) + largest
    return out if keepdims or not x.ndim else out.squeeze(axes)


logsumexp.vjps(
    x=lambda g, x, out, axis: (
        reshape(g, keepdims_shape(x.shape, axis)) * exp(x - reshape(out, keepdims_shape(x.shape, axis)))
    )
)


# --- The keywords where= and initial= ---


def apply_where(name: str, x: Any, where: Any, neutral: Any) -> Any:
    """Return x with `neutral`, which does not change a reduction, where `where` is False."""
    mask = _checked_mask(name, where)
    if mask is True:
        return x
    out = select(mask, x, np.asarray(neutral, x.dtype))
    if out.shape != x.shape:
        raise ShapeError(f"{name}: where of shape {mask.shape} does not broadcast to x of shape {x.shape}.")
    return out


def _checked_mask(name: str, where: Any) -> Any:
    """Return a boolean mask, or raise for other numbers."""
    if where is True:
        return True
    mask = where if isinstance(where, Tensor) else np.asarray(where)
    if mask.dtype != bool:
        raise DTypeError(f"{name}: where must be boolean, got {mask.dtype}; pass a comparison such as x > 0.")
    return mask


def _apply_initial(name: str, combine: Any, out: Any, initial: Any) -> Any:
    """Combine a result and the initial value, which has its dtype."""
    if initial is None:
        return out
    if shape_of(initial):
        raise ShapeError(f"{name}: initial must be a number, got shape {shape_of(initial)}.")
    return combine(out, cast(initial, out.dtype) if isinstance(initial, Tensor) else np.asarray(initial, out.dtype))


def count_where(x: Any, where: Any, axis: Axis, keepdims: bool) -> Any:
    """Return the number of elements where `where` is True, in the dtype of x.

    They are counted as int64: a float32 sum of ones stops at 2**24.
    """
    return astype(sum(broadcast_to(where, x.shape), axis, keepdims, np.int64), x.dtype)


@sum.with_keywords
def masked_sum(
    x: Array, /, axis: Axis = None, keepdims: bool = False, dtype: DTypeLike | None = None, *,
    initial: float | None = None, where: Any = True,
) -> Array:  # fmt: skip
    """Return the sum of `initial` and the elements where `where` is True."""
    return _apply_initial("sum", add, sum(apply_where("sum", shaped(x), where, 0), axis, keepdims, dtype), initial)


@prod.with_keywords
def masked_prod(
    x: Array, /, axis: Axis = None, keepdims: bool = False, dtype: DTypeLike | None = None, *,
    initial: float | None = None, where: Any = True,
) -> Array:  # fmt: skip
    """Return the product of `initial` and the elements where `where` is True."""
    chosen = apply_where("prod", shaped(x), where, 1)
    return _apply_initial("prod", multiply, prod(chosen, axis, keepdims, dtype), initial)


@mean.with_keywords
def masked_mean(x: Array, /, axis: Axis = None, keepdims: bool = False, *, where: Any = True) -> Array:
    """Return the mean of the elements where `where` is True; float16 is computed in float32."""
    x = as_floating(x)
    wide = apply_where("mean", astype(x, np.float32) if x.dtype == np.float16 else x, where, 0)
    return cast(divide(sum(wide, axis, keepdims), count_where(wide, where, axis, keepdims)), x.dtype)


def _extremum(
    name: str, reduce: Any, combine: Any, x: Any, axis: Axis, keepdims: bool, initial: Any, where: Any
) -> Any:
    x = shaped(x)
    if initial is None:
        raise ValueError(f"{name}: where= requires initial=, the result if no element is selected.")
    if not reduced_count(x.shape, axis):
        return _apply_initial(name, add, sum(x, axis, keepdims, x.dtype), initial)
    lowest, highest = extremes(x.dtype)
    out = reduce(apply_where(name, x, where, lowest if reduce is max else highest), axis, keepdims)
    return _apply_initial(name, combine, out, initial)


@max.with_keywords
def masked_max(
    x: Array, /, axis: Axis = None, keepdims: bool = False, *, initial: float | None = None, where: Any = True
) -> Array:
    """Return the maximum of `initial` and the elements where `where` is True. At a tie, `initial` gets half."""
    return _extremum("max", max, maximum, x, axis, keepdims, initial, where)


@min.with_keywords
def masked_min(
    x: Array, /, axis: Axis = None, keepdims: bool = False, *, initial: float | None = None, where: Any = True
) -> Array:
    """Return the minimum of `initial` and the elements where `where` is True. At a tie, `initial` gets half."""
    return _extremum("min", min, minimum, x, axis, keepdims, initial, where)
