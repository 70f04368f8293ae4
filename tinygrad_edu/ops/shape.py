"""Reshape, transpose, broadcast and reverse. Each derivative undoes the change of shape."""

from collections.abc import Sequence
from math import prod
from typing import Any, Literal

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_edu.engine import Array, Tensor, op, unbroadcast
from tinygrad_edu.errors import ShapeError

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "broadcast_to", "expand_dims", "flatten", "flip",
    "fliplr", "flipud", "moveaxis", "ravel", "reshape", "roll", "rot90", "squeeze", "swapaxes", "transpose",
]  # fmt: skip


def shaped(x: Any) -> Any:
    """Return a Tensor or an array as it is, and of a number or a list an array: something that has a shape."""
    return x if isinstance(x, (Tensor, ndarray)) else np.asarray(x)


@op(name="copy")
def identity(x: Array) -> Array:
    """Return a copy of x: the same values in memory, and with a node, of its own."""
    return np.array(x)


identity.vjps(x=lambda g: g)


# --- Other lengths ---


@op
def reshape(x: Array, /, shape: Any, order: Literal["C", "F"] = "C") -> Array:
    """Return x with the same elements in another shape; one length may be -1, and is worked out.

    In the order "C" they are read and written with the last index changing fastest, in the order "F" with the first.
    NumPy's orders "A" and "K" would read them as they lie in memory, on which no result depends here.
    """
    if order not in ("C", "F"):
        raise ValueError(f'order is "C", the last index changing fastest, or "F", the first; not {order!r}.')
    return np.reshape(x, shape, order)


reshape.vjps(x=lambda g, x_shape, order: reshape(g, x_shape, order))


def ravel(x: Any, /, order: Literal["C", "F"] = "C") -> Any:
    """Return the elements of x along one axis, in an order that `reshape` knows; as a view where it can be one."""
    return reshape(x, -1, order)


def flatten(x: Any, /, start_axis: int = 0, end_axis: int = -1) -> Any:
    """Return x with the axes from `start_axis` to `end_axis`, both included, made into one: all of them, if not said.

    PyTorch's function, so it is a view where it can be one. Of a 0-d x it has one axis.

    Raises
    ------
    ShapeError
        If the one axis lies behind the other.
    """
    x = shaped(x)
    lengths = x.shape or (1,)
    first, last = (normalize_axis_index(axis, len(lengths)) for axis in (start_axis, end_axis))
    if first > last:
        raise ShapeError(f"flatten goes from an axis to a later one; of shape {x.shape}, {start_axis} is the later.")
    return reshape(x, (*lengths[:first], prod(lengths[first : last + 1]), *lengths[last + 1 :]))


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


def atleast_1d(*arrays: Any) -> Any:
    """Return each array as it is, or of shape (1,) if it is 0-d: one result, or a tuple of several."""
    return _reshape_each(lambda shape: shape or (1,), arrays)


def atleast_2d(*arrays: Any) -> Any:
    """Return each array as it is, or as a row, of shape (1, n), if it has no two axes."""
    return _reshape_each(lambda shape: (1,) * (2 - len(shape)) + shape, arrays)


def atleast_3d(*arrays: Any) -> Any:
    """Return each array as it is, or with axes of length 1 up to three: (n,) becomes (1, n, 1), (m, n) (m, n, 1)."""
    return _reshape_each(lambda shape: {0: (1, 1, 1), 1: (1, *shape, 1), 2: (*shape, 1)}.get(len(shape), shape), arrays)


def _reshape_each(widened: Any, arrays: Sequence[Any]) -> Any:
    """Reshape each array to a function of its shape; return one result, or a tuple of several."""
    given = [shaped(x) for x in arrays]
    made = tuple(x if widened(x.shape) == x.shape else reshape(x, widened(x.shape)) for x in given)
    return made[0] if len(made) == 1 else made


# --- Repeated without being copied ---


@op
def broadcast_to(x: Array, /, shape: Any) -> Array:
    """Return x repeated along new axes and axes of length 1, as a read-only view."""
    return np.broadcast_to(x, shape)


broadcast_to.vjps(x=lambda g, x_shape: unbroadcast(g, x_shape))


def broadcast_arrays(*arrays: Any) -> tuple[Any, ...]:
    """Return the arrays, each broadcast to the shape that they have in common: as they are, or read-only views.

    Raises
    ------
    ShapeError
        If they have none in common.
    """
    given = [shaped(x) for x in arrays]
    try:
        shape = np.broadcast_shapes(*(x.shape for x in given))
    except ValueError as error:
        raise ShapeError(f"broadcast_arrays: the shapes {[x.shape for x in given]} do not broadcast.") from error
    return tuple(x if x.shape == shape else broadcast_to(x, shape) for x in given)


# --- The axes in another order ---


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
def moveaxis(x: Array, /, source: Any, destination: Any) -> Array:
    """Return x with an axis, or several, moved from `source` to `destination`; the others keep their order."""
    return np.moveaxis(x, source, destination)


moveaxis.vjps(x=lambda g, source, destination: moveaxis(g, destination, source))


# --- The elements in another order along their axes ---


@op
def flip(x: Array, /, axis: Any = None) -> Array:
    """Return x in reversed order along `axis`: all axes, one, or several."""
    return np.flip(x, axis)


flip.vjps(x=lambda g, axis: flip(g, axis))


def fliplr(x: Any, /) -> Any:
    """Return x with its columns from right to left: in reversed order along axis 1."""
    return flip(x, 1)


def flipud(x: Any, /) -> Any:
    """Return x with its rows from bottom to top: in reversed order along axis 0."""
    return flip(x, 0)


@op
def rot90(x: Array, /, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """Return x turned by k quarters of a circle, from the first of two axes towards the second."""
    return np.rot90(x, k, axes)


rot90.vjps(x=lambda g, k, axes: rot90(g, -k, axes))


@op
def roll(x: Array, /, shift: Any, axis: Any = None) -> Array:
    """Return x with its elements moved by `shift` places along `axis`, and in at the front what leaves at the end.

    Several shifts go with several axes; without an axis, the elements are rolled as if x were flat.
    """
    return np.roll(x, shift, axis)


roll.vjps(x=lambda g, shift, axis: roll(g, -np.asarray(shift, int), axis))
