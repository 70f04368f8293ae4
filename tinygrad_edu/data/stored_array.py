"""An array in a file, read by rows."""

import json
import math
import os
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from io import FileIO
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from tinygrad_edu.data.npy_header import npy_header
from tinygrad_edu.errors import DataError
from tinygrad_edu.files import open_regular, reason
from tinygrad_edu.safetensors_format import DTYPES, package

__all__ = ["StoredArray"]

_Header = tuple[tuple[int, ...], np.dtype[Any], int, str]


@dataclass(frozen=True)
class StoredArray:
    """An array in a file.

    Attributes
    ----------
    path : str
    shape : tuple of int
    dtype : dtype
        As it is stored.
    begin : int
        The byte of the file where its numbers begin, which are in C order.
    kind : str
        The name of the dtype in a safetensors file, else empty.
    stamp : tuple of int
        The size of the file and when it was last written to.
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    begin: int
    kind: str
    stamp: tuple[int, int]

    @classmethod
    def find(cls, path: str | os.PathLike[str], name: str | None) -> "StoredArray":
        """Return the array of a .npy file, or that of a name in a safetensors file.

        Raises
        ------
        DataError
            There is no such file, or no array in it whose rows can be read one by one.
        """
        path = os.path.abspath(path)  # another process may have another folder
        try:
            with open_regular(path) as file:
                stamp = _size_and_mtime(file)
                shape, dtype, begin, kind = _read_header(file, name)
            if not shape:
                raise DataError("it holds one number, which has no rows")
        except (OSError, ValueError) as error:
            raise DataError(
                f"cannot read rows of {path}: {reason(error)}. Give .npy files, as numpy.save writes them, or "
                "safetensors files and the name of a tensor."
            ) from error
        return cls(path, shape, dtype, begin, kind, stamp)

    def read(self, runs: Iterable[tuple[int, int]], memory: memoryview) -> memoryview:
        """Fill memory with the bytes of rows, each run so many from one on, and return the memory that is left.

        Raises
        ------
        DataError
            The file has changed, so that this would be of two sets, or cannot be read any more.
        """
        try:
            with FileIO(self.path) as file:
                if _size_and_mtime(file) != self.stamp:
                    raise DataError("it was written to since its header was read")
                row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
                for start, count in runs:
                    size = count * row_bytes
                    _read_into(memory[:size], file, self.begin + start * row_bytes)
                    memory = memory[size:]
                return memory
        except (DataError, OSError) as error:
            raise DataError(
                f"cannot read rows of {self.path}: {reason(error)}. A set must stay as it is while it is in use."
            ) from error


def _read_into(memory: memoryview, file: FileIO, begin: int) -> None:
    """Fill memory with the bytes of a file from `begin` on."""
    while memory:  # one read gives 2 GiB at most
        if hasattr(os, "preadv"):  # one call, since each hands Python's lock to another thread
            count = os.preadv(file.fileno(), (memory,), begin)
        else:
            file.seek(begin)
            count = file.readinto(memory)
        if not count:
            raise DataError("it has become shorter")
        memory, begin = memory[count:], begin + count


def _size_and_mtime(file: IO[bytes] | FileIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def _read_header(file: IO[bytes], name: str | None) -> _Header:
    """Return the shape, the dtype, the first byte and the kind of the array in a file."""
    first = file.read(9)
    file.seek(0)
    if first.startswith(npy.MAGIC_PREFIX):
        if name is not None:
            raise DataError(f"a .npy file holds one array, without a name, and name is {name!r}")
        return _read_npy_header(file)
    if first[8:] == b"{":
        return _read_safetensors_header(file, name)
    raise DataError("it begins as neither a .npy file nor a safetensors file does")


def _read_npy_header(file: IO[bytes]) -> _Header:
    shape, fortran, dtype = npy_header("it", file)
    wanted, size = file.tell() + math.prod(shape) * dtype.itemsize, os.fstat(file.fileno()).st_size
    if size != wanted or min(shape, default=0) < 0:
        what = "is cut off" if size < wanted else "goes on after its array"
        raise DataError(f"it {what}: by its header it has {wanted:,} bytes, and it has {size:,}")
    if fortran and len(shape) > 1:
        raise DataError(
            "it is in Fortran's order, which spreads a row over all of the file; save it in C's, by "
            "numpy.ascontiguousarray, some rows in each file"
        )
    return shape, dtype, file.tell(), ""


def _read_safetensors_header(file: IO[bytes], name: str | None) -> _Header:
    safetensors = package()
    try:
        with safetensors.safe_open(file.name, framework="numpy") as checked:
            names = sorted(checked.keys())
    except safetensors.SafetensorError as error:
        raise DataError(f"it is not a whole file of the safetensors format: {error}") from error
    if name not in names:
        listed = textwrap.shorten(", ".join(names), 200, placeholder=" ...")
        raise DataError(f"it has no tensor of the name {name!r}; it has {listed or 'none'}")
    # The package does not say where a tensor begins: https://github.com/huggingface/safetensors#format
    length = int.from_bytes(file.read(8), "little")
    tensor = json.loads(file.read(length))[name]
    if tensor["dtype"] not in DTYPES:
        raise DataError(f"{name} is of the type {tensor['dtype']}, which NumPy does not have")
    begin = 8 + length + tensor["data_offsets"][0]
    return tuple(tensor["shape"]), np.dtype(DTYPES[tensor["dtype"]]), begin, tensor["dtype"]
