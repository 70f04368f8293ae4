"""Ops that move elements and leave their values alone. Each rule puts them back where they came from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, op, unbroadcast

__all__ = [
    "broadcast_to",
    "concatenate",
    "expand_dims",
    "flip",
    "pad",
    "reshape",
    "squeeze",
    "stack",
    "swapaxes",
    "transpose",
]


@op
def identity(x: Array) -> Array:
    """Return a copy of x: the same values in memory, and with a node, of its own."""
    return np.array(x)


identity.vjps(x=lambda g: g)


@op
def reshape(x: Array, /, shape: Any) -> Array:
    """Return x with the same elements in another shape; one length may be -1, and is worked out."""
    return np.reshape(x, shape)


reshape.vjps(x=lambda g, x_shape: reshape(g, x_shape))


@op
def transpose(x: Array, /, axes: Sequence[int] | None = None) -> Array:
    """Return x with its axes in the order `axes`, or reversed."""
    return np.transpose(x, axes)


transpose.vjps(x=lambda g, axes: transpose(g, None if axes is None else inverse(axes)))


def inverse(axes: Sequence[int]) -> tuple[int, ...]:
    """Return the axes that undo a transposition."""
    places = [axis % len(axes) for axis in axes]
    return tuple(places.index(axis) for axis in range(len(axes)))


@op
def swapaxes(x: Array, /, axis1: int, axis2: int) -> Array:
    """Return x with two of its axes exchanged."""
    return np.swapaxes(x, axis1, axis2)


swapaxes.vjps(x=lambda g, axis1, axis2: swapaxes(g, axis1, axis2))


@op
def expand_dims(x: Array, /, axis: Any) -> Array:
    """Return x with new axes of length 1 at the positions `axis` of the result."""
    return np.expand_dims(x, axis)


expand_dims.vjps(x=lambda g, x_shape: reshape(g, x_shape))


@op
def squeeze(x: Array, /, axis: Any = None) -> Array:
    """Return x without its axes of length 1: all of them, or those in `axis`."""
    return np.squeeze(x, axis)


squeeze.vjps(x=lambda g, x_shape: reshape(g, x_shape))


@op
def broadcast_to(x: Array, /, shape: Any) -> Array:
    """Return x repeated along new axes and axes of length 1, as a read-only view."""
    return np.broadcast_to(x, shape)


broadcast_to.vjps(x=lambda g, x_shape: unbroadcast(g, x_shape))


@op
def flip(x: Array, /, axis: Any = None) -> Array:
    """Return x in reversed order along `axis`: all axes, one, or several."""
    return np.flip(x, axis)


flip.vjps(x=lambda g, axis: flip(g, axis))


@op
def pad(x: Array, /, pad_width: Any, constant_values: float = 0) -> Array:
    """Return x surrounded by a constant; `pad_width` is NumPy's: for each axis a pair (before, after), or a dict."""
    return np.pad(x, pad_width, constant_values=constant_values)


def _core(pad_width: Any, shape: tuple[int, ...]) -> tuple[slice, ...]:
    if isinstance(pad_width, dict):  # by axis; the others have no border
        by_axis = {axis % len(shape): width for axis, width in pad_width.items()}
        pad_width = [np.broadcast_to(by_axis.get(axis, 0), 2) for axis in range(len(shape))]
    widths = np.broadcast_to(pad_width, (len(shape), 2))
    return tuple(slice(int(before), int(before) + n) for (before, _), n in zip(widths, shape, strict=True))


pad.vjps(x=lambda g, x_shape, pad_width: g[_core(pad_width, x_shape)])


@op
def concat(*arrays: Array, axis: int, ends: ndarray) -> Array:
    """Return the arrays one after the other along `axis`; of several dtypes, in the widest.

    `ends` says where along the axis each of them ends.
    """
    return np.concatenate(arrays, axis)


def _concat_arrays(g: Any, k: int, axis: int, ends: ndarray) -> Any:
    index = [slice(None)] * g.ndim
    index[axis] = slice(int(ends[k - 1]) if k else 0, int(ends[k]))
    return g[tuple(index)]


concat.vjps(arrays=_concat_arrays)


def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """Return a list of arrays one after the other along an existing axis; flattened first if `axis` is None."""
    arrays = [reshape(a, -1) for a in arrays] if axis is None else list(arrays)
    along = 0 if axis is None else axis
    lengths = [np.shape(a)[along] if -np.ndim(a) <= along < np.ndim(a) else 0 for a in arrays]
    return concat(*arrays, axis=along, ends=np.cumsum(lengths))


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Return a list of arrays of one shape side by side along a new axis."""
    return concatenate([expand_dims(a, axis) for a in arrays], axis)
