"""The matrix product, of vectors, matrices and stacks of matrices."""

import math
from typing import Any

import numpy as np

from tinygrad_edu.ops.shape import expand_dims, reshape, squeeze, swapaxes, transpose
from tinygrad_edu.recorder import Array, op

# OpenBLAS copies what it multiplies into an order of its own, unless there are at most a million multiplications. Where
# one side is thin, that copy is most of the work.
_WITHOUT_COPY = 1_000_000
_THIN = 16


def _product(x: Array, y: Array) -> Array:
    """Return x @ y; a long and thin product in pieces along its longest axis, in a half to a third of the time."""
    if not _is_long_and_thin(x, y):
        return np.matmul(x, y)
    lengths = (*x.shape, y.shape[1])
    axis = lengths.index(max(lengths))
    first, *others = _cuts(lengths[axis], 2 * -(-math.prod(lengths) // _WITHOUT_COPY))
    if axis == 1:
        out = np.matmul(x[:, first], y[first])
        for piece in others:
            out += np.matmul(x[:, piece], y[piece])
        return out
    out = np.empty((len(x), y.shape[1]), np.result_type(x, y))
    for piece in (first, *others):
        if axis == 0:
            np.matmul(x[piece], y, out=out[piece])
        else:
            np.matmul(x, y[:, piece], out=out[:, piece])
    return out


def _is_long_and_thin(x: Array, y: Array) -> bool:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != len(y):
        return False
    (m, k), n = x.shape, y.shape[1]
    return m * k * n > _WITHOUT_COPY and min(m, n) <= _THIN


def _cuts(length: int, count: int) -> list[slice]:
    step = -(-length // count)
    return [slice(start, start + step) for start in range(0, length, step)]


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
    return reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


linear.vjps(x=lambda g, weight: matmul(g, weight), weight=lambda g, x: matmul(transpose(_rows(g)), _rows(x)))
