"""An array in a file, read by rows, and the header of a .npy file."""

from __future__ import annotations

import json
import math
import os
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from io import FileIO
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from tinygrad_edu.errors import DataError
from tinygrad_edu.shared.files import open_regular, reason
from tinygrad_edu.shared.files.safetensors_format import DTYPES, package

_Header = tuple[tuple[int, ...], np.dtype[Any], int, str]


@dataclass(frozen=True)
class StoredArray:
    """An array in a file.

    Attributes
    ----------
    path : str
    shape : tuple of int
    dtype : dtype
        The dtype in the file.
    begin : int
        Offset of the array's data in the file, in bytes. The data is in C order.
    kind : str
        Name of the dtype in a safetensors file, else empty.
    stamp : tuple of int
        Size and modification time of the file.
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    begin: int
    kind: str
    stamp: tuple[int, int]

    @classmethod
    def find(cls, path: str | os.PathLike[str], name: str | None) -> StoredArray:
        """Return the array of a .npy file, or a named tensor of a safetensors file.

        Raises
        ------
        DataError
            The file does not exist, or holds no array whose rows can be read separately.
        """
        path = os.path.abspath(path)  # another process may have another working directory
        try:
            with open_regular(path) as file:
                stamp = _size_and_mtime(file)
                shape, dtype, begin, kind = _read_header(file, name)
            if not shape:
                raise DataError("it holds a scalar, which has no rows.")
        except (OSError, ValueError) as error:
            raise DataError(
                f"cannot read rows of {path}: {reason(error)}. Pass .npy files, as written by numpy.save, or "
                "safetensors files and the name of a tensor."
            ) from error
        return cls(path, shape, dtype, begin, kind, stamp)

    def read(self, runs: Iterable[tuple[int, int]], memory: memoryview) -> memoryview:
        """Fill memory with runs of rows, given as (first row, count), and return the rest of the memory.

        Raises
        ------
        DataError
            The file has changed, or cannot be read.
        """
        try:
            with FileIO(self.path) as file:
                if _size_and_mtime(file) != self.stamp:
                    raise DataError("it was written to since its header was read.")
                row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
                for start, count in runs:
                    size = count * row_bytes
                    _read_into(memory[:size], file, self.begin + start * row_bytes)
                    memory = memory[size:]
                return memory
        except (DataError, OSError) as error:
            raise DataError(
                f"cannot read rows of {self.path}: {reason(error)}. Its files must not change while they are in use."
            ) from error


def _read_into(memory: memoryview, file: FileIO, begin: int) -> None:
    """Fill memory with the bytes of a file, starting at `begin`."""
    while memory:  # one read returns at most 2 GiB
        if hasattr(os, "preadv"):  # one call, since each releases Python's lock
            count = os.preadv(file.fileno(), (memory,), begin)
        else:
            file.seek(begin)
            count = file.readinto(memory)
        if not count:
            raise DataError("it was truncated.")
        memory, begin = memory[count:], begin + count


def _size_and_mtime(file: IO[bytes] | FileIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def _read_header(file: IO[bytes], name: str | None) -> _Header:
    """Return the shape, dtype, offset and kind of the array in a file."""
    first = file.read(9)
    file.seek(0)
    if first.startswith(npy.MAGIC_PREFIX):
        if name is not None:
            raise DataError(f"a .npy file holds one array without a name, but name is {name!r}.")
        return _read_npy_header(file)
    if first[8:] == b"{":
        return _read_safetensors_header(file, name)
    raise DataError("it is neither a .npy file nor a safetensors file.")


def _read_npy_header(file: IO[bytes]) -> _Header:
    shape, fortran, dtype = npy_header("it", file)
    wanted, size = file.tell() + math.prod(shape) * dtype.itemsize, os.fstat(file.fileno()).st_size
    if size != wanted or min(shape, default=0) < 0:
        what = "is truncated" if size < wanted else "has bytes after its array"
        raise DataError(f"it {what}: expected {wanted:,} bytes from its header, got {size:,}.")
    if fortran and len(shape) > 1:
        raise DataError(
            "it is in Fortran order, in which a row is not contiguous; convert it with numpy.ascontiguousarray and "
            "save it again, split into several files if it is too large for memory."
        )
    return shape, dtype, file.tell(), ""


def _read_safetensors_header(file: IO[bytes], name: str | None) -> _Header:
    safetensors = package()
    try:
        with safetensors.safe_open(file.name, framework="numpy") as checked:
            names = sorted(checked.keys())
    except safetensors.SafetensorError as error:
        raise DataError(f"it is not a complete safetensors file: {error}.") from error
    if name not in names:
        listed = textwrap.shorten(", ".join(names), 200, placeholder=" ...")
        raise DataError(f"it has no tensor named {name!r}; it has {listed or 'none'}.")
    # The package does not expose offsets of tensors: https://github.com/huggingface/safetensors#format
    length = int.from_bytes(file.read(8), "little")
    tensor = json.loads(file.read(length))[name]
    if tensor["dtype"] not in DTYPES:
        raise DataError(f"{name} has the dtype {tensor['dtype']}, which NumPy lacks.")
    begin = 8 + length + tensor["data_offsets"][0]
    return tuple(tensor["shape"]), np.dtype(DTYPES[tensor["dtype"]]), begin, tensor["dtype"]


def npy_header(name: str, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read a header, and return the shape, whether the array is in Fortran order, and the dtype.

    Raises
    ------
    DataError
        The header is damaged, or the array holds Python objects. The message begins with `name`.
    """
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    try:
        shape, fortran, dtype = readers[npy.read_magic(file)](file)
    # NumPy, or Python's parser, raises these errors for a damaged header; NumPy's message suggests allowing pickles.
    except (ValueError, KeyError, TypeError, SyntaxError, TokenError) as error:
        raise DataError(f"{name} is damaged: it does not begin with a valid .npy header.") from error
    if dtype.hasobject:
        raise DataError(f"{name} holds Python objects, which can run code and are never loaded.")
    return shape, fortran, dtype
