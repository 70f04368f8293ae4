"""Arrays of one length, whose rows are the samples."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.errors import DTypeError, ShapeError

__all__ = ["Rows", "Samples", "is_map_style"]

Rows = slice | NDArray[np.intp]


class Samples:
    """Several arrays, one array, or a dict of arrays; rows of them are taken in the same form.

    Parameters
    ----------
    *arrays : array_like, shape (N, ...), or one dict of them
        Arrays, among them memory-mapped ones, are not copied. Tensors are constants, and give their values. Of what is
        stored, a `FileRows`, or a data set of h5py's or zarr's, rows are read when they are taken.

    Raises
    ------
    ShapeError
        They differ in length, or one is a number or has rows that differ in shape.
    DTypeError
        There is none, or one is a tuple of arrays, or a Tensor that requires a gradient.
    """

    def __init__(self, *arrays: Any) -> None:
        self._is_mapping = len(arrays) == 1 and isinstance(arrays[0], Mapping)
        named = arrays[0] if self._is_mapping else {f"array {k}": values for k, values in enumerate(arrays)}
        self._arrays = {name: _as_rows(name, values) for name, values in named.items()}
        lengths = {name: array.shape[0] for name, array in self._arrays.items()}
        if not lengths:
            raise DTypeError("there are no samples: give one array or more.")
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise ShapeError(f"each sample is one row of every array, and these differ in length: {listed}.")

    def __len__(self) -> int:
        return int(next(iter(self._arrays.values())).shape[0])

    def take(self, rows: Rows) -> Any:
        """Return rows of all arrays: as a dict, a tuple or an array, as they were given. A slice makes views."""
        parts = {name: _take_rows(array, rows) for name, array in self._arrays.items()}
        if self._is_mapping:
            return parts
        return tuple(parts.values()) if len(parts) > 1 else next(iter(parts.values()))


def _as_rows(name: Any, values: Any) -> Any:
    if isinstance(values, tuple):
        raise DTypeError(f"{name} is a tuple: several arrays are given one by one, with a star: *arrays.")
    if is_map_style(values) or (isinstance(values, Iterable) and not _is_array_like(values)):
        raise DTypeError(
            f"{name} is a {type(values).__name__}, whose samples come one by one. A DataLoader takes such a data set "
            f"alone, and settings by name: DataLoader(dataset, batch_size=32)."
        )
    try:
        array = values if _is_stored_array(values) else np.asarray(values)
    except ValueError as error:
        raise ShapeError(
            f"{name} has rows of different shapes; pad them to one, or make an array of objects. If each row is a "
            f"sample of several parts, as (x, y), pass collate=tinygrad_edu.data.default_collate."
        ) from error
    if not array.shape:
        raise ShapeError(f"{name} is {values!r}, which has no rows. Settings are given by name: batch_size=32.")
    return array


def is_map_style(values: Any) -> bool:
    """Whether these are samples that are asked for one by one, and not an array or a list that becomes one."""
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
    """Return whether values have the interface of an array, but no arithmetic, such as an array in a file."""
    shape = getattr(values, "shape", None)
    has_form = isinstance(getattr(values, "dtype", None), np.dtype) and shape is not None
    if not has_form or not hasattr(values, "__getitem__") or hasattr(values, "__add__"):
        return False
    # Of a data set, they may be the shape and dtype of a sample.
    return not hasattr(values, "__len__") or not shape or len(values) == shape[0]


def _take_rows(array: Any, rows: Rows) -> NDArray[Any]:
    if isinstance(array, np.ndarray) or isinstance(rows, slice):
        return np.asarray(array[rows])
    # A file gives rows in its own order faster, and h5py in no other one.
    distinct, places = np.unique(rows, return_inverse=True)
    return np.asarray(array[distinct])[places]
