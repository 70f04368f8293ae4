"""Variance and standard deviation over axes."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.core.arrays import Axis, keepdims_shape, numpy_axis
from tinygrad_edu.engine import Array, Tensor, op, values_of
from tinygrad_edu.ops.elementwise.arithmetic import abs, are_arrays, as_floating, astype, cast, divide_evenly, floor
from tinygrad_edu.ops.elementwise.powers import exp2, log2, power_of_2_below, sqrt, square
from tinygrad_edu.ops.elementwise.selection import drop, maximum
from tinygrad_edu.ops.elementwise.selection import where as select
from tinygrad_edu.ops.fast import reductions
from tinygrad_edu.ops.reductions.axes import reduced_count
from tinygrad_edu.ops.reductions.reduction import apply_where, count_where, masked_max, mean, plain_reduce_along, sum
from tinygrad_edu.ops.shapes.shape import reshape
from tinygrad_edu.shared.speed.plain_mode import faster_than

__all__ = ["std", "var"]


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
    center = mean(wide, axis, keepdims=True)
    if isinstance(wide, ndarray) and wide is not x:
        return np.subtract(wide, center, out=wide)
    return wide - center


def _variance(x: Any, axis: Axis, ddof: int, keepdims: bool) -> Any:
    deviation = np.asarray(_deviation(x, axis))
    return _sum_of_squares(deviation, axis, keepdims) / _divisor(x.shape, axis, ddof)


def plain_sum_of_squares(x: ndarray, axes: Any, keepdims: bool) -> Any:
    """Return the sum of x * x over one axis, several, or all."""
    return plain_reduce_along(np.add, x * x, axes, keepdims)


sum_of_squares = faster_than(plain_sum_of_squares)(reductions.sum_of_squares)


def _sum_of_squares(x: Any, axis: Axis, keepdims: bool) -> Any:
    if isinstance(x, ndarray):
        return sum_of_squares(x, numpy_axis(axis), keepdims)
    return sum(square(x), axis, keepdims)


def _divisor(shape: tuple[int, ...], axis: Axis, ddof: int) -> int:
    count = reduced_count(shape, axis)
    return count - ddof if count > ddof else 0


def _var_x(g: Any, x: Any, axis: Axis, ddof: int) -> Any:
    g = _in_float64(g)
    share = divide_evenly(g + g, _divisor(x.shape, axis, ddof))
    return cast(_times(_centered(x, axis), reshape(share, keepdims_shape(x.shape, axis))), x.dtype)


def _centered(x: Any, axis: Axis) -> Any:
    """Return `_deviation`. For float64 x, subtract the mean twice: the first mean has a rounding error."""
    deviation = _deviation(x, axis)
    return deviation - mean(deviation, axis, keepdims=True) if x.dtype.itemsize >= 8 else deviation


def _times(deviation: Any, factor: Any) -> Any:
    """Return the product; a product of arrays replaces the deviation."""
    return np.multiply(deviation, factor, out=deviation) if are_arrays(deviation, factor) else deviation * factor


var.vjps(x=_var_x)


def scale_along(x: Any, axis: Axis) -> Any:
    """Return the largest power of 2 <= max(|x|) over `axis`, which is kept with length 1."""
    return power_of_2_below(np.max(np.abs(x), axis=numpy_axis(axis), keepdims=True, initial=0))


@op(batching="axis")
def std(x: Array, /, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Array:
    """Return the standard deviation over `axis`, the square root of `var`. Where it is 0, the gradient is 0.

    The divisor is n - ddof for n elements; the default is 0 as in NumPy, and PyTorch's is 1. As in NumPy, elements
    where `where` is False do not count. The result has the dtype of x. For integers it is float32 for a Tensor, and
    float64 for an array.

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
    """Return whether all elements are positive, and their squares neither overflow nor lose digits.

    0 and NaN are not in range.
    """
    least, most = _square_range(x.dtype)
    return bool(((x > least) & (x < most)).all())


@cache
def _square_range(dtype: Any) -> tuple[Any, Any]:
    limits = np.finfo(dtype)
    return (limits.tiny / limits.eps) ** 0.5, limits.max**0.5


def _std_x(g: Any, x: Any, out: Any, axis: Axis, ddof: int) -> Any:
    """Return g * deviation / (std * (n - ddof)). A scale of x cancels in deviation / std."""
    divisor, kept = _divisor(x.shape, axis, ddof), keepdims_shape(x.shape, axis)
    if x.dtype.itemsize >= 8 and not _squares_in_range(values_of(out)):
        x = x / scale_along(values_of(x), axis)
    deviation = _centered(x, axis)
    variance = _sum_of_squares(deviation, axis, keepdims=True) / divisor
    constant = values_of(variance) == 0
    share = reshape(divide_evenly(_in_float64(g), divisor), kept) / sqrt(select(constant, 1, variance))
    return cast(_times(deviation, drop(share, constant)), x.dtype)


std.vjps(x=_std_x)


# --- The keyword where= ---


@var.with_keywords
def masked_var(x: Array, /, axis: Axis = None, ddof: int = 0, keepdims: bool = False, *, where: Any = True) -> Array:
    """Return the variance of the elements where `where` is True; float16 and float32 are computed in float64."""
    x = as_floating(x)
    return cast(_masked_variance(apply_where("var", _in_float64(x), where, 0), axis, ddof, keepdims, where), x.dtype)


def _masked_variance(x: Any, axis: Axis, ddof: int, keepdims: bool, where: Any) -> Any:
    deviation = apply_where("var", x - sum(x, axis, True) / count_where(x, where, axis, True), where, 0)
    divisor = maximum(count_where(x, where, axis, keepdims) - ddof, 0)
    return sum(square(deviation), axis, keepdims) / divisor


@std.with_keywords
def masked_std(x: Array, /, axis: Axis = None, ddof: int = 0, keepdims: bool = False, *, where: Any = True) -> Array:
    """Return the standard deviation of the elements where `where` is True, scaled so that no square overflows."""
    x = as_floating(x)
    wide = apply_where("std", _in_float64(x), where, 0)
    largest = masked_max(abs(wide.detach() if isinstance(wide, Tensor) else wide), axis, True, initial=0.0)
    scale = exp2(floor(log2(select((largest > 0) & (largest < np.inf), largest, 1))))  # exact: a power of 2
    variance = _masked_variance(wide / scale, axis, ddof, True, where)
    constant = variance == 0
    out = drop(sqrt(select(constant, 1, variance)), constant) * scale
    return cast(sum(out, axis, keepdims), x.dtype)  # drops the axes, which have length 1
