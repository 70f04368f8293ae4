"""Take and put elements by integer indices along an axis."""

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
    """Return the elements of x at the positions `indices` along `axis`, or of x flattened if it is None.

    Parameters
    ----------
    x : array_like
    indices : array_like of int, of any shape
        Negative ones count from the end.
    axis : int, optional
        The shape of `indices` stands in its place in the shape of the result.
    mode : {"raise", "wrap", "clip"}
        What becomes of a position outside: IndexError, its remainder, or the nearest one inside.
    """
    if axis is None or len(shape_of(x)) == 0:
        x = reshape(x, -1)
    along = normalize_axis_index(axis or 0, len(shape_of(x)))
    places, n = _check_indices("take", indices), shape_of(x)[along]
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"take: mode is 'raise', 'wrap' or 'clip', not {mode!r}.")
    if mode != "raise" and n:
        places = places % n if mode == "wrap" else np.clip(places, 0, n - 1)
    return getitem(x, (*[slice(None)] * along, places))


def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """Return the elements of x at the positions that `indices` has for each place across `axis`.

    Parameters
    ----------
    x : array_like
    indices : array_like of int
        With as many axes as x; all but `axis` broadcast with those of x.
    axis : int, optional
        None stands for x flattened, of which `indices` with one axis takes.

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
    """Return `take_along_axis` at places that are known to be inside, and none of them negative, as is the axis."""
    return _take_owned(x, np.asarray(flat_indices(places, axis, shape_of(x))))


def _take_owned(x: Any, places: ndarray) -> Any:
    """Return `take_flat`, whose node saves the indices without a copy: nobody else has them."""
    return take_flat(x, from_numpy(places) if isinstance(x, Tensor) else places)


@op(name="take_along_axis", promotes=("x",))
def take_flat(x: Array, places: Array) -> Array:
    """Return the elements of x, flattened, at some places, counted from 0."""
    return x.reshape(-1).take(places, mode="wrap")  # all are inside: NumPy need not look


@op(name="scatter_add", promotes=("x",))
def scatter_add_flat(x: Array, places: Array, /, shape: tuple[int, ...]) -> Array:
    """Return zeros of `shape`, with the elements of x added at places of it flattened: undo `take_flat`."""
    out = np.zeros(shape, np.float32 if x.dtype == np.float16 else x.dtype)  # 2048 + 1 is 2048 in float16
    np.add.at(out.reshape(-1), places.reshape(-1), x.reshape(-1))
    return out.astype(x.dtype, copy=False)


take_flat.vjps(x=lambda g, x_shape, places: scatter_add_flat(g, places, x_shape))
scatter_add_flat.vjps(x=lambda g, places: take_flat(g, places))


def put_along_axis(x: Any, indices: Any, values: Any, axis: int | None) -> Any:
    """Return x with `values` in the places that ``take_along_axis(x, indices, axis)`` would take: NumPy writes into x.

    Gradients flow to the elements of x that stay and to the values that are seen: of several for one place, the last.

    Parameters
    ----------
    x : array_like
    indices : array_like of int
        As in `take_along_axis`.
    values : array_like
        They broadcast to the shape of what would be taken, and are put in the dtype of x.
    axis : int or None
        None stands for x flattened; the result has the shape of x.
    """
    shape = shape_of(x) if axis is not None else (np.size(values_of(x)),)
    flat = _checked_flat_indices("put_along_axis", shape, indices, -1 if axis is None else axis)
    source = np.full(math.prod(shape), -1)
    source[flat] = np.arange(flat.size).reshape(flat.shape)  # where each element of the result comes from: -1, from x
    source = source.reshape(shape_of(x))
    put = _take_owned(broadcast_to(_cast_values(x, values), flat.shape), np.maximum(source, 0)) if flat.size else x
    return where(source >= 0, put, x)


def _cast_values(x: Any, values: Any) -> Any:
    """Cast the values to the dtype of x; raise rather than truncate floats to integers."""
    wanted, found = np.asarray(values_of(x)).dtype, np.asarray(values_of(values)).dtype
    if wanted.kind in "iub" and found.kind == "f":
        raise DTypeError(f"put_along_axis: values of dtype {found} have no place in {wanted}: cast one with astype().")
    return values if wanted == found else astype(values, wanted)


def _checked_flat_indices(where_: str, shape: tuple[int, ...], indices: Any, axis: int) -> Any:
    """Return the indices along `axis` as indices into a flattened array of this shape, or raise if invalid."""
    places = _check_indices(where_, indices)
    if places.ndim != len(shape):
        raise ShapeError(
            f"{where_}: indices need an axis for each of x, whose shape is {shape}, and have the shape {places.shape}."
        )
    along = normalize_axis_index(axis, len(shape))
    n = shape[along]
    if any(m != k and 1 not in (m, k) for a, (m, k) in enumerate(zip(places.shape, shape, strict=True)) if a != along):
        raise IndexError(f"{where_}: indices of shape {places.shape} do not broadcast with x of shape {shape}.")
    if places.size and places.view(np.uintp).max() >= n:  # where a negative one is large
        if places.min() < -n or places.max() >= n:
            outside = f"from {places.min()} to {places.max()}"
            raise IndexError(f"{where_}: indices {outside} are out of bounds for axis {along} of length {n}.")
        places = places % n
    return np.asarray(flat_indices(places, along, shape))


def _check_indices(where_: str, indices: Any) -> ndarray:
    """Return indices as an array of integers, or raise if they are not; an empty list counts as integers."""
    places = np.asarray(values_of(indices))
    if places.dtype.kind not in "iub" and places.size:
        raise DTypeError(f"{where_}: indices are whole numbers, not {places.dtype}.")
    return places.astype(np.intp, copy=False)
