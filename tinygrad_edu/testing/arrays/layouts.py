"""Memory layouts of arrays: copies in a given layout, and in the layout of another array."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array


def fortran(x: Array) -> Array:
    """Return a copy of x whose first axis varies fastest in memory."""
    return np.array(x, order="F")


def strided(x: Array) -> Array:
    """Return a copy of x that is every second element of a buffer."""
    return np.repeat(x, 2, axis=-1)[..., ::2]


def transposed_memory(x: Array) -> Array:
    """Return a copy of x whose last two axes are exchanged in memory."""
    return np.array(x.mT, order="C").mT if x.ndim > 1 else x.copy()


def sliced(x: Array) -> Array:
    """Return a copy of x that is the inner part of a buffer with one more element at both ends of the last axis."""
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(1, 1)])[..., 1:-1]


def backwards(x: Array) -> Array:
    """Return a copy of x with negative strides along every axis."""
    every = (slice(None, None, -1),) * x.ndim
    return np.array(x[every], order="C")[every]


def stride0(x: Array) -> Array:
    """Return the first row of x, broadcast to the shape of x: read-only, with stride 0."""
    return np.broadcast_to(np.array(x[:1]), x.shape)


def offset(x: Array) -> Array:
    """Return a copy of x that starts one element into its buffer."""
    return np.insert(x, 0, 0)[1:].reshape(x.shape)


def readonly(x: Array) -> Array:
    """Return a copy of x that cannot be written to."""
    return np.broadcast_to(np.array(x, order="C"), x.shape)


# Functions that copy an array to another memory layout. The shape and dtype do not change.
LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "fortran": fortran, "strided": strided, "transposed": transposed_memory, "sliced": sliced, "backwards": backwards,
    "stride0": stride0, "offset": offset, "readonly": readonly,
}  # fmt: skip


def copy_with_strides(x: Array) -> Array:
    """Return a writeable copy of x with the same strides."""
    if not x.size or x.dtype.hasobject:
        return x.copy()
    low, high = np.lib.array_utils.byte_bounds(x)
    again: Array = np.ndarray(x.shape, x.dtype, np.zeros(high - low, np.uint8), x.ctypes.data - low, x.strides)
    again[...] = x
    return again


def copy_with_layout_of(values: Array, like: Array) -> Array:
    """Return a copy of `values` with the axis order, axis directions and gaps of `like`.

    An axis of stride 0 becomes an ordinary axis.

    Examples
    --------
    >>> copy_with_layout_of(np.zeros((2, 3)), np.ones((3, 2)).T[::-1]).strides
    (-8, 16)
    """
    return layout_of(like)(values)


def layout_of(like: Array) -> Callable[[Array], Array]:
    """Return the function that copies values as `copy_with_layout_of` does, for many copies."""
    if like.flags.c_contiguous:
        return partial(np.array, order="C")
    ahead: Any = (*(slice(None, None, -1 if stride < 0 else 1) for stride in like.strides), ...)
    outermost_first = sorted(range(like.ndim), key=lambda axis: -abs(like.strides[axis]))
    dense = like[ahead].transpose(outermost_first).flags.c_contiguous
    shape = [*(like.shape[axis] for axis in outermost_first), 1 if dense else 2]
    order = np.argsort(outermost_first).tolist()

    def copied(values: Array) -> Array:
        memory: Array = np.empty(shape, values.dtype)[..., 0]
        copy: Array = memory.transpose(order)[ahead]
        copy[...] = values
        return copy

    return copied
