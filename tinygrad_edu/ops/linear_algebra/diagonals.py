"""Diagonals and triangles of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu.engine import Array, Tensor, TensorLike, op
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.elementwise.arithmetic import astype
from tinygrad_edu.ops.elementwise.selection import drop, keep
from tinygrad_edu.ops.indices.indexing import scatter_add
from tinygrad_edu.ops.reductions.reduction import sum
from tinygrad_edu.ops.shapes.shape import moveaxis, ravel, reshape, shaped

__all__ = ["diag", "diag_embed", "diagflat", "diagonal", "trace", "tril", "triu"]


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
    return _on_diagonal(g, (x_shape[axis1], x_shape[axis2]), offset, axis1, axis2)


def _on_diagonal(x: Any, shape: tuple[int, int], offset: int, axis1: int, axis2: int) -> Any:
    """Return zeros with the vectors along the last axis of x on the diagonals of matrices of this shape."""
    batch = x.shape[:-1]
    flat = scatter_add(x, (..., _diagonal_slice(x.shape[-1], shape[1], offset)), (*batch, shape[0] * shape[1]))
    return moveaxis(reshape(flat, (*batch, *shape)), (-2, -1), (axis1, axis2))


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
    return diag_embed(x, k)


def diag_embed(x: TensorLike, offset: int = 0, axis1: int = -2, axis2: int = -1) -> Tensor | Array:
    """Return square matrices with the vectors along the last axis of x as their diagonals, and zeros elsewhere.

    Parameters
    ----------
    x : array_like
        (..., n), at least 1-d.
    offset : int, default 0
        Which diagonal, as in `diagonal`.
    axis1 : int, default -2
        The axis of the rows of the matrices in the result.
    axis2 : int, default -1
        The axis of their columns.
    """
    x = shaped(x)
    if not x.ndim:
        raise ShapeError("diag_embed: x must have at least one axis, got a scalar.")
    size = x.shape[-1] + abs(offset)
    return _on_diagonal(x, (size, size), offset, axis1, axis2)


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
