"""Weights in safetensors files."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
from numpy import ndarray

from tinygrad_edu.errors import DataError
from tinygrad_edu.files import open_regular, reason, write_result
from tinygrad_edu.safetensors_format import DTYPES, native, package

__all__ = ["decoded", "encoded", "read_arrays", "write_arrays"]


def encoded(arrays: Mapping[str, ndarray]) -> bytes:
    """Return arrays by name as the bytes of a safetensors file."""
    content: bytes = package().numpy.save({name: np.asarray(a, order="C") for name, a in arrays.items()})
    return content


def decoded(content: bytes) -> dict[str, ndarray]:
    """Return the arrays in the bytes of a safetensors file. bfloat16, which NumPy lacks, becomes float32."""
    safetensors = package()
    try:
        parts = safetensors.deserialize(content)
    except safetensors.SafetensorError as error:
        raise DataError(f"it is not in the safetensors format: {error}.") from error
    for name, part in parts:
        if part["dtype"] not in DTYPES:
            raise DataError(f"{name} has dtype {part['dtype']}, which NumPy does not support.")
    return {
        name: native(np.frombuffer(part["data"], DTYPES[part["dtype"]]).reshape(part["shape"]), part["dtype"])
        for name, part in parts
    }


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, ndarray]) -> None:
    """Write arrays by name to a safetensors file, atomically: an existing file is replaced only when complete."""
    write_result("the weights", path, encoded(arrays))


def read_arrays(path: str | os.PathLike[str]) -> dict[str, ndarray]:
    """Return the arrays in a safetensors file by name. Raise DataError if the file cannot be read."""
    try:
        with open_regular(path) as file:
            return decoded(file.read())
    except (DataError, OSError) as error:
        raise DataError(
            f"cannot read the weights in {os.fspath(path)}: {reason(error)}. Expected a safetensors file, such as "
            f"one written by save(path)."
        ) from error
