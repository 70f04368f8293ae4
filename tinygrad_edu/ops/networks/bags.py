"""Lookup of bags of vectors."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_edu.engine import Array, Tensor, TensorLike, shape_of, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.ops.elementwise.selection import maximum, where
from tinygrad_edu.ops.indices.nondifferentiable import any
from tinygrad_edu.ops.networks.embeddings import embedding, lookup_rows, scatter_add_rows
from tinygrad_edu.ops.reductions.reduction import max
from tinygrad_edu.ops.shapes.shape import expand_dims, reshape, shaped

__all__ = ["embedding_bag"]


def embedding_bag(
    input: ArrayLike, weight: TensorLike, offsets: ArrayLike | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, mode: Literal["mean", "sum", "max"] = "mean",
    *, per_sample_weights: TensorLike | None = None, include_last_offset: bool = False, padding_idx: int | None = None,
) -> Tensor | Array:  # fmt: skip
    """Return the sum, the mean or the maximum of the rows of a table at each bag of indices: one row for each bag.

    Parameters
    ----------
    input : (bags, L) integers, or (n,) with offsets
        Indices of rows.
    weight : (V, D)
        The table.
    offsets : (bags,) integers, optional
        Start of each bag in a 1-D input. The first is 0, and none is less than the previous one.
    max_norm : float, optional
        Greatest norm of a row, as in `embedding`.
    norm_type : float, default 2.0
        The p of the p-norm for `max_norm`.
    scale_grad_by_freq : bool, default False
        Whether to divide the gradient of a row by the number of times it occurs in the input.
    mode : {"mean", "sum", "max"}, default "mean"
        Reduction of a bag. The result of an empty bag is zeros. Equal maxima share the gradient evenly.
    per_sample_weights : of the shape of the input, optional
        Factor of each row, for the mode "sum".
    include_last_offset : bool, default False
        Whether the last offset is the number of all indices, rather than the start of a bag.
    padding_idx : int, optional
        Index that is left out of each bag; a negative one counts from the end.

    Raises
    ------
    DTypeError, ShapeError, ValueError
        The indices, offsets or weights do not fit, the mode is unknown, or weights are given and the mode is not "sum".
    IndexError
        `padding_idx` or an index is out of range.

    Examples
    --------
    >>> embedding_bag([0, 1, 2], np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]]), [0, 2], mode="sum")
    array([[4., 6.],
           [5., 9.]])
    """
    if mode not in ("mean", "sum", "max"):
        raise invalid_choice("embedding_bag: mode", mode, ("mean", "sum", "max"))
    indices = shaped(input)
    bag, count = _bag_of_each(indices.shape, offsets, include_last_offset)
    flat = reshape(indices, (-1,))
    rows = embedding(flat, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq)
    if per_sample_weights is not None:
        rows = rows * _checked_weights(per_sample_weights, indices.shape, mode)
    counts = None if padding_idx is None else flat != padding_idx % shape_of(weight)[0]
    if mode == "max":
        return _maximum_of_bags(rows, counts, bag, count)
    if counts is not None:
        rows = where(expand_dims(counts, 1), rows, 0.0)
    total = scatter_add_rows(rows, bag, count)
    return total if mode == "sum" else total / _sizes(counts, bag, count, total.dtype)


def _bag_of_each(shape: tuple[int, ...], offsets: Any, include_last_offset: bool) -> tuple[Any, int]:
    """Return the bag of each index, and the number of bags."""
    if len(shape) == 2 and offsets is None:
        return np.repeat(np.arange(shape[0]), shape[1]), shape[0]
    if len(shape) != 1 or offsets is None:
        given = "with offsets" if offsets is not None else "without offsets"
        raise ShapeError(
            f"embedding_bag: the input must have shape (bags, L), or (n,) with offsets, got {shape} {given}."
        )
    starts = _checked_offsets(offsets, shape[0])
    if include_last_offset:
        if not starts.size or starts[-1] != shape[0]:
            raise ValueError(f"embedding_bag: the last offset must be the number of indices, {shape[0]}.")
        starts = starts[:-1]
    elif shape[0] and not starts.size:
        raise ValueError("embedding_bag: offsets must begin with 0, got no offsets.")
    return np.repeat(np.arange(len(starts)), np.diff(starts, append=shape[0])), len(starts)


def _checked_offsets(offsets: Any, count: int) -> Any:
    """Return the offsets of bags in `count` indices, or raise."""
    starts = np.asarray(values_of(offsets))
    if starts.ndim != 1:
        raise ShapeError(f"embedding_bag: offsets must have 1 axis, got shape {starts.shape}.")
    if starts.dtype.kind not in "iu" and starts.size:
        raise DTypeError(f"embedding_bag: offsets must be integers, got {starts.dtype}.")
    starts = starts.astype(np.intp)
    if starts.size and (starts[0] != 0 or (np.diff(starts) < 0).any() or starts[-1] > count):
        raise ValueError(
            f"embedding_bag: offsets must begin with 0, increase, and be at most {count}, the number of indices, got "
            f"{starts.tolist()}."
        )
    return starts


def _checked_weights(weights: Any, shape: tuple[int, ...], mode: str) -> Any:
    """Return the weights as a column."""
    if mode != "sum":
        raise ValueError(f"embedding_bag: per_sample_weights need mode='sum', got mode={mode!r}.")
    weights = shaped(weights)
    if weights.shape != shape:
        raise ShapeError(f"embedding_bag: per_sample_weights must have shape {shape}, got {weights.shape}.")
    return reshape(weights, (-1, 1))


def _sizes(counts: Any, bag: Any, count: int, dtype: Any) -> Any:
    """Return the number of rows in each bag, at least 1, as a column."""
    if counts is None:
        sizes: Any = np.bincount(bag, minlength=count)[:, None].astype(dtype)
    else:
        sizes = scatter_add_rows(where(expand_dims(counts, 1), np.ones((), dtype), 0.0), bag, count)
    return maximum(sizes, 1)


def _maximum_of_bags(rows: Any, counts: Any, bag: Any, count: int) -> Any:
    """Return the maximum of the rows of each bag, from a table with as many columns as the longest bag has rows."""
    sizes = np.bincount(bag, minlength=count)
    longest = sizes.max(initial=1)
    columns = np.arange(longest) < sizes[:, None]
    places = np.where(columns, (np.cumsum(sizes) - sizes)[:, None] + np.arange(longest), 0)
    if not len(rows):
        return scatter_add_rows(rows, bag, count)
    if counts is not None:
        columns = columns & counts[places]
    columns = expand_dims(columns, 2)
    largest = max(where(columns, lookup_rows(rows, places), -np.inf), axis=1)
    return where(any(columns, axis=1), largest, 0.0)
