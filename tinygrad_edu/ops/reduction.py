"""Reductions over axes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray
from numpy.typing import DTypeLike

from tinygrad_edu.engine import Array, MappedCall, Tensor, TensorLike, batched, innermost_level, op, values_of
from tinygrad_edu.engine.batching import RULES
from tinygrad_edu.engine.mapped import peeled
from tinygrad_edu.ops.arithmetic import as_floating, astype, cast, divide_evenly, in_dtype_of, subtract
from tinygrad_edu.ops.axes import Axis, kept_shape, merge_axes, plain_axes, reduced_count, split_axes
from tinygrad_edu.ops.fast.reductions import log_sum, mean_along, other_factors, reduce_along, sum_along
from tinygrad_edu.ops.powers import exp, power_of_2_below, sqrt, square
from tinygrad_edu.ops.scans import cumprod, neighbor
from tinygrad_edu.ops.selection import drop, keep
from tinygrad_edu.ops.selection import where as select
from tinygrad_edu.ops.shape import broadcast_to, flip, reshape

__all__ = [
    "amax", "amin", "logsumexp", "max", "mean", "min", "nanmean", "nansum", "prod", "ptp", "std", "sum", "var",
]  # fmt: skip


def scale_along(x: Any, axis: Axis) -> Any:
    """Return the largest power of 2 <= max(|x|) over `axis`, which is kept with length 1."""
    return power_of_2_below(np.max(np.abs(x), axis=plain_axes(axis), keepdims=True, initial=0))


def _chosen(x: Any, where: Any, neutral: Any) -> Any:
    """Return x with `neutral`, which does not change a reduction, where `where` is False."""
    return x if where is None else np.where(where, x, np.asarray(neutral, x.dtype))


def _of_chosen(g: Any, where: Any) -> Any:
    """Return g where `where` is True, and 0 elsewhere."""
    return g if where is None else keep(g, where)


def _masked_samples(batch: MappedCall) -> Any:
    """Reduce samples along `axis`, each by its own mask if the mask is mapped."""
    mask, ndim = batch.settings["where"], batch.sample_ndim()
    if innermost_level(mask) is not batch.level:
        return RULES["axis"](batch)
    if not ndim:
        return NotImplemented
    mask = peeled(mask)
    mask = reshape(mask, (batch.size, *[1] * (ndim + 1 - mask.ndim), *mask.shape[1:]))
    return RULES["axis"](batch.spread()._replace(settings={**batch.settings, "where": mask}))


_masked_samples.takes_mapped_settings = True  # type: ignore[attr-defined]


@op(promotes=False, batching=_masked_samples)
def sum(
    x: Array,
    /,
    axis: Axis = None,
    keepdims: bool = False,
    dtype: DTypeLike | None = None,
    initial: float | None = None,
    where: Any = None,
) -> Array:
    """Return the sum over `axis`: all axes, one, or several. An empty sum is 0. `dtype` is the dtype of the result.

    float16 is summed in float32. As in NumPy, `initial` is added, and only elements where `where` is True are summed.
    """
    if where is not None or initial is not None:
        out = sum.forward(_chosen(x, where, 0), axis, keepdims, dtype)
        return np.add(out, np.asarray(initial or 0, out.dtype))
    if x.__class__ is ndarray and (x.dtype if dtype is None else np.dtype(dtype)).char == "e":
        total: Any = np.sum(x, axis=plain_axes(axis), keepdims=keepdims, dtype=np.float32)
        return total.astype(np.float16)
    if axis.__class__ is int and x.__class__ is ndarray and x.ndim:
        return reduce_along(np.add, x, axis, keepdims, dtype=dtype)
    if axis.__class__ is tuple and x.__class__ is ndarray:
        return sum_along(x, axis, keepdims, dtype)
    return np.sum(x, axis=plain_axes(axis), keepdims=keepdims, dtype=dtype)


sum.vjps(
    x=lambda g, x_shape, x_dtype, axis, where: _of_chosen(
        broadcast_to(reshape(cast(g, x_dtype), kept_shape(x_shape, axis)), x_shape), where
    )
)


@op(promotes=False, batching=_masked_samples)
def prod(
    x: Array,
    /,
    axis: Axis = None,
    keepdims: bool = False,
    dtype: DTypeLike | None = None,
    initial: float | None = None,
    where: Any = None,
) -> Array:
    """Return the product over `axis`: all axes, one, or several. An empty product is 1.

    `dtype` is the dtype of the result. Derivatives of any order are correct at zeros, too. As in NumPy, `initial` is a
    factor, and only elements where `where` is True are multiplied.
    """
    out = np.prod(_chosen(x, where, 1), axis=plain_axes(axis), keepdims=keepdims, dtype=dtype)
    return out if initial is None else np.multiply(out, np.asarray(initial, out.dtype))


def _leave_one_out_products(x: Any) -> Any:
    """Return, for each element, the product of all other elements along the last axis."""
    before = neighbor(cumprod(x, -1), -1, False, 1)
    after = neighbor(flip(cumprod(flip(x, -1), -1), -1), -1, True, 1)
    return before * after


def _prod_x(g: Any, x: Any, out: Any, axis: Axis, initial: float | None, where: Any) -> Any:
    kept, factors, other_products = kept_shape(x.shape, axis), in_dtype_of(g, x), None
    if where is not None:
        factors = select(where, factors, 1)
    if initial is not None:
        g = g * initial
    elif isinstance(factors, ndarray) and isinstance(out, ndarray):
        other_products = other_factors(factors, reshape(out, kept))
    if other_products is None:
        other_products = split_axes(_leave_one_out_products(merge_axes(factors, axis)), x.shape, axis)
    return cast(_of_chosen(reshape(g, kept) * other_products, where), x.dtype)


prod.vjps(x=_prod_x)


@op(batching=_masked_samples)
def mean(x: Array, /, axis: Axis = None, keepdims: bool = False, where: Any = None) -> Array:
    """Return the mean over `axis`, of the elements where `where` is True. The mean of none is NaN, as in NumPy."""
    if where is None:
        return mean_along(x, plain_axes(axis), keepdims)
    x = as_floating(x)
    return divide_evenly(sum(_chosen(x, where, 0), axis, keepdims), _count(where, x.shape, axis, keepdims))


def _count(where: Any, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Any:
    """Return the number of elements where `where` is True."""
    return np.count_nonzero(np.broadcast_to(where, shape), plain_axes(axis), keepdims=keepdims)


def _mean_x(g: Any, x_shape: tuple[int, ...], axis: Axis, where: Any) -> Any:
    kept = kept_shape(x_shape, axis)
    count = reduced_count(x_shape, axis) if where is None else _count(where, x_shape, axis, True)
    return _of_chosen(broadcast_to(divide_evenly(reshape(g, kept), count), x_shape), where)


mean.vjps(x=_mean_x)


@op(batching="axis")
def var(x: Array, /, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Array:
    """Return the variance over `axis`, with divisor n - ddof. The default ddof is 0 as in NumPy; PyTorch's is 1.

    float16 and float32 are computed in float64, and the result is rounded once.
    """
    x = as_floating(x)
    return _variance(_in_float64(x), axis, ddof, keepdims).astype(x.dtype, copy=False)


def _in_float64(x: Any) -> Any:
    """Cast float16 and float32 to float64, where their squares stay in range; return wider dtypes unchanged."""
    return astype(x, np.float64) if x.dtype.itemsize < 8 else x


def _variance(x: Any, axis: Axis, ddof: int, keepdims: bool) -> Any:
    deviation = np.asarray(x - mean(x, axis, keepdims=True))
    return sum(np.square(deviation, out=deviation), axis, keepdims) / _divisor(x.shape, axis, ddof)


def _divisor(shape: tuple[int, ...], axis: Axis, ddof: int) -> int:
    count = reduced_count(shape, axis)
    return count - ddof if count > ddof else 0


def _var_x(g: Any, x: Any, axis: Axis, ddof: int) -> Any:
    g = _in_float64(g)
    share = divide_evenly(g + g, _divisor(x.shape, axis, ddof))
    return cast(reshape(share, kept_shape(x.shape, axis)) * _centred(x, axis), x.dtype)


def _centred(x: Any, axis: Axis) -> Any:
    """Return x - mean(x) in float64. For float64 x, subtract the mean twice: the first mean has a rounding error."""
    wide = _in_float64(x)
    deviation = wide - mean(wide, axis, keepdims=True)
    return deviation - mean(deviation, axis, keepdims=True) if wide is x else deviation


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
    wide = _in_float64(x)
    with np.errstate(over="ignore", invalid="ignore"):
        out = np.sqrt(_variance(wide, axis, ddof, keepdims))
    if not _squares_in_range(out):
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
    variance = sum(square(deviation), axis, keepdims=True) / divisor
    constant = values_of(variance) == 0
    share = reshape(divide_evenly(_in_float64(g), divisor), kept) / sqrt(select(constant, 1, variance))
    return cast(deviation * drop(share, constant), x.dtype)


std.vjps(x=_std_x)


def _extremum_x(g: Any, x: Any, out: Any, axis: Axis, initial: float | None, where: Any) -> Any:
    """Split the gradient of a maximum or minimum evenly among the elements, and `initial`, that attain it."""
    kept = kept_shape(x.shape, axis)
    attains = x == reshape(out, kept)
    if where is not None:
        attains = attains & where
    if initial is None and np.count_nonzero(attains) == out.size and not (out != out).any():
        return keep(reshape(g, kept), attains)  # no ties and no NaN
    ties = np.count_nonzero(attains, axis=plain_axes(axis), keepdims=True)
    if initial is not None:
        ties = ties + (values_of(reshape(out, kept)) == np.asarray(initial, x.dtype))
    return divide_evenly(keep(reshape(g, kept), attains), ties)  # if out is NaN, 0 / 0 for all


def _extremum_of_chosen(
    function: np.ufunc, x: Any, axis: Axis, keepdims: bool, initial: float | None, where: Any
) -> Array:
    if initial is None:
        raise ValueError("max, min: where= needs initial=, the result if it is False everywhere.")
    start = np.asarray(initial, x.dtype)
    return np.asarray(function.reduce(_chosen(x, where, start), plain_axes(axis), keepdims=keepdims, initial=start))


@op(batching=_masked_samples)
def max(
    x: Array, /, axis: Axis = None, keepdims: bool = False, initial: float | None = None, where: Any = None
) -> Array:
    """Return the maximum over `axis`. Ties share the gradient evenly.

    As in NumPy, `initial` takes part, and with it, only elements where `where` is True do.
    """
    if initial is None and where is None:
        return reduce_along(np.maximum, x, plain_axes(axis), keepdims)
    return _extremum_of_chosen(np.maximum, x, axis, keepdims, initial, where)


max.vjps(x=_extremum_x)


@op(batching=_masked_samples)
def min(
    x: Array, /, axis: Axis = None, keepdims: bool = False, initial: float | None = None, where: Any = None
) -> Array:
    """Return the minimum over `axis`. Ties share the gradient evenly.

    As in NumPy, `initial` takes part, and with it, only elements where `where` is True do.
    """
    if initial is None and where is None:
        return reduce_along(np.minimum, x, plain_axes(axis), keepdims)
    return _extremum_of_chosen(np.minimum, x, axis, keepdims, initial, where)


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
