"""Taking elements by index, and its transpose: adding them up where they were taken from."""

from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, Tensor, op

__all__ = ["getitem", "scatter_add"]


@op
def getitem(x: Array, /, index: Any) -> Array:
    """Return x[index], for every kind of index that NumPy has: slices, integers, arrays, masks, and mixtures."""
    return x[index]


@op
def scatter_add(x: Array, /, index: Any, shape: Any) -> Array:
    """Return zeros of `shape` with the elements of x added at `index`: an element taken twice gets two."""
    out = np.zeros(shape, np.asarray(x).dtype)
    if _is_basic(index):
        out[index] = x
    else:
        np.add.at(out, index, x)
    return out


getitem.vjps(x=lambda g, x_shape, index: scatter_add(g, index, x_shape))
scatter_add.vjps(x=lambda g, index: getitem(g, index))


def _is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(isinstance(part, int | np.integer | slice | type(None) | type(...)) for part in parts)


def plain_index(index: Any) -> Any:
    """Return an index with arrays for the lists and Tensors in it."""
    if isinstance(index, tuple):
        return tuple(plain_index(part) for part in index)
    if isinstance(index, Tensor):
        return index.numpy()
    return (np.array(index) if index else np.empty(0, np.intp)) if isinstance(index, list) else index
