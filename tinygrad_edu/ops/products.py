"""Matrix and tensor products, and the linear maps of layers."""

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
    """Return x @ y: the last axis of x times the next to last of y; the axes before them broadcast.

    Shapes (n, k) @ (k, m) -> (n, m); a 1-d operand is a row on the left and a column on the right, and its axis is
    left out of the result.
    """
    if not (isinstance(x, ndarray) and isinstance(y, ndarray) and x.ndim > 1 and y.ndim > 1):
        return np.matmul(x, y)
    return np.multiply(x, y) if x.shape[-1] == y.shape[-2] == 1 else product(x, y)  # which is slow for one


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
    """Return the vectors along the last axis as the rows of one matrix."""
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

    A weight of one axis, (in,), gives one number for each vector: (...).

    Raises
    ------
    ShapeError
        Where the lengths do not fit.
    """
    of_x, of_weight, of_bias = shape_of(x), shape_of(weight), shape_of(bias)
    if len(of_weight) not in (1, 2) or of_x[-1:] != of_weight[-1:]:
        raise ShapeError(
            f"linear: x of shape {of_x} and weight of shape {of_weight}: they need (..., in) and (out, in), or (in,)."
        )
    if bias is not None and of_bias not in (of_weight[:-1], (1,), ()):
        raise ShapeError(f"linear: bias of shape {of_bias} for {of_weight[0]} outputs; it needs {of_weight[:1]}.")
    if len(of_weight) == 2 and of_bias == of_weight[:1]:
        return linear_with_bias(x, weight, bias)
    out = linear_without_bias(x, weight) if len(of_weight) == 2 else matmul(x, weight)
    return out if bias is None else out + bias


def bilinear(x1: Any, x2: Any, weight: Any, bias: Any = None) -> Any:
    """Return for each output k the number x1 @ weight[k] @ x2, plus a bias: linear in x1 and in x2.

    Shapes (..., n), (..., m), (out, n, m), (out,) -> (..., out).

    Raises
    ------
    ShapeError
        Where the lengths do not fit.
    """
    of_x1, of_x2, of_weight = shape_of(x1), shape_of(x2), shape_of(weight)
    if len(of_weight) != 3 or (of_x1[-1:], of_x2[-1:]) != (of_weight[1:2], of_weight[2:]) or of_x1[:-1] != of_x2[:-1]:
        raise ShapeError(
            f"bilinear: shapes {of_x1}, {of_x2} and weight {of_weight}; they need (..., n), (..., m) and (out, n, m)."
        )
    if bias is not None and shape_of(bias) != of_weight[:1]:
        raise ShapeError(f"bilinear: bias of shape {shape_of(bias)} for {of_weight[0]} outputs.")
    out, n, m = of_weight
    of_all = reshape(transpose(weight, (0, 2, 1)), (out * m, n))
    halfway = reshape(linear_without_bias(x1, of_all), (*of_x1[:-1], out, m))
    result = squeeze(matmul(halfway, expand_dims(x2, -1)), -1)
    return result if bias is None else result + bias


def transposed(x: Any) -> Any:
    """Return the matrices of a stack, each transposed."""
    return swapaxes(x, -1, -2)


def bmm(x: Any, y: Any) -> Any:
    """Return the products of two stacks of equally many matrices: (b, n, k), (b, k, m) -> (b, n, m).

    It is `matmul` without broadcasting.
    """
    if np.ndim(x) != 3 or np.ndim(y) != 3 or shape_of(x)[0] != shape_of(y)[0]:
        raise ShapeError(
            f"bmm: two stacks of equally many matrices have shapes (b, n, k) and (b, k, m), not {shape_of(x)} and "
            f"{shape_of(y)}; matmul() broadcasts."
        )
    return matmul(x, y)


def tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
    """Return the sum of the products of x and y over pairs of axes; the axes of x that are left come first.

    Parameters
    ----------
    x, y : array_like
    axes : int or (int or sequence of int, int or sequence of int)
        The axes of x and those of y that are summed over in pairs; a number n means the last n of x, in their order,
        and the first n of y.

    Raises
    ------
    ShapeError
        Where two axes of a pair differ in length, or one side has more axes than the other.
    """
    of_x, of_y = _contracted_axes(axes, np.ndim(x), np.ndim(y))
    lengths, others = [shape_of(x)[a] for a in of_x], [shape_of(y)[a] for a in of_y]
    if lengths != others:
        raise ShapeError(
            f"tensordot: the axes {of_x} of x have the lengths {lengths}, and the axes {of_y} of y {others}: axes are "
            f"paired with axes of their own length. The shapes: {shape_of(x)}, {shape_of(y)}."
        )
    left, right = ([a for a in range(np.ndim(z)) if a not in taken] for z, taken in ((x, of_x), (y, of_y)))
    shape = [shape_of(x)[a] for a in left] + [shape_of(y)[a] for a in right]
    n, k = math.prod(shape[: len(left)]), math.prod(lengths)
    rows = reshape(transpose(x, (*left, *of_x)), (n, k))
    columns = reshape(transpose(y, (*of_y, *right)), (k, math.prod(shape[len(left) :])))
    return reshape(matmul(rows, columns), tuple(shape))


def _contracted_axes(axes: Any, x_axes: int, y_axes: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the axes that `tensordot` sums over: those of x and those of y, none negative."""
    if isinstance(axes, int | np.integer):
        if not 0 <= axes <= min(x_axes, y_axes):
            raise ShapeError(
                f"tensordot: there are no {axes} axes to sum over in both: x has {x_axes}, and y {y_axes}."
            )
        axes = range(x_axes - axes, x_axes), range(axes)
    of_x, of_y = axes
    return normalize_axis_tuple(of_x, x_axes, "axes of x"), normalize_axis_tuple(of_y, y_axes, "axes of y")


def dot(x: Any, y: Any) -> Any:
    """Return the sum of the products over the last axis of x and the next to last of y, or the only one.

    Of vectors and matrices it is x @ y; of stacks it pairs each matrix of the one with each of the other. A number
    multiplies.
    """
    if np.ndim(x) == 0 or np.ndim(y) == 0:
        return multiply(x, y)
    if np.ndim(x) == 1 or np.ndim(y) < 3:
        return matmul(x, y)
    return tensordot(x, y, (-1, -2))


def vdot(x: Any, y: Any) -> Any:
    """Return the sum of the products of all elements, in their order whatever the shapes."""
    return matmul(reshape(x, -1), reshape(y, -1))


def inner(x: Any, y: Any) -> Any:
    """Return the sum of the products over the last axes of both. A number multiplies."""
    if np.ndim(x) == 0 or np.ndim(y) == 0:
        return multiply(x, y)
    return tensordot(x, y, (-1, -1))


def outer(x: Any, y: Any) -> Any:
    """Return the products of each element of x with each of y, both flattened: a matrix, with a row for each of x."""
    return matmul(reshape(x, (-1, 1)), reshape(y, (1, -1)))


def kron(x: Any, y: Any) -> Any:
    """Return the Kronecker product: x with each element replaced by its product with all of y.

    Along each axis the lengths multiply; the array of fewer axes gets axes of length 1 in front.
    """
    ndim = max(np.ndim(x), np.ndim(y))
    of_x, of_y = ((1,) * (ndim - np.ndim(z)) + tuple(shape_of(z)) for z in (x, y))
    blocks = reshape(x, tuple(n for length in of_x for n in (length, 1)))
    within = reshape(y, tuple(n for length in of_y for n in (1, length)))
    return reshape(multiply(blocks, within), tuple(n * m for n, m in zip(of_x, of_y, strict=True)))
