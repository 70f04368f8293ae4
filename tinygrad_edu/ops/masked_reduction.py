"""The keywords ``where=`` and ``initial=`` of reductions: compositions of a selection and the reduction."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu.engine import Array, Tensor, shape_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.ops.arithmetic import abs, add, as_floating, astype, cast, divide, floor, multiply
from tinygrad_edu.ops.axes import Axis, reduced_count
from tinygrad_edu.ops.powers import exp2, log2, sqrt, square
from tinygrad_edu.ops.reduction import max, mean, min, prod, std, sum, var
from tinygrad_edu.ops.selection import drop, extremes, maximum, minimum
from tinygrad_edu.ops.selection import where as select
from tinygrad_edu.ops.shape import broadcast_to, shaped


def _chosen(name: str, x: Any, where: Any, neutral: Any) -> Any:
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


def _combined(name: str, combine: Any, out: Any, initial: Any) -> Any:
    """Combine a result and the initial value, which has its dtype."""
    if initial is None:
        return out
    if shape_of(initial):
        raise ShapeError(f"{name}: initial must be a number, got shape {shape_of(initial)}.")
    return combine(out, cast(initial, out.dtype) if isinstance(initial, Tensor) else np.asarray(initial, out.dtype))


def _count(x: Any, where: Any, axis: Axis, keepdims: bool) -> Any:
    """Return the number of elements where `where` is True, in the dtype of x. A float32 sum would end at 2**24."""
    return astype(sum(broadcast_to(where, x.shape), axis, keepdims, np.int64), x.dtype)


@sum.with_keywords
def masked_sum(
    x: Array, /, axis: Axis = None, keepdims: bool = False, dtype: DTypeLike | None = None, *,
    initial: float | None = None, where: Any = True,
) -> Array:  # fmt: skip
    """Return the sum of `initial` and the elements where `where` is True."""
    return _combined("sum", add, sum(_chosen("sum", shaped(x), where, 0), axis, keepdims, dtype), initial)


@prod.with_keywords
def masked_prod(
    x: Array, /, axis: Axis = None, keepdims: bool = False, dtype: DTypeLike | None = None, *,
    initial: float | None = None, where: Any = True,
) -> Array:  # fmt: skip
    """Return the product of `initial` and the elements where `where` is True."""
    return _combined("prod", multiply, prod(_chosen("prod", shaped(x), where, 1), axis, keepdims, dtype), initial)


@mean.with_keywords
def masked_mean(x: Array, /, axis: Axis = None, keepdims: bool = False, *, where: Any = True) -> Array:
    """Return the mean of the elements where `where` is True; float16 is computed in float32."""
    x = as_floating(x)
    wide = _chosen("mean", astype(x, np.float32) if x.dtype == np.float16 else x, where, 0)
    return cast(divide(sum(wide, axis, keepdims), _count(wide, where, axis, keepdims)), x.dtype)


@var.with_keywords
def masked_var(x: Array, /, axis: Axis = None, ddof: int = 0, keepdims: bool = False, *, where: Any = True) -> Array:
    """Return the variance of the elements where `where` is True; float16 and float32 are computed in float64."""
    x = as_floating(x)
    return cast(_variance(_wide("var", x, where), axis, ddof, keepdims, where), x.dtype)


def _wide(name: str, x: Any, where: Any) -> Any:
    return _chosen(name, astype(x, np.float64) if x.dtype.itemsize < 8 else x, where, 0)


def _variance(x: Any, axis: Axis, ddof: int, keepdims: bool, where: Any) -> Any:
    deviation = _chosen("var", x - sum(x, axis, True) / _count(x, where, axis, True), where, 0)
    divisor = maximum(_count(x, where, axis, keepdims) - ddof, 0)
    return sum(square(deviation), axis, keepdims) / divisor


@std.with_keywords
def masked_std(x: Array, /, axis: Axis = None, ddof: int = 0, keepdims: bool = False, *, where: Any = True) -> Array:
    """Return the standard deviation of the elements where `where` is True, scaled so that no square overflows."""
    x = as_floating(x)
    wide = _wide("std", x, where)
    largest = masked_max(abs(wide.detach() if isinstance(wide, Tensor) else wide), axis, True, initial=0.0)
    scale = exp2(floor(log2(select((largest > 0) & (largest < np.inf), largest, 1))))  # exact: a power of 2
    variance = _variance(wide / scale, axis, ddof, True, where)
    constant = variance == 0
    out = drop(sqrt(select(constant, 1, variance)), constant) * scale
    return cast(sum(out, axis, keepdims), x.dtype)  # drops the axes, which have length 1


def _extremum(
    name: str, reduce: Any, combine: Any, x: Any, axis: Axis, keepdims: bool, initial: Any, where: Any
) -> Any:
    x = shaped(x)
    if initial is None:
        raise ValueError(f"{name}: where= requires initial=, the result if no element is selected.")
    if not reduced_count(x.shape, axis):
        return _combined(name, add, sum(x, axis, keepdims, x.dtype), initial)
    lowest, highest = extremes(x.dtype)
    out = reduce(_chosen(name, x, where, lowest if reduce is max else highest), axis, keepdims)
    return _combined(name, combine, out, initial)


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
