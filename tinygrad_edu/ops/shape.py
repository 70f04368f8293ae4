"""Ops that move elements and leave their values alone. Each rule puts them back where they came from."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.engine import unbroadcast
from tinygrad_edu.recorder import Array, op


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
    """Return x surrounded by a constant: `pad_width` as in NumPy, per axis a pair (before, after)."""
    return np.pad(x, pad_width, constant_values=constant_values)


def _core(pad_width: Any, shape: tuple[int, ...]) -> tuple[slice, ...]:
    widths = np.broadcast_to(pad_width, (len(shape), 2))
    return tuple(slice(int(before), int(before) + n) for (before, _), n in zip(widths, shape, strict=True))


pad.vjps(x=lambda g, x_shape, pad_width: g[_core(pad_width, x_shape)])


@op(broadcasts=True)
def concat(*arrays: Array, axis: Any) -> Array:
    """Return the arrays one after the other along `axis`; of several dtypes, in the widest."""
    return np.concatenate(arrays, axis)


def _part(g: Any, k: int, shapes: tuple[tuple[int, ...], ...], axis: int) -> Any:
    before = sum(shape[axis] for shape in shapes[:k])
    index = [slice(None)] * g.ndim
    index[axis] = slice(before, before + shapes[k][axis])
    return g[tuple(index)]


concat.vjps(arrays=lambda g, k, arrays_shapes, axis: _part(g, k, arrays_shapes, axis))


def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """Return a list of arrays one after the other along an existing axis; flattened first if `axis` is None."""
    if axis is None:
        return concat(*(reshape(a, -1) for a in arrays), axis=0)
    return concat(*arrays, axis=axis)


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Return a list of arrays of one shape side by side along a new axis."""
    return concat(*(expand_dims(a, axis) for a in arrays), axis=axis)
