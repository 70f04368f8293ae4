"""Reshaping, transposing, broadcasting, flipping and rolling. Each vjp is the inverse or the transpose of its op."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Literal

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_edu import core
from tinygrad_edu.engine import Array, MappedCall, Tensor, TensorLike, extend, op, to_array
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import invalid_choice

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "broadcast_to", "expand_dims", "flatten", "flip",
    "fliplr", "flipud", "moveaxis", "ravel", "reshape", "roll", "rot90", "squeeze", "swapaxes", "transpose",
]  # fmt: skip


def holds_floats(x: Any) -> bool:
    """Return whether x is a floating-point Tensor or array."""
    return isinstance(x, (Tensor, ndarray)) and x.dtype.kind == "f"


def shaped(x: Any) -> Any:
    """Return a Tensor or an array unchanged; convert anything else to an array."""
    return x if isinstance(x, (Tensor, ndarray)) else to_array(x)


@op(name="copy", batching="elementwise")
def identity(x: Array) -> Array:
    """Return a copy of x with its own storage and its own node."""
    return np.array(x)


identity.vjps(x=lambda g: g)


# --- Change the shape ---


def _reshape_samples(batch: MappedCall) -> Any:
    shape, order = batch.settings["shape"], batch.settings["order"]
    lengths = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    if order == "C" or not lengths:
        return batch.on_leading(shape=_with_inferred(lengths, batch), order="C")
    by_columns = batch.with_inputs(_reversed_behind(batch.inputs[0]))
    return _reversed_behind(by_columns.on_leading(shape=_with_inferred(lengths[::-1], batch), order="C"))


def _with_inferred(lengths: tuple[Any, ...], batch: MappedCall) -> tuple[Any, ...]:
    """Return the shape of all samples. A length of -1 is inferred from a sample, as the samples may be empty."""
    if sum(n == -1 for n in lengths) == 1:
        known, size = prod(n for n in lengths if n != -1), prod(batch.sample_shape())
        if known and size % known == 0:
            lengths = tuple(size // known if n == -1 else n for n in lengths)
    return (batch.size, *lengths)


def _reversed_behind(x: Any) -> Any:
    """Reverse the axes behind the first."""
    return transpose(x, (0, *range(x.ndim - 1, 0, -1)))


reshape = extend(
    core.reshape,
    batching=_reshape_samples,
    doc="""Return x with a new shape. One length may be -1; it is inferred.

    Order "C" reads and writes the elements with the last index changing fastest, order "F" with the first. NumPy's
    orders "A" and "K" depend on the memory layout and are not supported.
    """,
)
_reshape_values = reshape.forward


@reshape.replace_forward
def reshape_checked(x: Array, /, shape: Any, order: Literal["C", "F"] = "C") -> Any:
    """Refuse orders that depend on the memory layout, and reshape."""
    if order not in ("C", "F"):
        raise invalid_choice("reshape: order", order, ("C", "F"))
    return _reshape_values(x, shape, order)


def ravel(x: TensorLike, /, order: Literal["C", "F"] = "C") -> Tensor | Array:
    """Flatten x to 1-d, as a view if possible; see `reshape` for `order`."""
    return reshape(x, -1, order)


def flatten(x: TensorLike, /, start_axis: int = 0, end_axis: int = -1) -> Tensor | Array:
    """Merge the axes from `start_axis` to `end_axis`, inclusive, into one axis; by default all axes.

    As in PyTorch, the result is a view if possible. A 0-d x becomes 1-d.

    Raises
    ------
    ShapeError
        If `start_axis` is after `end_axis`.
    """
    x = shaped(x)
    lengths = x.shape or (1,)
    first, last = (normalize_axis_index(axis, len(lengths)) for axis in (start_axis, end_axis))
    if first > last:
        raise ShapeError(f"flatten: start_axis {start_axis} must not be after end_axis, for shape {x.shape}.")
    return reshape(x, (*lengths[:first], prod(lengths[first : last + 1]), *lengths[last + 1 :]))


def _expand_samples(batch: MappedCall) -> Any:
    axis = batch.settings["axis"]
    count = len(axis) if isinstance(axis, tuple | list) else 1
    return batch.on_leading(axis=batch.shifted(axis, batch.sample_ndim() + count))


@op(batching=_expand_samples)
def expand_dims(x: Array, /, axis: Any) -> Array:
    """Insert axes of length 1 at the positions `axis` of the result."""
    return np.expand_dims(x, axis)


expand_dims.vjps(x=lambda g, x_shape: reshape(g, x_shape))


def _squeeze_samples(batch: MappedCall) -> Any:
    axis = batch.settings["axis"]
    ones = tuple(a for a, n in enumerate(batch.sample_shape()) if n == 1)
    return batch.on_leading(axis=batch.shifted(ones if axis is None else axis))


@op(batching=_squeeze_samples)
def squeeze(x: Array, /, axis: Any = None) -> Array:
    """Remove all axes of length 1, or only those in `axis`."""
    return np.squeeze(x, axis)


squeeze.vjps(x=lambda g, x_shape: reshape(g, x_shape))


def atleast_1d(*arrays: TensorLike) -> Tensor | Array | tuple[Tensor | Array, ...]:
    """Return each array with at least 1 axis: () becomes (1,). For several arrays, return a tuple."""
    return _reshape_each(lambda shape: shape or (1,), arrays)


def atleast_2d(*arrays: TensorLike) -> Tensor | Array | tuple[Tensor | Array, ...]:
    """Return each array with at least 2 axes: (n,) becomes (1, n). For several arrays, return a tuple."""
    return _reshape_each(lambda shape: (1,) * (2 - len(shape)) + shape, arrays)


def atleast_3d(*arrays: TensorLike) -> Tensor | Array | tuple[Tensor | Array, ...]:
    """Return each array with at least 3 axes: (n,) becomes (1, n, 1), and (m, n) becomes (m, n, 1)."""
    return _reshape_each(lambda shape: {0: (1, 1, 1), 1: (1, *shape, 1), 2: (*shape, 1)}.get(len(shape), shape), arrays)


def _reshape_each(widened: Any, arrays: Sequence[Any]) -> Any:
    """Reshape each array to `widened` of its shape; return one result or a tuple."""
    inputs = [shaped(x) for x in arrays]
    outputs = tuple(x if widened(x.shape) == x.shape else reshape(x, widened(x.shape)) for x in inputs)
    return outputs[0] if len(outputs) == 1 else outputs


# --- Broadcast ---


def _broadcast_samples(batch: MappedCall) -> Any:
    (x,), shape = batch.inputs, batch.settings["shape"]
    shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    padded = (*[1] * (len(shape) - batch.sample_ndim()), *batch.sample_shape())
    return batch.with_inputs(reshape(x, (batch.size, *padded))).on_leading(shape=(batch.size, *shape))


broadcast_to = extend(
    core.broadcast_to, batching=_broadcast_samples, doc="Broadcast x to a shape. The result is a read-only view."
)


def broadcast_arrays(*arrays: TensorLike) -> tuple[Tensor | Array, ...]:
    """Broadcast the arrays to their common shape, as read-only views; return arrays of that shape unchanged.

    Raises
    ------
    ShapeError
        If the shapes are not broadcastable.
    """
    inputs = [shaped(x) for x in arrays]
    try:
        shape = np.broadcast_shapes(*(x.shape for x in inputs))
    except ValueError as error:
        raise ShapeError(f"broadcast_arrays: shapes {[x.shape for x in inputs]} are not broadcastable.") from error
    return tuple(x if x.shape == shape else broadcast_to(x, shape) for x in inputs)


# --- Permute the axes ---


def _transpose_samples(batch: MappedCall) -> Any:
    axes = batch.settings["axes"]
    axes = range(batch.sample_ndim())[::-1] if axes is None else axes
    return batch.on_leading(axes=(0, *batch.shifted(tuple(axes))))


transpose = extend(
    core.transpose,
    batching=_transpose_samples,
    doc="Permute the axes of x to the order `axes`; by default reverse them.",
)


@op(
    batching=lambda batch: batch.on_leading(
        axis1=batch.shifted(batch.settings["axis1"]), axis2=batch.shifted(batch.settings["axis2"])
    )
)
def swapaxes(x: Array, /, axis1: int, axis2: int) -> Array:
    """Swap two axes of x."""
    return np.swapaxes(x, axis1, axis2)


swapaxes.vjps(x=lambda g, axis1, axis2: swapaxes(g, axis1, axis2))


@op(
    batching=lambda batch: batch.on_leading(
        source=batch.shifted(batch.settings["source"]), destination=batch.shifted(batch.settings["destination"])
    )
)
def moveaxis(x: Array, /, source: Any, destination: Any) -> Array:
    """Move one or several axes from `source` to `destination`; the other axes keep their order."""
    return np.moveaxis(x, source, destination)


moveaxis.vjps(x=lambda g, source, destination: moveaxis(g, destination, source))


# --- Reorder the elements along axes ---


@op(batching="axis")
def flip(x: Array, /, axis: Any = None) -> Array:
    """Reverse the order of elements along one or several axes, by default all."""
    return np.flip(x, axis)


flip.vjps(x=lambda g, axis: flip(g, axis))


def fliplr(x: TensorLike, /) -> Tensor | Array:
    """Reverse x along axis 1, left to right."""
    return flip(x, 1)


def flipud(x: TensorLike, /) -> Tensor | Array:
    """Reverse x along axis 0, up to down."""
    return flip(x, 0)


@op(batching=lambda batch: batch.on_leading(axes=batch.shifted(tuple(batch.settings["axes"]))))
def rot90(x: Array, /, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """Rotate x by k * 90 degrees in the plane of two axes, from the first towards the second."""
    return np.rot90(x, k, axes)


rot90.vjps(x=lambda g, k, axes: rot90(g, -k, axes))


def _roll_samples(batch: MappedCall) -> Any:
    axis = batch.settings["axis"]
    if axis is not None:
        return batch.on_leading(axis=batch.shifted(axis))
    rows = batch.with_inputs(reshape(batch.inputs[0], (batch.size, prod(batch.sample_shape()))))
    return reshape(rows.on_leading(shift=np.sum(batch.settings["shift"]), axis=1), batch.inputs[0].shape)


@op(batching=_roll_samples)
def roll(x: Array, /, shift: Any, axis: Any = None) -> Array:
    """Roll the elements of x by `shift` positions along `axis`; elements beyond the end wrap around.

    Several shifts need several axes. If `axis` is None, x is flattened, rolled and reshaped back.
    """
    return np.roll(x, shift, axis)


roll.vjps(x=lambda g, shift, axis: roll(g, -np.asarray(shift, int), axis))


# --- Methods of Tensor ---


def reshape_to_lengths(self: Tensor, *shape: Any, order: Any = "C") -> Tensor:
    """Reshape the tensor, as `reshape`: ``t.reshape(2, 3)`` or ``t.reshape((2, 3))``."""
    return reshape.call(self, _shape_from_args(shape), order)


def transpose_by_axes(self: Tensor, *axes: Any) -> Tensor:
    """Permute the axes, as `transpose`: ``t.transpose(1, 0)``; ``t.transpose()`` reverses them."""
    if len(axes) == 2 and all(isinstance(axis, int) for axis in axes):
        _refuse_axis_swap(self.ndim, *axes)
    return transpose.call(self, _shape_from_args(axes) if axes else None)


def _refuse_axis_swap(ndim: int, first: int, second: int) -> None:
    """Raise for axes that PyTorch's transpose would swap, if NumPy's would raise or leave the axes in place."""
    if ndim != 2 or (first % 2, second % 2) == (0, 1):
        raise ShapeError(
            f"transpose({first}, {second}) must list the order of all {ndim} axes, as in NumPy; to swap two, as in "
            f"PyTorch, use swapaxes({first}, {second})"
            + (f"; to keep both in place, use transpose(({first}, {second}))." if ndim == 2 else ".")
        )


def _shape_from_args(arguments: tuple[Any, ...]) -> Any:
    """Return the shape of ``t.reshape(2, 3)`` or ``t.reshape((2, 3))``."""
    return arguments[0] if len(arguments) == 1 and not isinstance(arguments[0], int) else arguments
