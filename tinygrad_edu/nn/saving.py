"""Read and write weights as safetensors files."""

import os
from collections.abc import Mapping

import numpy as np
from numpy import ndarray

from tinygrad_edu.errors import DataError
from tinygrad_edu.files import open_regular, reason, write_result
from tinygrad_edu.safetensors_format import DTYPES, native, package

__all__ = ["decoded", "encoded", "read_arrays", "write_arrays"]


def encoded(arrays: Mapping[str, ndarray]) -> bytes:
    """Return arrays by name as the content of a safetensors file."""
    content: bytes = package().numpy.save({name: np.asarray(a, order="C") for name, a in arrays.items()})
    return content


def decoded(content: bytes) -> dict[str, ndarray]:
    """Return the arrays in the content of a safetensors file; bfloat16, which NumPy lacks, as float32."""
    safetensors = package()
    try:
        parts = safetensors.deserialize(content)
    except safetensors.SafetensorError as error:
        raise DataError(f"it is not of the safetensors format: {error}.") from error
    for name, part in parts:
        if part["dtype"] not in DTYPES:
            raise DataError(f"{name} is of the type {part['dtype']}, which NumPy does not have.")
    return {
        name: native(np.frombuffer(part["data"], DTYPES[part["dtype"]]).reshape(part["shape"]), part["dtype"])
        for name, part in parts
    }


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, ndarray]) -> None:
    """Write arrays by name into a safetensors file, in one step: the old file stays until the new one is whole."""
    write_result("the weights", path, encoded(arrays))


def read_arrays(path: str | os.PathLike[str]) -> dict[str, ndarray]:
    """Return the arrays in a safetensors file by name, or raise DataError for a file of which they cannot be read."""
    try:
        with open_regular(path) as file:
            return decoded(file.read())
    except (DataError, OSError) as error:
        raise DataError(
            f"cannot read the weights in {os.fspath(path)}: {reason(error)}. Give a file that save(path) wrote, or "
            f"another of the safetensors format."
        ) from error
