"""Matrix and tensor products, and linear and bilinear maps."""

import math
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_edu.engine import Array, op, shape_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.arithmetic import multiply
from tinygrad_edu.ops.fast.linear import linear_values
from tinygrad_edu.ops.fast.products import product
from tinygrad_edu.ops.shape import expand_dims, reshape, squeeze, swapaxes, transpose

__all__ = ["bilinear", "bmm", "dot", "inner", "kron", "linear", "matmul", "outer", "tensordot", "vdot"]


@op(broadcasts=True)
def matmul(x: Array, y: Array) -> Array:
    """Return the matrix product x @ y: (..., n, k), (..., k, m) -> (..., n, m). The leading axes broadcast.

    A 1-d x is treated as a row, a 1-d y as a column; the added axis is removed from the result.
    """
    if not (isinstance(x, ndarray) and isinstance(y, ndarray) and x.ndim > 1 and y.ndim > 1):
        return np.matmul(x, y)
    return np.multiply(x, y) if x.shape[-1] == y.shape[-2] == 1 else product(x, y)  # product() is slow for k = 1


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


@op(name="linear")
def linear_without_bias(x: Array, weight: Array) -> Array:
    """Return x @ weight.T: (..., in), (out, in) -> (..., out)."""
    return linear_values(x, weight)


def _rows(x: Any) -> Any:
    """Flatten the leading axes: (..., n) -> (rows, n)."""
    return x if x.ndim == 2 else reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


linear_without_bias.vjps(
    x=lambda g, weight: linear_without_bias(g, weight.T),
    weight=lambda g, x: matmul(_rows(g).T, _rows(x)),
)


@op(name="linear")
def linear_with_bias(x: Array, weight: Array, bias: Array) -> Array:
    """Return x @ weight.T + bias: (..., in), (out, in), (out,) -> (..., out)."""
    return linear_values(x, weight, bias)


linear_with_bias.vjps(
    **linear_without_bias.vjp_functions,
    bias=lambda g: matmul(_rows(g).T, np.ones(math.prod(g.shape[:-1]), g.dtype)),  # faster than a sum
)


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """Return x @ weight.T + bias: (..., in), (out, in), (out,) -> (..., out).

    For a 1-d weight (in,) the result has shape (...).

    Raises
    ------
    ShapeError
        If the shapes do not match.
    """
    of_x, of_weight, of_bias = shape_of(x), shape_of(weight), shape_of(bias)
    if len(of_weight) not in (1, 2) or of_x[-1:] != of_weight[-1:]:
        raise ShapeError(
            f"linear: shape mismatch: x {of_x} and weight {of_weight}; expected (..., in) and (out, in) or (in,)."
        )
    if bias is not None and of_bias not in (of_weight[:-1], (1,), ()):
        raise ShapeError(f"linear: bias for weight {of_weight} must be {of_weight[:-1]}, (1,) or (), got {of_bias}.")
    if len(of_weight) == 2 and of_bias == of_weight[:1]:
        return linear_with_bias(x, weight, bias)
    out = linear_without_bias(x, weight) if len(of_weight) == 2 else matmul(x, weight)
    return out if bias is None else out + bias


def bilinear(x1: Any, x2: Any, weight: Any, bias: Any = None) -> Any:
    """Return x1 @ weight[k] @ x2 + bias[k] for each output k.

    Shapes (..., n), (..., m), (out, n, m), (out,) -> (..., out).

    Raises
    ------
    ShapeError
        If the shapes do not match.
    """
    of_x1, of_x2, of_weight = shape_of(x1), shape_of(x2), shape_of(weight)
    if len(of_weight) != 3 or (of_x1[-1:], of_x2[-1:]) != (of_weight[1:2], of_weight[2:]) or of_x1[:-1] != of_x2[:-1]:
        raise ShapeError(
            f"bilinear: shape mismatch: x1 {of_x1}, x2 {of_x2} and weight {of_weight}; expected (..., n), (..., m) and "
            f"(out, n, m)."
        )
    if bias is not None and shape_of(bias) != of_weight[:1]:
        raise ShapeError(f"bilinear: bias must have shape {of_weight[:1]}, got {shape_of(bias)}.")
    out, n, m = of_weight
    of_all = reshape(transpose(weight, (0, 2, 1)), (out * m, n))
    halfway = reshape(linear_without_bias(x1, of_all), (*of_x1[:-1], out, m))
    result = squeeze(matmul(halfway, expand_dims(x2, -1)), -1)
    return result if bias is None else result + bias


def transposed(x: Any) -> Any:
    """Transpose each matrix of a stack: swap the last two axes."""
    return swapaxes(x, -1, -2)


def bmm(x: Any, y: Any) -> Any:
    """Return the batched matrix product of two stacks: (b, n, k), (b, k, m) -> (b, n, m).

    Unlike `matmul`, it does not broadcast.
    """
    if np.ndim(x) != 3 or np.ndim(y) != 3 or shape_of(x)[0] != shape_of(y)[0]:
        raise ShapeError(
            f"bmm: shape mismatch: {shape_of(x)} and {shape_of(y)}; expected (b, n, k) and (b, k, m). Use matmul() to "
            f"broadcast."
        )
    return matmul(x, y)


def tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
    """Sum products over pairs of axes. The result has the remaining axes of x, then the remaining axes of y.

    Parameters
    ----------
    x, y : array_like
    axes : int or (int or sequence of int, int or sequence of int)
        The axes of x and of y to sum over, in pairs. An integer n means the last n axes of x and the first n of y, in
        order.

    Raises
    ------
    ShapeError
        If two paired axes differ in length, or x and y are given different numbers of axes.
    """
    of_x, of_y = _contracted_axes(axes, np.ndim(x), np.ndim(y))
    lengths, others = [shape_of(x)[a] for a in of_x], [shape_of(y)[a] for a in of_y]
    if lengths != others:
        raise ShapeError(
            f"tensordot: paired axes must have equal lengths, got {lengths} for axes {of_x} of x and {others} for axes "
            f"{of_y} of y; the shapes are {shape_of(x)} and {shape_of(y)}."
        )
    left, right = ([a for a in range(np.ndim(z)) if a not in taken] for z, taken in ((x, of_x), (y, of_y)))
    shape = [shape_of(x)[a] for a in left] + [shape_of(y)[a] for a in right]
    n, k = math.prod(shape[: len(left)]), math.prod(lengths)
    rows = reshape(transpose(x, (*left, *of_x)), (n, k))
    columns = reshape(transpose(y, (*of_y, *right)), (k, math.prod(shape[len(left) :])))
    return reshape(matmul(rows, columns), tuple(shape))


def _contracted_axes(axes: Any, x_axes: int, y_axes: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the axes of x and of y that `tensordot` sums over, as nonnegative integers."""
    if isinstance(axes, int | np.integer):
        if not 0 <= axes <= min(x_axes, y_axes):
            raise ShapeError(f"tensordot: cannot sum over {axes} axes; x has {x_axes} axes and y has {y_axes}.")
        axes = range(x_axes - axes, x_axes), range(axes)
    of_x, of_y = axes
    return normalize_axis_tuple(of_x, x_axes, "axes of x"), normalize_axis_tuple(of_y, y_axes, "axes of y")


def dot(x: Any, y: Any) -> Any:
    """Return the sum of products over the last axis of x and the second-last axis of y, or the only axis of a 1-d y.

    For vectors and matrices this is x @ y; for stacks, each matrix of x is paired with each matrix of y. If an
    operand is 0-d, the result is x * y.
    """
    if np.ndim(x) == 0 or np.ndim(y) == 0:
        return multiply(x, y)
    if np.ndim(x) == 1 or np.ndim(y) < 3:
        return matmul(x, y)
    return tensordot(x, y, (-1, -2))


def vdot(x: Any, y: Any) -> Any:
    """Return the dot product of x and y, both flattened."""
    return matmul(reshape(x, -1), reshape(y, -1))


def inner(x: Any, y: Any) -> Any:
    """Return the sum of products over the last axes of x and y, or x * y if one is 0-d."""
    if np.ndim(x) == 0 or np.ndim(y) == 0:
        return multiply(x, y)
    return tensordot(x, y, (-1, -1))


def outer(x: Any, y: Any) -> Any:
    """Return the outer product of x and y, both flattened: (n,), (m,) -> (n, m)."""
    return matmul(reshape(x, (-1, 1)), reshape(y, (1, -1)))


def kron(x: Any, y: Any) -> Any:
    """Return the Kronecker product: x with each element replaced by its product with all of y.

    The length of each axis is the product of the two lengths; the array with fewer axes gets leading axes of length 1.
    """
    ndim = max(np.ndim(x), np.ndim(y))
    of_x, of_y = ((1,) * (ndim - np.ndim(z)) + tuple(shape_of(z)) for z in (x, y))
    blocks = reshape(x, tuple(n for length in of_x for n in (length, 1)))
    within = reshape(y, tuple(n for length in of_y for n in (1, length)))
    return reshape(multiply(blocks, within), tuple(n * m for n, m in zip(of_x, of_y, strict=True)))
