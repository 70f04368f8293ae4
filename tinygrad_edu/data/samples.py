"""Arrays of equal length, whose rows are the samples."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.errors import DTypeError, ShapeError

Rows = slice | NDArray[np.intp]


class Samples:
    """An array, several arrays, or a dict of arrays, whose rows are taken together.

    Parameters
    ----------
    *arrays : array_like, shape (N, ...), or one dict of them
        Arrays, including memory-mapped arrays, are not copied. Tensors must be constants. Rows of a `FileRows`, or of
        an h5py or zarr data set, are read when they are taken.

    Raises
    ------
    ShapeError
        The arrays differ in length, or an argument is a scalar or has rows of different shapes.
    DTypeError
        There is no array, or an argument is a tuple of arrays, or a Tensor that requires a gradient.
    """

    def __init__(self, *arrays: Any) -> None:
        self._is_mapping = len(arrays) == 1 and isinstance(arrays[0], Mapping)
        named = arrays[0] if self._is_mapping else {f"array {k}": values for k, values in enumerate(arrays)}
        self._arrays = {name: _as_rows(name, values) for name, values in named.items()}
        lengths = {name: array.shape[0] for name, array in self._arrays.items()}
        if not lengths:
            raise DTypeError("expected one or more arrays of samples, got none.")
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise ShapeError(f"all arrays must have the same length, one row per sample: {listed}.")

    def __len__(self) -> int:
        return int(next(iter(self._arrays.values())).shape[0])

    def take(self, rows: Rows) -> Any:
        """Return rows of all arrays, as a dict, tuple or array like the arguments. A slice returns views."""
        parts = {name: _take_rows(array, rows) for name, array in self._arrays.items()}
        if self._is_mapping:
            return parts
        return tuple(parts.values()) if len(parts) > 1 else next(iter(parts.values()))


def _as_rows(name: Any, values: Any) -> Any:
    if isinstance(values, tuple):
        raise DTypeError(f"{name} is a tuple. Pass several arrays as separate arguments: *arrays.")
    if is_map_style(values) or (isinstance(values, Iterable) and not _is_array_like(values)):
        raise DTypeError(
            f"{name} is a data set, a {type(values).__name__}; a DataLoader accepts one data set and no arrays. "
            f"Pass options by name: DataLoader(dataset, batch_size=32)."
        )
    try:
        array = values if _is_stored_array(values) else np.asarray(values)
    except ValueError as error:
        raise ShapeError(
            f"{name} has rows of different shapes. Pad them, or convert them to an array of objects. If each row is a "
            f"sample with several parts, such as (x, y), pass collate=tinygrad_edu.data.default_collate."
        ) from error
    if not array.shape:
        raise ShapeError(f"{name} must have rows, got {values!r}. Pass options by name: batch_size=32.")
    return array


def is_map_style(values: Any) -> bool:
    """Return whether values are a map-style data set: indexable, but not an array or convertible to an array."""
    kind = type(values)
    return hasattr(kind, "__len__") and hasattr(kind, "__getitem__") and not _is_array_like(values)


def _is_array_like(values: Any) -> bool:
    """Return whether NumPy can convert values to an array without reading them item by item through Python."""
    if isinstance(values, list | tuple | range | str | bytes | Mapping) or _is_stored_array(values):
        return True
    if hasattr(values, "__array__") or hasattr(values, "__array_interface__"):
        return True
    try:
        memoryview(values)
    except TypeError:
        return False
    return True


def _is_stored_array(values: Any) -> bool:
    """Return whether values have the interface of an array without arithmetic, such as an array in a file."""
    shape = getattr(values, "shape", None)
    has_form = isinstance(getattr(values, "dtype", None), np.dtype) and shape is not None
    if not has_form or not hasattr(values, "__getitem__") or hasattr(values, "__add__"):
        return False
    # In a data set, `shape` and `dtype` may describe one sample.
    return not hasattr(values, "__len__") or not shape or len(values) == shape[0]


def _take_rows(array: Any, rows: Rows) -> NDArray[Any]:
    if isinstance(array, np.ndarray) or isinstance(rows, slice):
        return np.asarray(array[rows])
    # Reading in file order is faster, and h5py supports no other order.
    distinct, places = np.unique(rows, return_inverse=True)
    return np.asarray(array[distinct])[places]
