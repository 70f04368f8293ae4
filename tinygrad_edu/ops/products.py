"""The matrix product, of vectors, matrices and stacks of matrices."""

import math
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, op
from tinygrad_edu.ops.fast.products import product
from tinygrad_edu.ops.shape import expand_dims, reshape, squeeze, swapaxes, transpose

__all__ = ["matmul"]


@op(broadcasts=True)
def matmul(x: Array, y: Array) -> Array:
    """Return x @ y: the last axis of x times the next to last of y; the axes before them broadcast.

    Shapes (n, k) @ (k, m) -> (n, m); a 1-d operand is a row on the left and a column on the right, and its axis is
    left out of the result.
    """
    return product(x, y) if np.ndim(x) > 1 and np.ndim(y) > 1 else np.matmul(x, y)


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


@op
def linear(x: Array, weight: Array) -> Array:
    """Return x @ weight.T: (..., in), (out, in) -> (..., out).

    The samples are innermost in memory, as in the images that `conv2d` makes: OpenBLAS is faster that way round, twice
    as fast for few samples, and elementwise ops, the loss and the gradients keep the layout. The gradient of the weight
    has the weight's own, so that the optimizer reads both in one direction.
    """
    return product(weight, _rows(x).T).T.reshape(*x.shape[:-1], len(weight))


def _rows(x: Any) -> Any:
    """Return the vectors along the last axis as the rows of one matrix."""
    return x if x.ndim == 2 else reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


linear.vjps(
    x=lambda g, weight: linear(g, transpose(weight)),
    weight=lambda g, x: matmul(transpose(_rows(g)), _rows(x)),
)
