"""Ops on whole arrays. Most come in pairs, in which the vjp of one is the other, such as sum and broadcast_to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tinygrad_edu.core.engine import sum_dtype, unbroadcast
from tinygrad_edu.core.op import op

if TYPE_CHECKING:  # numpy.typing takes a millisecond to import
    from numpy.typing import DTypeLike

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


transpose.vjps(x=lambda g, axes: transpose(g, None if axes is None else tuple(np.argsort([a % g.ndim for a in axes]))))


@op
def broadcast_to(x: Any, /, shape: Any) -> Any:
    """Return x repeated along new axes, and along axes of length 1."""
    return np.broadcast_to(x, shape)


broadcast_to.vjps(x=lambda g, x_shape: unbroadcast(g, x_shape))


@op
def sum(x: Any, /, axis: Axis = None, keepdims: bool = False, dtype: DTypeLike | None = None) -> Any:
    """Return the sum along one axis, several, or all."""
    if (np.result_type(x) if dtype is None else np.dtype(dtype)) == np.float16:
        return np.sum(x, numpy_axis(axis), np.float32, keepdims=keepdims).astype(np.float16)
    return np.sum(x, numpy_axis(axis), dtype, keepdims=keepdims)


def broadcast_along(g: Any, shape: tuple[int, ...], axis: Axis) -> Any:
    """Repeat g, the gradient of a sum, along the axes that were summed."""
    return broadcast_to(reshape(g, keepdims_shape(shape, axis)), shape)


sum.vjps(x=lambda g, x_shape, axis: broadcast_along(g, x_shape, axis))


@op
def mean(x: Any, /, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the mean along one axis, several, or all."""
    return np.mean(x, numpy_axis(axis), keepdims=keepdims)


mean.vjps(x=lambda g, x_shape, axis: broadcast_along(g / (math.prod(x_shape) / max(g.size, 1)), x_shape, axis))


def keepdims_shape(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """Return the shape of a sum with ``keepdims=True``: length 1 along one axis, several, or all."""
    if axis is None or not shape:
        return (1,) * len(shape)
    axes = [a % len(shape) for a in ((axis,) if isinstance(axis, int | np.integer) else axis)]
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def numpy_axis(axis: Axis) -> Any:
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
    out = np.zeros(shape, sum_dtype(dtype))
    np.add.at(out, index, x)
    return out.astype(dtype, copy=False)


getitem.vjps(x=lambda g, x_shape, index: scatter(g, index, x_shape))
scatter.vjps(x=lambda g, index: getitem(g, index))


@op(broadcasts=True)
def matmul(x: Any, y: Any) -> Any:
    """Return the matrix product: (..., n, k), (..., k, m) -> (..., n, m). A vector x is a row, a vector y a column."""
    return np.matmul(x, y)


def matmul_x(g: Any, x_shape: tuple[int, ...], y: Any) -> Any:
    """Return g @ y.T, for matrices and vectors."""
    if y.ndim == 1:
        return g[..., None] * y
    return g @ matrix_transpose(y) if len(x_shape) > 1 else (g[..., None, :] @ matrix_transpose(y))[..., 0, :]


def matmul_y(g: Any, x: Any, y_shape: tuple[int, ...]) -> Any:
    """Return x.T @ g, for matrices and vectors."""
    if x.ndim == 1:
        return x * g if len(y_shape) == 1 else x[:, None] * g[..., None, :]
    return matrix_transpose(x) @ g if len(y_shape) > 1 else (matrix_transpose(x) @ g[..., None])[..., 0]


def matrix_transpose(x: Any) -> Any:
    """Return matrices (..., n, m) with rows and columns swapped: (..., m, n)."""
    return transpose(x, (*range(x.ndim - 2), -1, -2))


matmul.vjps(x=matmul_x, y=matmul_y)


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """Return x @ weight.T + bias: (..., in), (out, in), (out,) -> (..., out)."""
    y = matmul(x, transpose(weight))
    return y if bias is None else y + bias
