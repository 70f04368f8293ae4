"""The matrix product, of vectors, matrices and stacks of matrices."""

import math
from typing import Any

import numpy as np

from tinygrad_edu.ops.shape import expand_dims, reshape, squeeze, swapaxes, transpose
from tinygrad_edu.recorder import Array, op

# OpenBLAS copies what it multiplies into an order of its own, unless there are at most a million multiplications. In a
# long and thin product that copy is most of the work.
_WITHOUT_COPY = 1_000_000
_THIN, _NARROW = 16, 96


def _product(x: Array, y: Array) -> Array:
    """Return x @ y; a long and thin product as a stack of short ones, in half of the time or less."""
    if not _is_long_and_thin(x, y):
        return np.matmul(x, y)
    (m, k), n = x.shape, y.shape[1]
    length = max(m, k, n)
    count = 2 * -(-m * k * n // _WITHOUT_COPY)
    each = max(16, length // count // 16 * 16)
    count = length // each
    cut = count * each  # the rest is a product of its own
    if k == length:
        products = np.matmul(_split_columns(x[:, :cut], count), y[:cut].reshape(count, each, n))
        out = products.sum(axis=0, dtype=products.dtype)
        return out if cut == k else out + np.matmul(x[:, cut:], y[cut:])
    out = np.empty((m, n), np.result_type(x, y))
    if m == length:
        np.matmul(x[:cut].reshape(count, each, k), y, out=out[:cut].reshape(count, each, n))
        np.matmul(x[cut:], y, out=out[cut:])
    else:
        np.matmul(x, _split_columns(y[:, :cut], count), out=_split_columns(out[:, :cut], count))
        np.matmul(x, y[:, cut:], out=out[:, cut:])
    return out


def _is_long_and_thin(x: Array, y: Array) -> bool:
    if np.ndim(x) != 2 or np.ndim(y) != 2 or x.shape[1] != len(y):
        return False
    thin, narrow, length = sorted((*x.shape, y.shape[1]))
    return thin * narrow * length > _WITHOUT_COPY and thin <= _THIN and narrow <= _NARROW


def _split_columns(x: Array, count: int) -> Array:
    """Return a matrix as a stack of `count` matrices that were side by side, as a view."""
    return x.reshape(len(x), count, x.shape[1] // count).swapaxes(0, 1)


@op(broadcasts=True)
def matmul(x: Array, y: Array) -> Array:
    """Return x @ y: the last axis of x times the next to last of y; the axes before them broadcast.

    Shapes (n, k) @ (k, m) -> (n, m); a 1-d operand is a row on the left and a column on the right, and its axis is
    left out of the result.
    """
    return _product(x, y)


def _matmul_x(g: Any, x_shape: tuple[int, ...], y: Any) -> Any:
    if y.ndim == 1:
        return expand_dims(g, -1) * y
    if len(x_shape) == 1:
        return squeeze(matmul(expand_dims(g, -2), swapaxes(y, -1, -2)), -2)
    return matmul(g, swapaxes(y, -1, -2))


def _matmul_y(g: Any, x: Any, y_shape: tuple[int, ...]) -> Any:
    if len(y_shape) == 1:
        return expand_dims(g, -1) * x
    if x.ndim == 1:
        return expand_dims(x, -1) * expand_dims(g, -2)
    if len(y_shape) == 2 and x.ndim > 2:  # one product for the whole stack
        rows = math.prod(x.shape[:-1])
        x, g = reshape(x, (rows, x.shape[-1])), reshape(g, (rows, g.shape[-1]))
    return matmul(swapaxes(x, -1, -2), g)


matmul.vjps(x=_matmul_x, y=_matmul_y)


@op(broadcasts=True)
def linear(x: Array, weight: Array) -> Array:
    """Return x @ weight.T: (..., in), (out, in) -> (..., out).

    The gradient of the weight comes out in the weight's own layout, so that the optimizer reads both in one direction.
    """
    return _product(_rows(x), weight.T).reshape(*x.shape[:-1], len(weight))


def _rows(x: Any) -> Any:
    """Return the vectors along the last axis as the rows of one matrix."""
    return x if x.ndim == 2 else reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


linear.vjps(x=lambda g, weight: matmul(g, weight), weight=lambda g, x: matmul(transpose(_rows(g)), _rows(x)))
