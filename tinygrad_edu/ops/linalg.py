"""The matrix product, of vectors, matrices and stacks of matrices."""

import math
from typing import Any

import numpy as np

from tinygrad_edu.ops.shape import expand_dims, reshape, squeeze, swapaxes
from tinygrad_edu.recorder import Array, op


@op(broadcasts=True)
def matmul(x: Array, y: Array) -> Array:
    """Return x @ y: the last axis of x times the next to last of y; the axes before them broadcast.

    Shapes (n, k) @ (k, m) -> (n, m); a 1-d operand is a row on the left and a column on the right, and its axis is
    left out of the result.
    """
    return np.matmul(x, y)


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
