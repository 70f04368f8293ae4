"""Ops on whole arrays. Most come in pairs, in which the vjp of one is the other, such as sum and broadcast_to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu.core.engine import unbroadcast, wide
from tinygrad_edu.core.op import op

Axis = int | Sequence[int] | None


@op
def reshape(x: Any, /, shape: Any, order: Literal["C", "F"] = "C") -> Any:
    """Return x in another shape, with its elements in the same order: the last index changes fastest."""
    return np.asarray(x).reshape(shape, order=order)


reshape.vjps(x=lambda g, x_shape, order: reshape(g, x_shape, order))


@op
def transpose(x: Any, /, axes: Sequence[int] | None = None) -> Any:
    """Return x with its axes in another order, by default reversed."""
    return np.transpose(x, axes)


transpose.vjps(x=lambda g, axes: transpose(g, None if axes is None else inverse(axes)))


def inverse(axes: Sequence[int]) -> tuple[int, ...]:
    """Return the order that undoes another order of axes."""
    positions = [axis % len(axes) for axis in axes]
    return tuple(positions.index(axis) for axis in range(len(axes)))


@op
def broadcast_to(x: Any, /, shape: Any) -> Any:
    """Return x repeated along new axes, and along axes of length 1."""
    return np.broadcast_to(x, shape)


broadcast_to.vjps(x=lambda g, x_shape: unbroadcast(g, x_shape))


@op
def sum(x: Any, /, axis: Axis = None, keepdims: bool = False, dtype: DTypeLike | None = None) -> Any:
    """Return the sum along one axis, several, or all."""
    if (np.result_type(x) if dtype is None else np.dtype(dtype)) == np.float16:
        return np.sum(x, plain_axes(axis), np.float32, keepdims=keepdims).astype(np.float16)
    return np.sum(x, plain_axes(axis), dtype, keepdims=keepdims)


sum.vjps(x=lambda g, x_shape, axis: broadcast_to(reshape(g, kept_shape(x_shape, axis)), x_shape))


@op
def mean(x: Any, /, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the mean along one axis, several, or all."""
    return np.mean(x, plain_axes(axis), keepdims=keepdims)


def share(g: Any, x_shape: tuple[int, ...], axis: Axis) -> Any:
    """Return the share of one element in the gradient of a mean, with the axes of x."""
    kept = kept_shape(x_shape, axis)
    count = math.prod(n for n, k in zip(x_shape, kept, strict=True) if n != k)
    return reshape(g / count, kept)


mean.vjps(x=lambda g, x_shape, axis: broadcast_to(share(g, x_shape, axis), x_shape))


def kept_shape(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """Return the shape of a sum with ``keepdims=True``: length 1 along one axis, several, or all."""
    if axis is None or not shape:
        return (1,) * len(shape)
    axes = [a % len(shape) for a in ((axis,) if isinstance(axis, int | np.integer) else axis)]
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def plain_axes(axis: Axis) -> Any:
    """Return axes as NumPy accepts them: a list as a tuple."""
    return tuple(axis) if isinstance(axis, list) else axis


@op
def getitem(x: Any, /, index: Any) -> Any:
    """Return x[index]."""
    return x[index]


@op
def scatter(x: Any, /, index: Any, shape: Any) -> Any:
    """Return zeros with x added at the index: an element that the index names twice gets both."""
    dtype = np.result_type(x)
    out = np.zeros(shape, wide(dtype))
    np.add.at(out, index, x)
    return out.astype(dtype, copy=False)


getitem.vjps(x=lambda g, x_shape, index: scatter(g, index, x_shape))
scatter.vjps(x=lambda g, index: getitem(g, index))


@op(broadcasts=True)
def matmul(x: Any, y: Any) -> Any:
    """Return the matrix product: (..., n, k), (..., k, m) -> (..., n, m). A vector x is a row, a vector y a column."""
    return np.matmul(x, y)


def matmul_x(g: Any, x_shape: tuple[int, ...], y: Any) -> Any:
    """Return g @ y.T, after giving vectors the axis of length 1 that `matmul` removed."""
    rows = matrices(g, len(x_shape), y.ndim) @ matrix_transpose(y if y.ndim > 1 else reshape(y, (-1, 1)))
    return rows if len(x_shape) > 1 else rows[..., 0, :]


def matmul_y(g: Any, x: Any, y_shape: tuple[int, ...]) -> Any:
    """Return x.T @ g, after giving vectors the axis of length 1 that `matmul` removed."""
    columns = matrix_transpose(x if x.ndim > 1 else reshape(x, (1, -1))) @ matrices(g, x.ndim, len(y_shape))
    return columns if len(y_shape) > 1 else columns[..., 0]


def matrices(g: Any, x_ndim: int, y_ndim: int) -> Any:
    """Return the gradient of x @ y as matrices, also if x or y is a vector."""
    g = g if y_ndim > 1 else g[..., None]
    return g if x_ndim > 1 else g[..., None, :]


def matrix_transpose(x: Any) -> Any:
    """Return matrices (..., n, m) with rows and columns swapped: (..., m, n)."""
    return transpose(x, (*range(x.ndim - 2), -1, -2))


matmul.vjps(x=matmul_x, y=matmul_y)


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """Return x @ weight.T + bias: (..., in), (out, in), (out,) -> (..., out)."""
    y = matmul(x, transpose(weight))
    return y if bias is None else y + bias
