"""Ops on whole arrays. Most come in pairs, in which the vjp of one is the other, such as sum and broadcast_to."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_edu.core.engine import unbroadcast
from tinygrad_edu.core.op import op


@op
def reshape(x: Any, /, shape: Any, order: Any = "C") -> Any:
    """Return x in another shape, with its elements in the same order: the last index changes fastest."""
    return np.reshape(x, shape, order)


reshape.vjps(x=lambda g, x_shape, order: reshape(g, x_shape, order))


@op
def transpose(x: Any, /, axes: Any = None) -> Any:
    """Return x with its axes in another order, by default reversed."""
    return np.transpose(x, axes)


transpose.vjps(x=lambda g, axes: transpose(g, None if axes is None else np.argsort([a % g.ndim for a in axes])))


@op
def broadcast_to(x: Any, /, shape: Any) -> Any:
    """Return x repeated along new axes, and along axes of length 1."""
    return np.broadcast_to(x, shape)


broadcast_to.vjps(x=lambda g, x_shape: unbroadcast(g, x_shape))


@op
def sum(x: Any, /, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """Return the sum along one axis, several, or all."""
    if np.result_type(x) == np.float16 and dtype is None:  # in float16, 2048 + 1 is 2048
        return np.sum(x, axis, np.float32, keepdims=keepdims).astype(np.float16)
    return np.sum(x, axis, dtype, keepdims=keepdims)


sum.vjps(x=lambda g, x_shape, axis: spread(g, x_shape, axis))


@op
def mean(x: Any, /, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the mean along one axis, several, or all."""
    return np.mean(x, axis, keepdims=keepdims)


mean.vjps(x=lambda g, x_shape, axis: spread(g / (math.prod(x_shape) // max(g.size, 1)), x_shape, axis))


def spread(g: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """Return the gradient of the elements of a sum along one axis, several, or all: each of them gets g."""
    axes = range(len(shape)) if axis is None or not shape else normalize_axis_tuple(axis, len(shape))
    return broadcast_to(reshape(g, tuple(1 if i in axes else n for i, n in enumerate(shape))), shape)


@op
def getitem(x: Any, /, index: Any) -> Any:
    """Return x[index]."""
    return x[index]


@op
def scatter(x: Any, /, index: Any, shape: Any) -> Any:
    """Return zeros with x added at the index: an element that the index names twice gets both."""
    out = np.zeros(shape, x.dtype)
    np.add.at(out, index, x)
    return out


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
