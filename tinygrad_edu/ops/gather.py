"""Gather and scatter of elements by integer indices along an axis."""

import math
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_edu.engine import Array, Tensor, from_numpy, op, shape_of, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.ops.arithmetic import astype
from tinygrad_edu.ops.fast.indices import flat_indices
from tinygrad_edu.ops.indexing import getitem
from tinygrad_edu.ops.selection import where
from tinygrad_edu.ops.shape import broadcast_to, reshape

__all__ = ["put_along_axis", "take", "take_along_axis"]


def take(x: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
    """Return the elements of x at `indices` along `axis`, or of the flattened x if `axis` is None.

    Parameters
    ----------
    x : array_like
    indices : array_like of int, of any shape
        Negative indices count from the end.
    axis : int, optional
        Axis of x, replaced in the shape of the result by the shape of `indices`.
    mode : {"raise", "wrap", "clip"}
        Indices out of range raise IndexError, wrap around, or are clipped to the range.
    """
    if axis is None or len(shape_of(x)) == 0:
        x = reshape(x, -1)
    along = normalize_axis_index(axis or 0, len(shape_of(x)))
    places, n = _check_indices("take", indices), shape_of(x)[along]
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"take: mode must be 'raise', 'wrap' or 'clip', got {mode!r}.")
    if mode != "raise" and n:
        places = places % n if mode == "wrap" else np.clip(places, 0, n - 1)
    return getitem(x, (*[slice(None)] * along, places))


def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """Return the elements of x at `indices` along `axis`, for matching 1-d slices of x and `indices`.

    Parameters
    ----------
    x : array_like
    indices : array_like of int
        As many axes as x; all but `axis` broadcast with those of x.
    axis : int, optional
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
    return _take_owned(x, _checked_flat_indices("take_along_axis", shape_of(x), indices, -1 if axis is None else axis))


def take_along(x: Any, places: ndarray, axis: int) -> Any:
    """Return `take_along_axis` without checks: `places` must be in range, and neither they nor `axis` negative."""
    return _take_owned(x, np.asarray(flat_indices(places, axis, shape_of(x))))


def _take_owned(x: Any, places: ndarray) -> Any:
    """Return `take_flat`. Its node saves the indices without a copy, as they have no other reference."""
    return take_flat(x, from_numpy(places) if isinstance(x, Tensor) else places)


@op(name="take_along_axis", promotes=("x",))
def take_flat(x: Array, places: Array) -> Array:
    """Return the elements of the flattened x at `places`, all nonnegative."""
    return x.reshape(-1).take(places, mode="wrap")  # all in range: saves NumPy's bounds check


@op(name="scatter_add", promotes=("x",))
def scatter_add_flat(x: Array, places: Array, /, shape: tuple[int, ...]) -> Array:
    """Return zeros of `shape` with the elements of x added at flat indices: the transpose of `take_flat`."""
    out = np.zeros(shape, np.float32 if x.dtype == np.float16 else x.dtype)  # 2048 + 1 is 2048 in float16
    np.add.at(out.reshape(-1), places.reshape(-1), x.reshape(-1))
    return out.astype(x.dtype, copy=False)


take_flat.vjps(x=lambda g, x_shape, places: scatter_add_flat(g, places, x_shape))
scatter_add_flat.vjps(x=lambda g, places: take_flat(g, places))


def put_along_axis(x: Any, indices: Any, values: Any, axis: int | None) -> Any:
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
    put = _take_owned(broadcast_to(_cast_values(x, values), flat.shape), np.maximum(source, 0)) if flat.size else x
    return where(source >= 0, put, x)


def _cast_values(x: Any, values: Any) -> Any:
    """Cast the values to the dtype of x; raise rather than truncate floats to integers."""
    wanted, found = np.asarray(values_of(x)).dtype, np.asarray(values_of(values)).dtype
    if wanted.kind in "iub" and found.kind == "f":
        raise DTypeError(f"put_along_axis: cannot put values of dtype {found} into x of dtype {wanted}; use astype().")
    return values if wanted == found else astype(values, wanted)


def _checked_flat_indices(where_: str, shape: tuple[int, ...], indices: Any, axis: int) -> Any:
    """Return the indices along `axis` as indices into a flattened array of `shape`, or raise if invalid."""
    places = _check_indices(where_, indices)
    if places.ndim != len(shape):
        raise ShapeError(
            f"{where_}: indices must have as many axes as x, got shape {places.shape} for x of shape {shape}."
        )
    along = normalize_axis_index(axis, len(shape))
    n = shape[along]
    if any(m != k and 1 not in (m, k) for a, (m, k) in enumerate(zip(places.shape, shape, strict=True)) if a != along):
        raise IndexError(f"{where_}: indices of shape {places.shape} do not broadcast with x of shape {shape}.")
    if places.size and places.view(np.uintp).max() >= n:  # as uintp, a negative index is large
        if places.min() < -n or places.max() >= n:
            outside = f"from {places.min()} to {places.max()}"
            raise IndexError(f"{where_}: indices {outside} are out of bounds for axis {along} of length {n}.")
        places = places % n
    return np.asarray(flat_indices(places, along, shape))


def _check_indices(where_: str, indices: Any) -> ndarray:
    """Return the indices as an integer array, or raise if they are not integers; an empty list is accepted."""
    places = np.asarray(values_of(indices))
    if places.dtype.kind not in "iub" and places.size:
        raise DTypeError(f"{where_}: indices must be integers, got {places.dtype}.")
    return places.astype(np.intp, copy=False)
