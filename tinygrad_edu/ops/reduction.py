"""Reductions over axes. A rule spreads the gradient of the result over the elements that made it."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, op
from tinygrad_edu.ops.arithmetic import astype
from tinygrad_edu.ops.choosing import keep, where
from tinygrad_edu.ops.powers import exp, sqrt, square
from tinygrad_edu.ops.shape import broadcast_to, reshape

__all__ = ["logsumexp", "max", "mean", "min", "std", "sum", "var"]

Axis = int | Sequence[int] | None


def _axes(axis: Axis) -> Any:
    """Return an axis as NumPy takes it: a tuple of several, but no list."""
    return tuple(axis) if isinstance(axis, list) else axis


def _kept(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """Return the shape of a reduction over `axis` that keeps its axes, with length 1."""
    if not shape:
        return ()  # NumPy allows the axes 0 and -1 of a 0-d array
    axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int | np.integer) else axis
    reduced = {a % len(shape) for a in axes}
    return tuple(1 if i in reduced else n for i, n in enumerate(shape))


def _count(shape: tuple[int, ...], axis: Axis) -> int:
    """Return how many elements each result of a reduction over `axis` is made of."""
    return math.prod(n for n, kept in zip(shape, _kept(shape, axis), strict=True) if kept != n)


def in_equal_parts(g: Any, count: Any) -> Any:
    """Return g / count. In float16 a count beyond 65,504 is infinite: that is divided in float32."""
    if g.dtype == np.float16:
        return astype(astype(g, np.float32) / np.asarray(count, np.float32), g.dtype)
    return g / np.asarray(count, g.dtype)


@op
def sum(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the sum over `axis`: all axes, one, or several. The sum of nothing is 0."""
    return np.sum(x, axis=_axes(axis), keepdims=keepdims)


sum.vjps(x=lambda g, x_shape, axis: broadcast_to(reshape(g, _kept(x_shape, axis)), x_shape))


@op
def mean(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the mean over `axis`. The mean of nothing is NaN, as in NumPy."""
    return np.mean(x, axis=_axes(axis), keepdims=keepdims)


def _mean_x(g: Any, x_shape: tuple[int, ...], axis: Axis) -> Any:
    share = in_equal_parts(g, _count(x_shape, axis))
    return broadcast_to(reshape(share, _kept(x_shape, axis)), x_shape)


mean.vjps(x=_mean_x)


def var(x: Any, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """Return the variance over `axis`, of divisor n - ddof: NumPy's, where PyTorch's default is ddof=1.

    Of float16 it is computed in float32, as in NumPy: the sum soon has no place in float16.
    """
    if getattr(x, "dtype", None) == np.float16:
        return astype(var(astype(x, np.float32), axis, ddof, keepdims), np.float16)
    deviation = x - mean(x, axis, keepdims=True)
    divisor = _count(np.shape(x), axis) - ddof
    return sum(square(deviation), axis, keepdims) / (divisor if divisor > 0 else 0)


def std(x: Any, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """Return the standard deviation over `axis`, the square root of `var`. Where it is 0, its derivative is 0."""
    variance = var(x, axis, ddof, keepdims)
    constant = np.equal(variance, 0)
    return keep(sqrt(where(constant, 1, variance)), ~constant) if np.any(constant) else sqrt(variance)


def _share(g: Any, x: Any, out: Any, axis: Axis) -> Any:
    """Give the gradient of an extremum to the elements that attain it, in equal parts."""
    kept = _kept(x.shape, axis)
    attains = x == reshape(out, kept)
    if np.count_nonzero(attains) == out.size and not (out != out).any():
        return keep(reshape(g, kept), attains)  # no ties, and no NaN, which equals nothing
    ties = np.count_nonzero(attains, axis=_axes(axis), keepdims=True)
    return in_equal_parts(keep(reshape(g, kept), attains), ties)  # with a NaN, 0 / 0 for all


@op
def max(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the greatest element over `axis`. Equal ones share the gradient evenly."""
    return np.max(x, axis=_axes(axis), keepdims=keepdims)


max.vjps(x=_share)


@op
def min(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the smallest element over `axis`. Equal ones share the gradient evenly."""
    return np.min(x, axis=_axes(axis), keepdims=keepdims)


min.vjps(x=_share)


def as_floating(x: Any) -> Any:
    """Return x as floating-point numbers: integers and booleans as float64."""
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def log_of_sum(x: Array, axis: Any) -> Array:
    """Return log(sum(x)) over `axis`, keeping it. The sum of very many float16 has no place in float16."""
    total = np.add.reduce(x, axis=axis, keepdims=True, dtype=np.result_type(x.dtype, np.float32))
    return np.log(total).astype(x.dtype, copy=False)


@op
def logsumexp(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return log(sum(exp(x))) over `axis`, without overflow: the greatest element is taken out first."""
    axes, x = _axes(axis), as_floating(x)
    top = np.max(x, axis=axes, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    out = log_of_sum(np.exp(x - top), axes) + top
    return out if keepdims or not x.ndim else out.squeeze(axes)


logsumexp.vjps(x=lambda g, x, out, axis: reshape(g, _kept(x.shape, axis)) * exp(x - reshape(out, _kept(x.shape, axis))))
