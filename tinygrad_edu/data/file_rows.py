"""Rows of arrays in files, read on access."""

import os
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.data.stored_array import StoredArray
from tinygrad_edu.errors import DataError, DTypeError
from tinygrad_edu.safetensors_format import native

__all__ = ["FileRows"]

Path = str | os.PathLike[str]
RowNumbers = NDArray[np.intp]


class FileRows:
    """The rows of arrays in files, one after the other: indexed as an array is, and read each time.

    Parameters
    ----------
    paths : path, or iterable of paths
        Files as `numpy.save` writes them, or safetensors files, whose arrays are joined along their first axis in this
        order. They must stay as they are while this is in use.
    name : str, optional
        Of the tensor in safetensors files.

    Attributes
    ----------
    shape : tuple of int
        As of one array of all rows.
    dtype : dtype
        In this machine's order of bytes. A bfloat16 tensor, which NumPy lacks, is read as float32.

    Raises
    ------
    DataError
        A file is missing, cut off, or of another format; or holds Python objects, an array in Fortran's order, or rows
        that are not like those of the first file. At an index, that a file has changed, or cannot be read any more.
    IndexError
        At an index that is out of bounds, or goes into the rows.
    DTypeError
        Where NumPy would make one array of it, as in ``np.mean(rows)``.
    MissingExtraError
        A safetensors file, and safetensors is not installed.

    Notes
    -----
    An index is a number, a slice, or an array of numbers or of booleans, one for each row, and means what it means to
    NumPy, except that rows are always copies. Neighbours are read at once.

    No file is open between two indices, so threads, forked processes and copies that were pickled can read at the same
    time, and there may be any number of files. Nor is a file mapped into memory: pages that were read would count as
    memory of the process until another one needs it, and a file that is cut off would end the program.

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
            raise DataError("FileRows: there are no files; give the path of one, or several.")
        self._arrays = [StoredArray.find(path, name) for path in listed]
        first = self._arrays[0]
        for array in self._arrays:
            if (array.shape[1:], array.dtype, array.kind) != (first.shape[1:], first.dtype, first.kind):
                raise DataError(f"rows of one array are all alike, and {_describe(array)}, where {_describe(first)}.")
        # Of each file, the rows that are before it, and those up to its end.
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
            f"this would read all of {self} into memory. Some rows are an array: rows[:1000]; and in a DataLoader, a "
            "batch is. If they fit, rows[:] are all."
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
        places = rows + self._file_of(rows)  # which leaves a gap between two files
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
    """Convert an index to row numbers, which are not negative."""
    if isinstance(index, slice):
        return np.arange(*index.indices(count))
    rows = np.asarray(None if isinstance(index, tuple) else index)
    if isinstance(index, list) and not index:
        rows = rows.astype(np.intp)
    if rows.dtype == bool and rows.shape == (count,):
        rows = np.flatnonzero(rows)
    if rows.dtype.kind not in "iu":
        raise IndexError(
            f"rows are taken by a whole number, a slice, an array of whole numbers, or one of {count} booleans; got "
            f"{index!r}. What is in a row is taken of what was read: rows[:10][:, 0]."
        )
    outside = (rows < -count) | (rows >= count)
    if outside.any():
        raise IndexError(f"row {rows[outside].flat[0]} is out of bounds: there are {count} rows.")
    rows = rows.astype(np.intp)
    return np.where(rows < 0, rows + count, rows)


def _describe(array: StoredArray) -> str:
    return f"{array.path} has rows of shape {array.shape[1:]} and dtype {array.kind or array.dtype}"
