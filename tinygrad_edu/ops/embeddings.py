"""Embedding lookup, and its transpose, which adds rows at their indices."""

from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, Tensor, add_at, op, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.ops.selection import where
from tinygrad_edu.ops.shape import shaped

__all__ = ["embedding"]


@op(name="embedding")
def lookup_rows(weight: Array, /, indices: Array) -> Array:
    """Return the rows of a table by their numbers: (V, D), (...) -> (..., D)."""
    return np.take(weight, indices, axis=0)


@op(name="embedding")
def scatter_add_rows(rows: Array, /, indices: Array, count: int) -> Array:
    """Add rows up in a table of `count`, each where its number says: (..., D), (...) -> (count, D).

    Of float16 in float32: in a frequent word's sum of thousands, what is added last would be rounded away.
    """
    out = np.zeros((count, rows.shape[-1]), np.float32 if rows.dtype == np.float16 else rows.dtype)
    add_at(out, indices, rows)
    return out.astype(rows.dtype, copy=False)


lookup_rows.vjps(weight=lambda g, indices, weight_shape: scatter_add_rows(g, indices, weight_shape[0]))
scatter_add_rows.vjps(rows=lambda g, indices: lookup_rows(g, indices))


def embedding(
    indices: Any, weight: Any, padding_idx: int | None = None, max_norm: float | None = None, norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
) -> Any:  # fmt: skip
    """Return the rows of a table by their numbers: (...), (V, D) -> (..., D). A row taken twice gets both gradients.

    Parameters
    ----------
    indices : (...) integer
        Each in [0, V).
    weight : (V, D)
    padding_idx : int, optional
        The number of a row, from either end, that gets no gradient.
    max_norm, norm_type : float, optional
        Shorten the rows that are looked up to a norm of `max_norm` first, in the table itself; of which norm.
    scale_grad_by_freq : bool
        Divide the gradient of a row by how often its number is among the indices.

    Raises
    ------
    DTypeError, ShapeError, IndexError
        For indices that are no whole numbers, a table without two axes, numbers out of range.
    """
    weight = shaped(weight)
    if weight.ndim != 2:
        raise ShapeError(f"embedding: weight has the axes (V, D), and this has the shape {weight.shape}.")
    count = len(weight)
    if padding_idx is not None and not -count <= padding_idx < count:
        raise IndexError(f"embedding: padding_idx {padding_idx} is not in a table with {count} rows.")
    places = _check_indices(indices, count)
    if max_norm is not None:
        _renormalize_rows(weight, np.unique(places), max_norm, norm_type)
    rows = lookup_rows(weight, places)
    fixed = values_of(rows)
    if scale_grad_by_freq:
        frequency = np.bincount(places.ravel(), minlength=count)[places][..., None]
        rows = fixed + (rows - fixed) / frequency.astype(fixed.dtype)  # the same values: the difference is 0
    return rows if padding_idx is None else where((places == padding_idx % count)[..., None], fixed, rows)


def _check_indices(indices: Any, count: int) -> Array:
    """Return the indices as an array of integers, or raise if one is no row of the table."""
    places = np.asarray(values_of(indices))
    if places.dtype.kind not in "iu" and places.size:
        raise DTypeError(f"embedding: indices are whole numbers, not {places.dtype}.")
    if places.size and not (places.min() >= 0 and places.max() < count):
        raise IndexError(
            f"embedding: indices from {places.min()} to {places.max()}, and the table has the rows 0 to {count - 1}."
        )
    return places.astype(np.intp)


def _renormalize_rows(weight: Any, numbers: Array, max_norm: float, norm_type: float) -> None:
    """Scale the rows at these indices down to `max_norm` if they are longer, in place and in one assignment."""
    rows = values_of(weight)[numbers]
    norms = np.linalg.norm(rows, norm_type, axis=1)
    long = norms > max_norm
    if long.any():
        shorter = rows[long] * (max_norm / (norms[long, None] + 1e-7))  # PyTorch's, by which none is longer by rounding
        (weight.data if isinstance(weight, Tensor) else weight)[numbers[long]] = shorter
