"""Embedding lookup, and its transpose, which adds rows at given indices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_edu.engine import (
    Array,
    Mapped,
    MappedCall,
    Tensor,
    TensorLike,
    add_rows,
    batched,
    op,
    to_array,
    values_of,
)
from tinygrad_edu.errors import DTypeError, MappedValueError, ShapeError
from tinygrad_edu.ops.elementwise.selection import where
from tinygrad_edu.ops.shapes.shape import moveaxis, reshape, shaped

__all__ = ["embedding"]


@op(name="embedding", batching=lambda batch: batch.inputs[0][:, batch.settings["indices"]])
def lookup_rows(weight: Array, /, indices: Array) -> Array:
    """Return the rows of a table at `indices`: (V, D), (...) -> (..., D)."""
    return weight.take(indices, 0)


def _add_rows_of_samples(batch: MappedCall) -> Any:
    """Add the rows of all samples, side by side: they share the indices."""
    rows, width = moveaxis(batch.inputs[0], 0, -2), batch.inputs[0].shape[-1]
    table = batch.with_inputs(reshape(rows, (*rows.shape[:-2], batch.size * width))).on_leading()
    return moveaxis(reshape(table, (len(table), batch.size, width)), 1, 0)


@op(name="embedding", batching=_add_rows_of_samples)
def scatter_add_rows(rows: Array, /, indices: Array, count: int) -> Array:
    """Sum rows into a table of `count` rows, by index: (..., D), (...) -> (count, D).

    float16 is summed in float32: in a sum of thousands of rows, the last ones would be rounded away.
    """
    out = np.zeros((count, rows.shape[-1]), np.float32 if rows.dtype == np.float16 else rows.dtype)
    add_rows(out, indices.reshape(-1), rows.reshape(indices.size, rows.shape[-1]))
    return out.astype(rows.dtype, copy=False)


lookup_rows.vjps(weight=lambda g, indices, weight_shape: scatter_add_rows(g, indices, weight_shape[0]))
scatter_add_rows.vjps(rows=lambda g, indices: lookup_rows(g, indices))


def _embedding_of_samples(batch: MappedCall) -> Any:
    (indices, weight), plain = batch.inputs, not batch.settings["scale_grad_by_freq"]
    if batch.settings["max_norm"] is not None:
        raise MappedValueError("embedding: max_norm writes to a table inside of vmap. Scale its rows outside of vmap.")
    if not plain or isinstance(indices, Mapped):  # by an outer level
        return NotImplemented
    if not batch.mapped[1]:
        return batch.on_leading()
    indices, (size, count, width) = _check_indices(batch.spread().inputs[0], weight.shape[1]), weight.shape
    starts = count * np.arange(size).reshape((size, *[1] * (indices.ndim - 1)))
    rows = lookup_rows(reshape(weight, (size * count, width)), indices + starts)
    return _without_padding(rows, indices, batch.settings["padding_idx"], count)


@batched(_embedding_of_samples)
def embedding(
    indices: ArrayLike, weight: TensorLike, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False,
) -> Tensor | Array:  # fmt: skip
    """Return the rows of a table at `indices`: (...), (V, D) -> (..., D). Gradients of repeated indices are added.

    Parameters
    ----------
    indices : (...) integer
        Each in [0, V).
    weight : (V, D)
        The table.
    padding_idx : int, optional
        Index of a row that receives no gradient; a negative one counts from the end.
    max_norm : float, optional
        If a selected row has a `norm_type`-norm above `max_norm`, it is first scaled down to that norm, in the table
        itself.
    norm_type : float, default 2.0
        The p of the p-norm for `max_norm`.
    scale_grad_by_freq : bool, default False
        Whether to divide the gradient of a row by the number of times it occurs in `indices`.

    Raises
    ------
    DTypeError, ShapeError, IndexError
        If the indices are not integers, the table is not 2-d, or an index is out of range.
    """
    weight = shaped(weight)
    if weight.ndim != 2:
        raise ShapeError(f"embedding: weight must have shape (V, D), got {weight.shape}.")
    count = len(weight)
    if padding_idx is not None and not -count <= padding_idx < count:
        raise IndexError(f"embedding: padding_idx {padding_idx} is out of range for a table with {count} rows.")
    indices = _check_indices(indices, count)
    if max_norm is not None:
        _renormalize_rows(weight, np.unique(indices), max_norm, norm_type)
    rows = lookup_rows(weight, indices)
    fixed = values_of(rows)
    if scale_grad_by_freq:
        frequency = np.bincount(indices.ravel(), minlength=count)[indices][..., None]
        rows = fixed + (rows - fixed) / frequency.astype(fixed.dtype)  # the same values: the difference is 0
    return _without_padding(rows, indices, padding_idx, count)


def _without_padding(rows: Any, indices: Array, padding_idx: int | None, count: int) -> Any:
    """Return the rows without a gradient for the padding index."""
    if padding_idx is None:
        return rows
    return where((indices == padding_idx % count)[..., None], values_of(rows), rows)


def _check_indices(indices: Any, count: int) -> Array:
    """Return the indices as an integer array, or raise if one is out of range."""
    indices = to_array(indices)
    if indices.dtype.kind not in "iu" and indices.size:
        raise DTypeError(f"embedding: indices must be integers, got {indices.dtype}.")
    if indices.size and not (indices.min() >= 0 and indices.max() < count):
        raise IndexError(
            f"embedding: indices must be from 0 to {count - 1}, got indices from {indices.min()} to {indices.max()}."
        )
    return indices.astype(np.intp, copy=False)


def _renormalize_rows(weight: Any, indices: Array, max_norm: float, norm_type: float) -> None:
    """Scale the rows at `indices` down to `max_norm` if their norm is larger, in place and in one assignment."""
    rows = values_of(weight)[indices]
    norms = np.linalg.norm(rows, norm_type, axis=1)
    too_long = norms > max_norm
    if too_long.any():
        # 1e-7 as in PyTorch, against rounding errors
        scaled = rows[too_long] * (max_norm / (norms[too_long, None] + 1e-7))
        (weight.data if isinstance(weight, Tensor) else weight)[indices[too_long]] = scaled
