"""The matrix product, of vectors, matrices and stacks of matrices, and the linear maps that layers are."""

import math
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, op
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.fast.products import product
from tinygrad_edu.ops.shape import expand_dims, reshape, squeeze, swapaxes, transpose

__all__ = ["bilinear", "linear", "matmul"]


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
def map_rows(x: Array, weight: Array) -> Array:
    """Return x @ weight.T: (..., in), (out, in) -> (..., out).

    The samples are innermost in memory, as in the images that `conv2d` makes: OpenBLAS is faster that way round, twice
    as fast for few samples, and elementwise ops, the loss and the gradients keep the layout. The gradient of the weight
    has the weight's own, so that the optimizer reads both in one direction.
    """
    return product(weight, _rows(x).T).T.reshape(*x.shape[:-1], len(weight))


def _rows(x: Any) -> Any:
    """Return the vectors along the last axis as the rows of one matrix."""
    return x if x.ndim == 2 else reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


map_rows.vjps(
    x=lambda g, weight: map_rows(g, transpose(weight)),
    weight=lambda g, x: matmul(transpose(_rows(g)), _rows(x)),
)


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """Return x @ weight.T + bias: (..., in), (out, in), (out,) -> (..., out).

    A weight of one axis, (in,), gives one number for each vector: (...).

    Raises
    ------
    ShapeError
        Where the lengths do not fit.
    """
    of_x, of_weight = np.shape(x), np.shape(weight)
    if len(of_weight) not in (1, 2) or of_x[-1:] != of_weight[-1:]:
        raise ShapeError(
            f"linear: x of shape {of_x} and weight of shape {of_weight}: they need (..., in) and (out, in), or (in,)."
        )
    if bias is not None and np.shape(bias) not in (of_weight[:-1], (1,), ()):
        raise ShapeError(
            f"linear: bias of shape {np.shape(bias)} for {of_weight[0]} outputs; it needs {of_weight[:1]}."
        )
    out = map_rows(x, weight) if len(of_weight) == 2 else matmul(x, weight)
    return out if bias is None else out + bias


def bilinear(x1: Any, x2: Any, weight: Any, bias: Any = None) -> Any:
    """Return for each output k the number x1 @ weight[k] @ x2, plus a bias: linear in x1 and in x2.

    Shapes (..., n), (..., m), (out, n, m), (out,) -> (..., out).

    Raises
    ------
    ShapeError
        Where the lengths do not fit.
    """
    of_x1, of_x2, of_weight = np.shape(x1), np.shape(x2), np.shape(weight)
    if len(of_weight) != 3 or (of_x1[-1:], of_x2[-1:]) != (of_weight[1:2], of_weight[2:]) or of_x1[:-1] != of_x2[:-1]:
        raise ShapeError(
            f"bilinear: shapes {of_x1}, {of_x2} and weight {of_weight}; they need (..., n), (..., m) and (out, n, m)."
        )
    if bias is not None and np.shape(bias) != of_weight[:1]:
        raise ShapeError(f"bilinear: bias of shape {np.shape(bias)} for {of_weight[0]} outputs.")
    out, n, m = of_weight
    of_all = reshape(transpose(weight, (0, 2, 1)), (out * m, n))
    halfway = reshape(map_rows(x1, of_all), (*of_x1[:-1], out, m))
    result = squeeze(matmul(halfway, expand_dims(x2, -1)), -1)
    return result if bias is None else result + bias
