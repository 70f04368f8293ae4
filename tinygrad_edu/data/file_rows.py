"""Rows of arrays in files, read on access."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.data.stored_array import StoredArray
from tinygrad_edu.errors import DataError, DTypeError
from tinygrad_edu.shared.files.safetensors_format import native

__all__ = ["FileRows"]

Path = str | os.PathLike[str]
RowNumbers = NDArray[np.intp]


class FileRows:
    """Concatenated arrays in files, indexed like an array. Rows are read from the files at each access.

    Parameters
    ----------
    paths : path, or iterable of paths
        .npy files, as written by `numpy.save`, or safetensors files. Their arrays are concatenated along the first axis
        in this order. The files must not change while this object is in use.
    name : str, optional
        Name of the tensor in safetensors files.

    Attributes
    ----------
    shape : tuple of int
        Shape of the concatenated array.
    dtype : dtype
        In native byte order. bfloat16, which NumPy lacks, is read as float32.

    Raises
    ------
    DataError
        A file is missing, truncated or of another format, holds Python objects or an array in Fortran order, or its
        rows differ in shape or dtype from those of the first file. On access: a file has changed or cannot be read.
    IndexError
        On access: the index is out of bounds, or indexes more than the first axis.
    DTypeError
        NumPy would convert the object to an array, as in ``np.mean(rows)``.
    MissingExtraError
        A file is a safetensors file, and safetensors is not installed.

    Notes
    -----
    An index is an integer, a slice, an array of integers, or an array of booleans, one per row. It follows NumPy,
    except that the result is always a copy. Adjacent rows are read in one call.

    No file stays open between two accesses, so threads, forked processes and pickled copies can read at the same time,
    and the number of files is not limited. Files are not memory-mapped, because mapped pages would count as memory of
    the process until another process needs it, and a truncated file would crash the program.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/x-0.npy", np.zeros((3, 2)))
    ...     np.save(f"{folder}/x-1.npy", np.ones((2, 2)))
    ...     x = FileRows([f"{folder}/x-0.npy", f"{folder}/x-1.npy"])
    ...     print(x, x[[-1, 0]].tolist())
    FileRows(shape=(5, 2), dtype=float64, in 2 files) [[1.0, 1.0], [0.0, 0.0]]
    """

    def __init__(self, paths: Path | Iterable[Path], name: str | None = None) -> None:
        listed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
        if not listed:
            raise DataError("FileRows: expected the path of one or more files, got none.")
        self._arrays = [StoredArray.find(path, name) for path in listed]
        first = self._arrays[0]
        for array in self._arrays:
            if (array.shape[1:], array.dtype, array.kind) != (first.shape[1:], first.dtype, first.kind):
                raise DataError(f"all rows must have one shape and dtype: {_describe(array)}, but {_describe(first)}.")
        # For each file, the numbers of rows before it and up to its end.
        self._stops = np.cumsum([array.shape[0] for array in self._arrays])
        self._starts = np.concatenate([[0], self._stops[:-1]])
        self.shape = (int(self._stops[-1]), *first.shape[1:])
        self.dtype = native(np.empty(0, first.dtype), first.kind).dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        files = f"{len(self._arrays)} file{'s' * (len(self._arrays) > 1)}"
        return f"FileRows(shape={self.shape}, dtype={self.dtype}, in {files})"

    def __array__(self, *settings: Any, **more: Any) -> NoReturn:
        raise DTypeError(
            f"this would read all of {self} into memory. Index some rows, as in rows[:1000], or use a DataLoader. To "
            "read all rows, use rows[:]."
        )

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice) and index.step in (None, 1):
            start, stop, _ = index.indices(len(self))
            starts, stops = (rows.clip(start, max(start, stop)) for rows in (self._starts, self._stops))
            some = starts < stops
            return self._read_runs(starts[some], (stops - starts)[some])
        rows = _row_numbers(index, len(self))
        found = self._read_runs(*self._runs(rows.ravel())).reshape(rows.shape + self.shape[1:])
        return found if found.ndim else found[()]

    def _runs(self, rows: RowNumbers) -> tuple[RowNumbers, RowNumbers]:
        """Return the first row and the length of each run of adjacent rows in one file."""
        places = rows + self._file_of(rows)  # leaves a gap between two files
        begins = np.flatnonzero(np.diff(places, prepend=-2) != 1)
        return rows[begins], np.diff(begins, append=len(rows))

    def _file_of(self, rows: RowNumbers) -> RowNumbers:
        return np.searchsorted(self._stops, rows, side="right")

    def _read_runs(self, starts: RowNumbers, counts: RowNumbers) -> NDArray[Any]:
        """Read runs of rows, each in one file."""
        first = self._arrays[0]
        found = np.empty((int(counts.sum()), *self.shape[1:]), first.dtype)
        memory = found.reshape(-1).view(np.uint8).data
        files = self._file_of(starts)
        runs = zip(files.tolist(), (starts - self._starts[files]).tolist(), counts.tolist(), strict=True)
        for k, own in groupby(runs, key=itemgetter(0)):
            memory = self._arrays[k].read((run[1:] for run in own), memory)
        return native(found, first.kind)


def _row_numbers(index: Any, count: int) -> RowNumbers:
    """Convert an index to non-negative row numbers."""
    if isinstance(index, slice):
        return np.arange(*index.indices(count))
    rows = np.asarray(None if isinstance(index, tuple) else index)
    if isinstance(index, list) and not index:
        rows = rows.astype(np.intp)
    if rows.dtype == bool and rows.shape == (count,):
        rows = np.flatnonzero(rows)
    if rows.dtype.kind not in "iu":
        raise IndexError(
            f"the index must be an integer, a slice, an array of integers, or an array of {count} booleans, got "
            f"{index!r}. To index other axes, read the rows first: rows[:10][:, 0]."
        )
    outside = (rows < -count) | (rows >= count)
    if outside.any():
        raise IndexError(f"row {rows[outside].flat[0]} is out of bounds for {count} rows.")
    rows = rows.astype(np.intp)
    return np.where(rows < 0, rows + count, rows)


def _describe(array: StoredArray) -> str:
    return f"{array.path} has rows of shape {array.shape[1:]} and dtype {array.kind or array.dtype}"
