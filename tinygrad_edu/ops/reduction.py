"""Reductions over axes. A rule spreads the gradient of the result over the elements that made it."""

import math
from typing import Any

import numpy as np

from tinygrad_edu.ops.elementwise import exp, keep, sqrt, square
from tinygrad_edu.ops.shape import broadcast_to, reshape
from tinygrad_edu.recorder import Array, op

Axis = int | tuple[int, ...] | None


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


@op
def sum(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the sum over `axis`: all axes, one, or several. The sum of nothing is 0."""
    return np.sum(x, axis=axis, keepdims=keepdims)


sum.vjps(x=lambda g, x_shape, axis: broadcast_to(reshape(g, _kept(x_shape, axis)), x_shape))


@op
def mean(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the mean over `axis`. The mean of nothing is NaN, as in NumPy."""
    return np.mean(x, axis=axis, keepdims=keepdims)


mean.vjps(x=lambda g, x_shape, axis: broadcast_to(reshape(g / _count(x_shape, axis), _kept(x_shape, axis)), x_shape))


def var(x: Any, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """Return the variance over `axis`, of divisor n - ddof: NumPy's, where PyTorch's default is ddof=1."""
    deviation = x - mean(x, axis, keepdims=True)
    divisor = _count(np.shape(x), axis) - ddof
    return sum(square(deviation), axis, keepdims) / (divisor if divisor > 0 else 0)


def std(x: Any, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """Return the standard deviation over `axis`, the square root of `var`."""
    return sqrt(var(x, axis, ddof, keepdims))


def _share(g: Any, x: Any, out: Any, axis: Axis) -> Any:
    """Give the gradient of an extremum to the elements that attain it, in equal parts."""
    kept = _kept(x.shape, axis)
    attains = x == reshape(out, kept)
    if np.count_nonzero(attains) == out.size and not (out != out).any():
        return keep(reshape(g, kept), attains)  # no ties, and no NaN, which equals nothing
    attains = attains.astype(x.dtype)
    return reshape(g, kept) * (attains / attains.sum(axis=axis, keepdims=True))


@op
def max(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the greatest element over `axis`. Equal ones share the gradient evenly."""
    return np.max(x, axis=axis, keepdims=keepdims)


max.vjps(x=_share)


@op
def min(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the smallest element over `axis`. Equal ones share the gradient evenly."""
    return np.min(x, axis=axis, keepdims=keepdims)


min.vjps(x=_share)


@op
def logsumexp(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return log(sum(exp(x))) over `axis`, without overflow: the greatest element is taken out first."""
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    out = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return out if keepdims else out.reshape(np.sum(x, axis=axis).shape)


logsumexp.vjps(x=lambda g, x, out, axis: reshape(g, _kept(x.shape, axis)) * exp(x - reshape(out, _kept(x.shape, axis))))
