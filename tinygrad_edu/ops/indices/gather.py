"""Gather and scatter of elements by integer indices along an axis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index
from numpy.typing import ArrayLike

from tinygrad_edu.engine import (
    Array,
    Mapped,
    MappedCall,
    Storage,
    Tensor,
    TensorLike,
    batched,
    op,
    shape_of,
    values_of,
    wrap,
)
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.ops.elementwise.arithmetic import astype
from tinygrad_edu.ops.elementwise.selection import where
from tinygrad_edu.ops.fast import indices as fast
from tinygrad_edu.ops.indices.indexing import getitem
from tinygrad_edu.ops.shapes.shape import broadcast_to, moveaxis, reshape
from tinygrad_edu.shared.speed.plain_mode import faster_than

__all__ = ["put_along_axis", "take", "take_along_axis"]


def _take_of_samples(batch: MappedCall) -> Any:
    (x, indices), axis = batch.inputs, batch.settings["axis"]
    if axis is None:
        x, axis = (x.reshape((batch.size, -1)) if batch.mapped[0] else reshape(x, -1)), 0
    ndim = len(shape_of(x)) - batch.mapped[0]
    if not ndim:
        return NotImplemented
    along = normalize_axis_index(axis, ndim)
    if not batch.mapped[1]:
        return take(x, indices, along + 1, batch.settings["mode"])
    if not batch.mapped[0]:
        return moveaxis(take(x, indices, along, batch.settings["mode"]), along, 0)
    if batch.settings["mode"] != "raise" or isinstance(indices, Mapped):  # by an outer level
        return NotImplemented
    indices = check_indices("take", indices)
    own = np.arange(batch.size).reshape((batch.size, *[1] * (indices.ndim - 1)))
    out, new = moveaxis(x, along + 1, 1)[own, indices], range(1, indices.ndim)
    return moveaxis(out, tuple(new), tuple(k + along for k in new))


def _take_along_of_samples(batch: MappedCall) -> Any:
    if batch.sample_ndim(0) == 0:
        return NotImplemented
    (x, indices), axis = batch.spread().inputs, batch.settings["axis"]
    if axis is None:
        return take_along_axis(reshape(x, (batch.size, math.prod(x.shape[1:]))), indices, 1)
    return take_along_axis(x, indices, batch.shifted(axis))


@batched(_take_of_samples)
def take(x: TensorLike, indices: ArrayLike, axis: int | None = None, mode: str = "raise") -> Tensor | Array:
    """Return the elements of x at `indices` along `axis`, or of the flattened x if `axis` is None.

    Parameters
    ----------
    x : array_like
    indices : array_like of int, of any shape
        Negative indices count from the end.
    axis : int, optional
        Axis of x, replaced in the shape of the result by the shape of `indices`.
    mode : {"raise", "wrap", "clip"}, default "raise"
        Indices out of range raise IndexError, wrap around, or are clipped to the range.
    """
    if axis is None or len(shape_of(x)) == 0:
        x = reshape(x, -1)
    along = normalize_axis_index(axis or 0, len(shape_of(x)))
    indices, n = check_indices("take", indices), shape_of(x)[along]
    if mode not in ("raise", "wrap", "clip"):
        raise invalid_choice("take: mode", mode, ("raise", "wrap", "clip"))
    if mode != "raise" and n:
        indices = indices % n if mode == "wrap" else np.clip(indices, 0, n - 1)
    return getitem(x, (*[slice(None)] * along, indices))


@batched(_take_along_of_samples)
def take_along_axis(x: TensorLike, indices: ArrayLike, axis: int | None = -1) -> Tensor | Array:
    """Return the elements of x at `indices` along `axis`, for matching 1-d slices of x and `indices`.

    Parameters
    ----------
    x : array_like
    indices : array_like of int
        As many axes as x; all but `axis` broadcast with those of x.
    axis : int, default -1
        None flattens x first; `indices` must then be 1-d.

    Examples
    --------
    >>> import numpy as np
    >>> take_along_axis(np.array([[3.0, 5.0], [7.0, 9.0]]), [[1], [0]], axis=1)
    array([[5.],
           [7.]])
    """
    if axis is None:
        x = reshape(x, -1)
    return take_owned(x, _checked_flat_indices("take_along_axis", shape_of(x), indices, -1 if axis is None else axis))


def take_along(x: Any, indices: ndarray, axis: int) -> Any:
    """Return `take_along_axis` without checks: `indices` must be in range, and neither they nor `axis` negative."""
    return take_owned(x, np.asarray(flat_indices(indices, axis, shape_of(x))))


def take_owned(x: Any, indices: ndarray) -> Any:
    """Return `take_flat`. Its node saves the indices without a copy, as they have no other reference."""
    return take_flat(x, wrap(indices, None, Storage()) if isinstance(x, Tensor) else indices)


def _flat_of_samples(batch: MappedCall) -> tuple[Any, Any]:
    """Return the first input and flat indices into all samples of the array that they index."""
    (x, indices), shape = batch.inputs, batch.settings.get("shape", batch.sample_shape())
    indices = values_of(indices) if isinstance(indices, Tensor) else np.asarray(indices)
    if not batch.mapped[1]:
        indices = indices[None]
    offsets = np.arange(batch.size) * math.prod(shape)
    return x, indices + offsets.reshape((batch.size, *[1] * (indices.ndim - 1)))


def _take_flat_of_samples(batch: MappedCall) -> Any:
    if not batch.mapped[0]:
        return batch.on_leading()
    return batch.with_inputs(*_flat_of_samples(batch)).on_leading()


def scatter_flat_of_samples(batch: MappedCall) -> Any:
    """Compute an op on flat indices into a setting `shape`, for all samples in one array."""
    x, indices = _flat_of_samples(batch)
    x = x if batch.mapped[0] else batch.spread().inputs[0]
    return batch.with_inputs(x, indices).on_leading(shape=(batch.size, *batch.settings["shape"]))


@op(name="take_along_axis", promotes=("x",), batching=_take_flat_of_samples)
def take_flat(x: Array, indices: Array) -> Array:
    """Return the elements of the flattened x at `indices`, all nonnegative."""
    return x.reshape(-1).take(indices, mode="wrap")  # all in range: saves NumPy's bounds check


@op(name="scatter_add", promotes=("x",), batching=scatter_flat_of_samples)
def scatter_add_flat(x: Array, indices: Array, /, shape: tuple[int, ...]) -> Array:
    """Return zeros of `shape` with the elements of x added at flat indices: the transpose of `take_flat`."""
    out = np.zeros(shape, np.float32 if x.dtype == np.float16 else x.dtype)  # 2048 + 1 is 2048 in float16
    np.add.at(out.reshape(-1), indices.reshape(-1), x.reshape(-1))
    return out.astype(x.dtype, copy=False)


take_flat.vjps(x=lambda g, x_shape, indices: scatter_add_flat(g, indices, x_shape))
scatter_add_flat.vjps(x=lambda g, indices: take_flat(g, indices))


@batched()
def put_along_axis(x: TensorLike, indices: ArrayLike, values: TensorLike, axis: int | None) -> Tensor | Array:
    """Return x with `values` at the positions that `take_along_axis` reads. Unlike NumPy's, it does not write into x.

    Gradients flow to the elements of x and the values that remain. At a repeated index the last value remains.

    Parameters
    ----------
    x : array_like
    indices : array_like of int
        As in `take_along_axis`.
    values : array_like
        Broadcast to the shape that ``take_along_axis`` would return, and cast to the dtype of x.
    axis : int or None
        None indexes the flattened x; the result has the shape of x.
    """
    shape = shape_of(x) if axis is not None else (np.size(values_of(x)),)
    flat = _checked_flat_indices("put_along_axis", shape, indices, -1 if axis is None else axis)
    source = np.full(math.prod(shape), -1)
    source[flat] = np.arange(flat.size).reshape(flat.shape)  # index into values of each result element; -1: x
    source = source.reshape(shape_of(x))
    placed = take_owned(broadcast_to(_cast_values(x, values), flat.shape), np.maximum(source, 0)) if flat.size else x
    return where(source >= 0, placed, x)


def _cast_values(x: Any, values: Any) -> Any:
    """Cast the values to the dtype of x; raise rather than truncate floats to integers."""
    x_dtype, values_dtype = np.asarray(values_of(x)).dtype, np.asarray(values_of(values)).dtype
    if x_dtype.kind in "iub" and values_dtype.kind == "f":
        raise DTypeError(
            f"put_along_axis: cannot put values of dtype {values_dtype} into x of dtype {x_dtype}; use astype()."
        )
    return values if x_dtype == values_dtype else astype(values, x_dtype)


def plain_flat_indices(indices: ndarray, axis: int, shape: tuple[int, ...]) -> Any:
    """Return the flat indices of the elements that ``take_along_axis`` selects from an array of this shape."""
    grid = (np.arange(n).reshape(-1, *[1] * (len(shape) - 1 - a)) for a, n in enumerate(shape))
    return np.ravel_multi_index([indices if a == axis else i for a, i in enumerate(grid)], shape)


flat_indices = faster_than(plain_flat_indices)(fast.flat_indices)


def _checked_flat_indices(where_: str, shape: tuple[int, ...], indices: Any, axis: int) -> Any:
    """Return the indices along `axis` as indices into a flattened array of `shape`, or raise if invalid."""
    indices = check_indices(where_, indices)
    if indices.ndim != len(shape):
        raise ShapeError(
            f"{where_}: indices must have as many axes as x, got shape {indices.shape} for x of shape {shape}."
        )
    along = normalize_axis_index(axis, len(shape))
    n = shape[along]
    if any(m != k and 1 not in (m, k) for a, (m, k) in enumerate(zip(indices.shape, shape, strict=True)) if a != along):
        raise IndexError(f"{where_}: indices of shape {indices.shape} do not broadcast with x of shape {shape}.")
    if indices.size and indices.view(np.uintp).max() >= n:  # as uintp, a negative index is large
        if indices.min() < -n or indices.max() >= n:
            bounds = f"from {indices.min()} to {indices.max()}"
            raise IndexError(f"{where_}: indices {bounds} are out of bounds for axis {along} of length {n}.")
        indices = indices % n
    return np.asarray(flat_indices(indices, along, shape))


def check_indices(where_: str, indices: Any) -> ndarray:
    """Return the indices as an integer array, or raise if they are not integers; an empty list is accepted."""
    indices = np.asarray(values_of(indices))
    if indices.dtype.kind not in "iub" and indices.size:
        raise DTypeError(f"{where_}: indices must be integers, got {indices.dtype}.")
    return indices.astype(np.intp, copy=False)
