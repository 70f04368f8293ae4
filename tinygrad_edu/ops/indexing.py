"""Indexing, and its transpose, scatter_add."""

from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, Parts, Tensor, add_at, op
from tinygrad_edu.ops.fast.indices import taken

__all__ = ["getitem", "scatter_add"]


@op
def getitem(x: Array, /, index: Any) -> Array:
    """Return x[index], for every kind of index that NumPy has: slices, integers, arrays, masks, and mixtures."""
    return taken(x, index)


@op(name="scatter_add")
def scatter(*arrays: Array, indices: tuple[Any, ...], shape: tuple[int, ...]) -> Array:
    """Return zeros of `shape` with each of the arrays added at its index."""
    out = np.zeros(shape, np.result_type(*arrays))
    for index, values in zip(indices, arrays, strict=True):
        add_at(out, index, values)
    return out


getitem.vjps(x=lambda g, x_shape, index: Parts([g], [index], x_shape, scatter))
scatter.vjps(arrays=lambda g, k, indices: getitem(g, indices[k]))


def scatter_add(x: Any, index: Any, shape: Any) -> Any:
    """Return zeros of `shape` with the elements of x added at `index`: an element taken twice gets two."""
    return scatter(x, indices=(index,), shape=shape)


def plain_index(index: Any) -> Any:
    """Return an index with arrays for the lists and Tensors in it."""
    if isinstance(index, tuple):
        return tuple(plain_index(part) for part in index)
    if isinstance(index, Tensor):
        return index.numpy()
    return (np.array(index) if index else np.empty(0, np.intp)) if isinstance(index, list) else index
