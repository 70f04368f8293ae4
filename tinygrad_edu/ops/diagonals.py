"""Diagonals and triangles of matrices."""

from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, op
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.arithmetic import astype
from tinygrad_edu.ops.indexing import scatter_add
from tinygrad_edu.ops.reduction import sum
from tinygrad_edu.ops.selection import drop, keep
from tinygrad_edu.ops.shape import moveaxis, ravel, reshape, shaped

__all__ = ["diag", "diagflat", "diagonal", "trace", "tril", "triu"]


@op
def diagonal(x: Array, /, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """Return the diagonal of the matrices along two axes of x, as its last axis: a read-only view.

    An `offset` above 0 is a diagonal further right, in the direction of `axis2`; one below 0, further down.
    """
    return np.diagonal(x, offset, axis1, axis2)


def _diagonal_x(g: Any, x_shape: tuple[int, ...], offset: int, axis1: int, axis2: int) -> Any:
    rows, columns = x_shape[axis1], x_shape[axis2]
    others = g.shape[:-1]
    flat = scatter_add(g, (..., _diagonal_slice(g.shape[-1], columns, offset)), (*others, rows * columns))
    return moveaxis(reshape(flat, (*others, rows, columns)), (-2, -1), (axis1, axis2))


def _diagonal_slice(count: int, columns: int, offset: int) -> slice:
    """Return the slice of a flattened matrix that is the diagonal."""
    first = offset if offset > 0 else -offset * columns
    return slice(first, first + (count - 1) * (columns + 1) + 1 if count else first, columns + 1)


diagonal.vjps(x=_diagonal_x)


def trace(x: Any, /, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    """Return the sum along a diagonal of the matrices along two axes of x; computed in `dtype`, if that is given."""
    elements = diagonal(x, offset, axis1, axis2)
    return sum(elements if dtype is None else astype(elements, dtype), axis=-1)


def diag(x: Any, /, k: int = 0) -> Any:
    """Return of a matrix its k-th diagonal, as a read-only view, and of a 1-d x the matrix with that diagonal.

    Raises
    ------
    ShapeError
        If x has neither one axis nor two.
    """
    x = shaped(x)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ShapeError(f"diag takes a matrix or an array of one axis, and got shape {x.shape}.")
    count, size = len(x), len(x) + abs(k)
    return reshape(scatter_add(x, _diagonal_slice(count, size, k), (size * size,)), (size, size))


def diagflat(x: Any, /, k: int = 0) -> Any:
    """Return the matrix with the elements of x, flattened, as its k-th diagonal."""
    return diag(ravel(x), k)


def tril(x: Any, /, k: int = 0) -> Any:
    """Return the matrices along the last two axes of x with 0 above the k-th diagonal. A 1-d x is every row of one."""
    x = shaped(x)
    return keep(x, _lower_mask("tril", x.shape, k))


def triu(x: Any, /, k: int = 0) -> Any:
    """Return the matrices along the last two axes of x with 0 below the k-th diagonal. A 1-d x is every row of one."""
    x = shaped(x)
    return drop(x, _lower_mask("triu", x.shape, k - 1))


def _lower_mask(name: str, shape: tuple[int, ...], k: int) -> Array:
    if not shape:
        raise ShapeError(f"{name} takes matrices, or an array of one axis, and got one number.")
    return np.tri(shape[-2:][0], shape[-1], k, bool)
