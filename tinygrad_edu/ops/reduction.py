"""Reductions over axes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray
from numpy.typing import DTypeLike

from tinygrad_edu.engine import Array, Tensor, TensorLike, batched, op, values_of
from tinygrad_edu.ops.arithmetic import are_arrays, as_floating, astype, cast, divide_evenly, in_dtype_of, subtract
from tinygrad_edu.ops.axes import Axis, kept_shape, merge_axes, plain_axes, reduced_count, split_axes
from tinygrad_edu.ops.fast.reductions import log_sum, mean_along, other_factors, reduce_along, sum_along, sum_of_squares
from tinygrad_edu.ops.powers import exp, power_of_2_below, sqrt, square
from tinygrad_edu.ops.scans import cumprod, neighbor
from tinygrad_edu.ops.selection import drop, keep, where
from tinygrad_edu.ops.shape import broadcast_to, flip, reshape

__all__ = [
    "amax", "amin", "logsumexp", "max", "mean", "min", "nanmean", "nansum", "prod", "ptp", "std", "sum", "var",
]  # fmt: skip


def scale_along(x: Any, axis: Axis) -> Any:
    """Return the largest power of 2 <= max(|x|) over `axis`, which is kept with length 1."""
    return power_of_2_below(np.max(np.abs(x), axis=plain_axes(axis), keepdims=True, initial=0))


@op(promotes=False, batching="axis")
def sum(x: Array, /, axis: Axis = None, keepdims: bool = False, dtype: DTypeLike | None = None) -> Array:
    """Return the sum over `axis`: all axes, one, or several. An empty sum is 0. `dtype` is the dtype of the result.

    As in NumPy, the sum begins with `initial`, and omits elements where `where` is False. float16 is summed in float32.
    """
    if x.__class__ is ndarray and (x.dtype if dtype is None else np.dtype(dtype)).char == "e":
        total: Any = np.sum(x, axis=plain_axes(axis), keepdims=keepdims, dtype=np.float32)
        return total.astype(np.float16)
    if axis.__class__ is int and x.__class__ is ndarray and x.ndim:
        return reduce_along(np.add, x, axis, keepdims, dtype=dtype)
    if x.__class__ is ndarray and (axis is None or axis.__class__ is tuple):
        return sum_along(x, axis, keepdims, dtype)
    return np.sum(x, axis=plain_axes(axis), keepdims=keepdims, dtype=dtype)


sum.vjps(
    x=lambda g, x_shape, x_dtype, axis: broadcast_to(reshape(cast(g, x_dtype), kept_shape(x_shape, axis)), x_shape)
)


@op(promotes=False, batching="axis")
def prod(x: Array, /, axis: Axis = None, keepdims: bool = False, dtype: DTypeLike | None = None) -> Array:
    """Return the product over `axis`: all axes, one, or several. An empty product is 1.

    `dtype` is the dtype of the result. As in NumPy, the product begins with `initial`, and omits elements where `where`
    is False. Derivatives of any order are correct at zeros, too.
    """
    return np.prod(x, axis=plain_axes(axis), keepdims=keepdims, dtype=dtype)


def _leave_one_out_products(x: Any) -> Any:
    """Return, for each element, the product of all other elements along the last axis."""
    before = neighbor(cumprod(x, -1), -1, False, 1)
    after = neighbor(flip(cumprod(flip(x, -1), -1), -1), -1, True, 1)
    return before * after


def _prod_x(g: Any, x: Any, out: Any, axis: Axis) -> Any:
    kept, factors, other_products = kept_shape(x.shape, axis), in_dtype_of(g, x), None
    if isinstance(factors, ndarray) and isinstance(out, ndarray):
        other_products = other_factors(factors, reshape(out, kept))
    if other_products is None:
        other_products = split_axes(_leave_one_out_products(merge_axes(factors, axis)), x.shape, axis)
    return cast(reshape(g, kept) * other_products, x.dtype)


prod.vjps(x=_prod_x)


@op(batching="axis")
def mean(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the mean over `axis`, of the elements where `where` is True. The mean of none is NaN, as in NumPy."""
    return mean_along(x, plain_axes(axis), keepdims)


def _mean_x(g: Any, x_shape: tuple[int, ...], axis: Axis) -> Any:
    share = divide_evenly(g, reduced_count(x_shape, axis))
    return broadcast_to(reshape(share, kept_shape(x_shape, axis)), x_shape)


mean.vjps(x=_mean_x)


@op(batching="axis")
def var(x: Array, /, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Array:
    """Return the variance over `axis`, with divisor n - ddof. The default ddof is 0 as in NumPy; PyTorch's is 1.

    Elements where `where` is False do not count. float16 and float32 are computed in float64, and the result is rounded
    once.
    """
    x = as_floating(x)
    return _variance(x, axis, ddof, keepdims).astype(x.dtype, copy=False)


def _in_float64(x: Any) -> Any:
    """Cast float16 and float32 to float64, where their squares stay in range; return wider dtypes unchanged."""
    return astype(x, np.float64) if x.dtype.itemsize < 8 else x


def _deviation(x: Any, axis: Axis) -> Any:
    """Return x - mean(x) in float64, a new array or Tensor."""
    wide = _in_float64(x)
    centre = mean(wide, axis, keepdims=True)
    if isinstance(wide, ndarray) and wide is not x:
        return np.subtract(wide, centre, out=wide)
    return wide - centre


def _variance(x: Any, axis: Axis, ddof: int, keepdims: bool) -> Any:
    deviation = np.asarray(_deviation(x, axis))
    return _sum_of_squares(deviation, axis, keepdims) / _divisor(x.shape, axis, ddof)


def _sum_of_squares(x: Any, axis: Axis, keepdims: bool) -> Any:
    if isinstance(x, ndarray):
        return sum_of_squares(x, plain_axes(axis), keepdims)
    return sum(square(x), axis, keepdims)


def _divisor(shape: tuple[int, ...], axis: Axis, ddof: int) -> int:
    count = reduced_count(shape, axis)
    return count - ddof if count > ddof else 0


def _var_x(g: Any, x: Any, axis: Axis, ddof: int) -> Any:
    g = _in_float64(g)
    share = divide_evenly(g + g, _divisor(x.shape, axis, ddof))
    return cast(_times(_centred(x, axis), reshape(share, kept_shape(x.shape, axis))), x.dtype)


def _centred(x: Any, axis: Axis) -> Any:
    """Return `_deviation`. For float64 x, subtract the mean twice: the first mean has a rounding error."""
    deviation = _deviation(x, axis)
    return deviation - mean(deviation, axis, keepdims=True) if x.dtype.itemsize >= 8 else deviation


def _times(deviation: Any, factor: Any) -> Any:
    """Return the product; a product of arrays replaces the deviation."""
    return np.multiply(deviation, factor, out=deviation) if are_arrays(deviation, factor) else deviation * factor


var.vjps(x=_var_x)


@op(batching="axis")
def std(x: Array, /, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Array:
    """Return the standard deviation over `axis`, the square root of `var`. Where it is 0, the gradient is 0.

    Parameters
    ----------
    x : array_like
    axis : int, or sequence of int, optional
        Default: all axes.
    ddof : int, default 0
        The divisor is n - ddof for n elements. The default is 0 as in NumPy; PyTorch's is 1.
    keepdims : bool, default False
        Whether to keep the reduced axes with length 1.
    where : array_like of bool, default True
        Which elements count. It broadcasts to x.

    Returns
    -------
    Tensor or ndarray
        In the dtype of x; float64 for integers.

    Notes
    -----
    float16 and float32 are computed in float64, and the result is rounded once. The squares of float64 do not overflow
    or underflow unless the result does; NumPy returns infinity for ``[-1e200, 1e200]`` and 0 for
    ``[-1e-200, 1e-200]``.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_edu as tg
    >>> tg.std(np.array([[1.0, 3.0], [-1e200, 1e200]]), axis=1)
    array([1.e+000, 1.e+200])
    """
    x = as_floating(x)
    with np.errstate(over="ignore", invalid="ignore"):
        out = np.sqrt(_variance(x, axis, ddof, keepdims))
    if not _squares_in_range(out):
        wide = _in_float64(x)
        scale = scale_along(wide, axis)
        out = np.sqrt(_variance(wide / scale, axis, ddof, keepdims))
        out = out * scale.reshape(out.shape)
    return out.astype(x.dtype, copy=False)


def _squares_in_range(x: Any) -> bool:
    """Return whether the square of no element overflows or becomes subnormal."""
    limits = np.finfo(x.dtype)
    return bool(np.all((x > (limits.tiny / limits.eps) ** 0.5) & (x < limits.max**0.5)))


def _std_x(g: Any, x: Any, out: Any, axis: Axis, ddof: int) -> Any:
    """Return g * deviation / (std * (n - ddof)). A scale of x cancels in deviation / std."""
    divisor, kept = _divisor(x.shape, axis, ddof), kept_shape(x.shape, axis)
    if x.dtype.itemsize >= 8 and not _squares_in_range(values_of(out)):
        x = x / scale_along(values_of(x), axis)
    deviation = _centred(x, axis)
    variance = _sum_of_squares(deviation, axis, keepdims=True) / divisor
    constant = values_of(variance) == 0
    share = reshape(divide_evenly(_in_float64(g), divisor), kept) / sqrt(where(constant, 1, variance))
    return cast(_times(deviation, drop(share, constant)), x.dtype)


std.vjps(x=_std_x)


def _extremum_x(g: Any, x: Any, out: Any, axis: Axis) -> Any:
    """Split the gradient of a maximum or minimum evenly among the elements that attain it."""
    kept = kept_shape(x.shape, axis)
    attains = x == reshape(out, kept)
    if np.count_nonzero(attains) == out.size and not (out != out).any():
        return keep(reshape(g, kept), attains)  # no ties and no NaN
    ties = np.count_nonzero(attains, axis=plain_axes(axis), keepdims=True)
    return divide_evenly(keep(reshape(g, kept), attains), ties)  # if out is NaN, 0 / 0 for all


@op(batching="axis")
def max(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the maximum over `axis`. Ties share the gradient evenly.

    As in NumPy, `initial` takes part, and elements where `where` is False do not; `where` requires `initial`. At a tie,
    `initial` gets half of the gradient.
    """
    return reduce_along(np.maximum, x, plain_axes(axis), keepdims)


max.vjps(x=_extremum_x)


@op(batching="axis")
def min(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the minimum over `axis`. Ties share the gradient evenly.

    As in NumPy, `initial` takes part, and elements where `where` is False do not; `where` requires `initial`. At a tie,
    `initial` gets half of the gradient.
    """
    return reduce_along(np.minimum, x, plain_axes(axis), keepdims)


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
    return divide_evenly(nansum(x, axis, keepdims), np.sum(is_number, plain_axes(axis), keepdims=keepdims))


@op(batching="axis")
def logsumexp(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return log(sum(exp(x))) over `axis`, without overflow: the maximum is subtracted first."""
    axes, x = plain_axes(axis), as_floating(x)
    maximum = reduce_along(np.maximum, x, axes, initial=-np.inf)
    maximum = np.where(np.isfinite(maximum), maximum, 0)
    out = log_sum(np.exp(x - maximum), axes) + maximum
    return out if keepdims or not x.ndim else out.squeeze(axes)


logsumexp.vjps(
    x=lambda g, x, out, axis: reshape(g, kept_shape(x.shape, axis)) * exp(x - reshape(out, kept_shape(x.shape, axis)))
)
