"""Indexing, and its transpose, scatter_add."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, IndexedSlices, Tensor, TensorLike, add_at, op
from tinygrad_edu.ops.fast.indices import getitem_values
from tinygrad_edu.plain_mode import faster_than

__all__ = ["getitem", "scatter_add"]


@op
def getitem(x: Array, /, index: Any) -> Array:
    """Return x[index], for every index that NumPy supports: slices, integers, arrays, masks and mixtures."""
    return getitem_values(x, index)


@op(name="scatter_add")
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
        return index.numpy()
    return (np.array(index) if index else np.empty(0, np.intp)) if isinstance(index, list) else index
