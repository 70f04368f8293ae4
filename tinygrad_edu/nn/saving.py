"""Weights in files: the safetensors format, which PyTorch's users read and write, too."""

import os
from collections.abc import Mapping
from types import ModuleType

import numpy as np
from numpy import ndarray

from tinygrad_edu.errors import DataError, MissingExtraError
from tinygrad_edu.files import open_regular, write_whole

__all__ = ["decoded", "encoded", "read_arrays", "write_arrays"]

# The names that the format has for what NumPy has, too: https://github.com/huggingface/safetensors#format
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "?",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1",
}  # fmt: skip


def _safetensors() -> ModuleType:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise MissingExtraError(
            "weights are saved and loaded with safetensors, which is not installed: pip install 'tinygrad-edu[models]'"
        ) from error
    module: ModuleType = safetensors
    return module


def encoded(arrays: Mapping[str, ndarray]) -> bytes:
    """Return arrays by name as the content of a safetensors file."""
    content: bytes = _safetensors().numpy.save({name: np.asarray(a, order="C") for name, a in arrays.items()})
    return content


def decoded(content: bytes) -> dict[str, ndarray]:
    """Return the arrays in the content of a safetensors file; bfloat16, which NumPy lacks, as float32.

    Raises
    ------
    DataError
        It is not of that format, or an array has a dtype that NumPy lacks.
    """
    package = _safetensors()
    try:
        parts = package.deserialize(content)
    except package.SafetensorError as error:
        raise DataError(f"it is not of the safetensors format: {error}.") from error
    for name, part in parts:
        if part["dtype"] not in _DTYPES:
            raise DataError(f"{name} is of the type {part['dtype']}, which NumPy does not have.")
    return {name: _array(part["dtype"], part["data"], part["shape"]) for name, part in parts}


def _array(kind: str, data: bytearray, shape: list[int]) -> ndarray:
    array = np.frombuffer(data, _DTYPES[kind]).reshape(shape)
    # bfloat16 is the upper half of a float32.
    array = (array.astype(np.uint32) << 16).view(np.float32) if kind == "BF16" else array
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, ndarray]) -> None:
    """Write arrays by name into a safetensors file, in one step: the old file stays until the new one is whole.

    Raises
    ------
    DataError
        The file cannot be written.
    """
    content = encoded(arrays)
    try:
        write_whole(path, content)
    except (DataError, OSError) as error:
        raise DataError(
            f"cannot write the weights to {os.fspath(path)}: {_reason(error)}. What was there is as it was; choose "
            f"another path."
        ) from error


def read_arrays(path: str | os.PathLike[str]) -> dict[str, ndarray]:
    """Return the arrays in a safetensors file by name.

    Raises
    ------
    DataError
        The file cannot be read, or is not of that format.
    """
    try:
        with open_regular(path) as file:
            return decoded(file.read())
    except (DataError, OSError) as error:
        raise DataError(
            f"cannot read the weights in {os.fspath(path)}: {_reason(error)}. Give a file that save(path) wrote, or "
            f"another of the safetensors format."
        ) from error


def _reason(error: Exception) -> str:
    return ((isinstance(error, OSError) and error.strerror) or str(error)).removesuffix(".")
