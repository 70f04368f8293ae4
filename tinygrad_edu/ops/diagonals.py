"""Diagonals and triangles of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu.engine import Array, Tensor, TensorLike, op
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.arithmetic import astype
from tinygrad_edu.ops.indexing import scatter_add
from tinygrad_edu.ops.reduction import sum
from tinygrad_edu.ops.selection import drop, keep
from tinygrad_edu.ops.shape import moveaxis, ravel, reshape, shaped

__all__ = ["diag", "diagflat", "diagonal", "trace", "tril", "triu"]


@op(
    batching=lambda batch: batch.on_leading(
        axis1=batch.shifted(batch.settings["axis1"]), axis2=batch.shifted(batch.settings["axis2"])
    )
)
def diagonal(x: Array, /, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """Return the diagonals of the matrices in two axes of x, as the last axis of a read-only view.

    A positive `offset` selects a diagonal above the main one, further along `axis2`; a negative one, below it.
    """
    return np.diagonal(x, offset, axis1, axis2)


def _diagonal_x(g: Any, x_shape: tuple[int, ...], offset: int, axis1: int, axis2: int) -> Any:
    rows, columns = x_shape[axis1], x_shape[axis2]
    batch = g.shape[:-1]
    flat = scatter_add(g, (..., _diagonal_slice(g.shape[-1], columns, offset)), (*batch, rows * columns))
    return moveaxis(reshape(flat, (*batch, rows, columns)), (-2, -1), (axis1, axis2))


def _diagonal_slice(count: int, columns: int, offset: int) -> slice:
    """Return the slice that selects the diagonal of a flattened matrix."""
    first = offset if offset > 0 else -offset * columns
    return slice(first, first + (count - 1) * (columns + 1) + 1 if count else first, columns + 1)


diagonal.vjps(x=_diagonal_x)


def trace(
    x: TensorLike, /, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: DTypeLike | None = None
) -> Tensor | Array:
    """Return the sum along a diagonal of the matrices in two axes of x, computed in `dtype` if given."""
    elements = diagonal(x, offset, axis1, axis2)
    return sum(elements if dtype is None else astype(elements, dtype), axis=-1)


def diag(x: TensorLike, /, k: int = 0) -> Tensor | Array:
    """Return the k-th diagonal of a 2-d x as a read-only view, or the matrix with a 1-d x as its k-th diagonal.

    Raises
    ------
    ShapeError
        If x is neither 1-d nor 2-d.
    """
    x = shaped(x)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ShapeError(f"diag: x must be 1-d or 2-d, got shape {x.shape}.")
    count, size = len(x), len(x) + abs(k)
    return reshape(scatter_add(x, _diagonal_slice(count, size, k), (size * size,)), (size, size))


def diagflat(x: TensorLike, /, k: int = 0) -> Tensor | Array:
    """Return the matrix with the flattened x as its k-th diagonal."""
    return diag(ravel(x), k)


def tril(x: TensorLike, /, k: int = 0) -> Tensor | Array:
    """Return the matrices in the last two axes of x with zeros above the k-th diagonal; a 1-d x is repeated as rows."""
    x = shaped(x)
    return keep(x, _lower_mask("tril", x.shape, k))


def triu(x: TensorLike, /, k: int = 0) -> Tensor | Array:
    """Return the matrices in the last two axes of x with zeros below the k-th diagonal; a 1-d x is repeated as rows."""
    x = shaped(x)
    return drop(x, _lower_mask("triu", x.shape, k - 1))


def _lower_mask(name: str, shape: tuple[int, ...], k: int) -> Array:
    if not shape:
        raise ShapeError(f"{name}: x must have at least one axis, got a scalar.")
    return np.tri(shape[-2:][0], shape[-1], k, bool)
