"""Indexing, and its transpose, scatter_add."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.engine import (
    Array,
    Batch,
    IndexedSlices,
    Mapped,
    Tensor,
    TensorLike,
    add_at,
    aligned,
    bare,
    levels_of,
    op,
    values_of,
)
from tinygrad_edu.ops.fast.indices import getitem_values
from tinygrad_edu.plain_mode import faster_than

__all__ = ["getitem", "scatter_add"]


def _getitem_of_samples(batch: Batch) -> Any:
    index = _as_tuple(batch.settings["index"])
    if any(isinstance(part, Mapped) for part in index):
        return _getitem_by_samples(batch, index)
    moved = _leading_axes(index)
    if moved is None or not batch.mapped[0]:
        return NotImplemented
    out = batch.on_leading(index=(slice(None), *index))
    return out.moveaxis(moved, 0) if moved else out


_getitem_of_samples.takes_mapped_settings = True  # type: ignore[attr-defined]


def _as_tuple(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def _leading_axes(index: tuple[Any, ...]) -> int | None:
    """Return the number of axes that x[:, index] puts before the axis of the samples; None for an unusual index.

    NumPy puts the axes of arrays first if a slice, None or an ellipsis separates them.
    """
    if any(
        isinstance(part, bool | np.bool_ | list | Tensor) or (np.shape(part) == () and _is_mask(part)) for part in index
    ):
        return None
    arrays = [k for k, part in enumerate(index) if isinstance(part, np.ndarray | int | np.integer)]
    if not any(isinstance(index[k], np.ndarray) for k in arrays) or arrays == list(range(arrays[0], arrays[-1] + 1)):
        return 0
    shapes = [(1,) if _is_mask(index[k]) else np.shape(index[k]) for k in arrays]
    return len(np.broadcast_shapes(*shapes))


def _is_mask(part: Any) -> bool:
    return getattr(part, "dtype", None) == bool


def _getitem_by_samples(batch: Batch, index: tuple[Any, ...]) -> Any:
    """Index by integers that differ between the samples, in the first axes of x."""
    integers = [part for part in index if isinstance(part, Tensor | np.ndarray | int | np.integer)]
    if len(integers) < len(index) or any(_is_mask(part) or isinstance(part, bool) for part in index):
        return NotImplemented
    on = [bool(levels_of(part)) for part in integers]
    if any(len(levels_of(part)) > 1 for part in integers):
        return NotImplemented
    parts = aligned(
        [bare(part)._data if is_on else part for part, is_on in zip(integers, on, strict=True)], on, batch.size
    )
    if not batch.mapped[0]:
        return batch.on_leading(index=tuple(parts))
    ndim = max(np.ndim(part) for part in parts)
    own = np.arange(batch.size).reshape((batch.size, *[1] * (ndim - 1)))
    return batch.on_leading(index=(own, *parts))


@op(batching=_getitem_of_samples)
def getitem(x: Array, /, index: Any) -> Array:
    """Return x[index], for every index that NumPy supports: slices, integers, arrays, masks and mixtures."""
    return getitem_values(x, index)


def _scatter_samples(batch: Batch) -> Any:
    shape = batch.settings["shape"]
    shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    indices = [_as_tuple(index) for index in batch.settings["indices"]]
    if any(_leading_axes(index) != 0 for index in indices):
        return NotImplemented
    indices = [(slice(None), *index) for index in indices]
    return batch.spread().on_leading(indices=tuple(indices), shape=(batch.size, *shape))


@op(name="scatter_add", batching=_scatter_samples)
def scatter(*arrays: Array, indices: tuple[Any, ...], shape: tuple[int, ...]) -> Array:
    """Return zeros of `shape` with each array added at its index."""
    out = np.zeros(shape, np.result_type(*arrays))
    for index, values in zip(indices, arrays, strict=True):
        add_at(out, index, values)
    return out


def plain_getitem_vjp(g: Any, x_shape: tuple[int, ...], index: Any) -> Any:
    """Return the gradient of x: zeros with g added at the index."""
    return scatter(g, indices=(index,), shape=x_shape)


@faster_than(plain_getitem_vjp)
def getitem_vjp(g: Any, x_shape: tuple[int, ...], index: Any) -> Any:
    """Return `plain_getitem_vjp` as slices, without zeros: the engine adds all slices of an array into one array."""
    return IndexedSlices([g], [index], x_shape, scatter)


getitem.vjps(x=getitem_vjp)
scatter.vjps(arrays=lambda g, k, indices: getitem(g, indices[k]))


def scatter_add(x: TensorLike, index: Any, shape: Any) -> Tensor | Array:
    """Return zeros of `shape` with the elements of x added at `index`; repeated indices accumulate."""
    return scatter(x, indices=(index,), shape=shape)


def plain_index(index: Any) -> Any:
    """Return an index with its lists and Tensors converted to arrays."""
    if isinstance(index, tuple):
        return tuple(plain_index(part) for part in index)
    if isinstance(index, Tensor):
        return values_of(index)
    return (np.array(index) if index else np.empty(0, np.intp)) if isinstance(index, list) else index
