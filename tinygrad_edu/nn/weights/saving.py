"""Files of weights: safetensors, and what PyTorch's ``torch.save`` writes."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.errors import DataError
from tinygrad_edu.shared.files import open_regular, reason, write_result
from tinygrad_edu.shared.files.safetensors_format import DTYPES, native, package

__all__ = ["decoded", "encoded", "load_weights", "read_state_dict", "write_arrays"]


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


def load_weights(path: str | os.PathLike[str]) -> Any:
    """Return the content of a file of weights: safetensors, or ``.pt``, ``.pth`` and ``.bin`` files of ``torch.save``.

    A file of ``torch.save`` is read without unpickling, so no code in it runs.

    Parameters
    ----------
    path : path
        A safetensors file, or a file that PyTorch 1.6 or newer wrote.

    Returns
    -------
    dict of str to ndarray, or the saved object
        The arrays of a safetensors file by name. From ``torch.save``, the saved tensors as read-only arrays, in the
        saved dicts, lists and tuples, with numbers and texts. bfloat16 becomes float32.

    Raises
    ------
    DataError
        The file cannot be read, is of another format, or has other objects, such as a whole model.
    MissingExtraError
        It is a safetensors file, and safetensors is not installed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from tinygrad_edu import nn
    >>> with TemporaryDirectory() as folder:
    ...     nn.Linear(2, 1).save(f"{folder}/line.safetensors")
    ...     weights = nn.load_weights(f"{folder}/line.safetensors")
    >>> sorted(weights), weights["weight"].shape
    (['bias', 'weight'], (1, 2))
    """
    try:
        with open_regular(path) as file:
            return _content(file)
    except (DataError, OSError) as error:
        raise DataError(
            f"cannot read the weights in {os.fspath(path)}: {reason(error)}. Expected a safetensors file, such as one "
            "written by save(path), or a file of torch.save(model.state_dict(), path)."
        ) from error


def _content(file: IO[bytes]) -> Any:
    start = file.read(16)
    file.seek(0)
    if start[8:9] == b"{" or not start.startswith((b"PK\x03\x04", b"\x80")):
        return decoded(file.read())
    from tinygrad_edu.nn.weights.torch_files import LEGACY, read_archive

    if start.startswith(LEGACY):
        raise DataError(
            "it is in the format of PyTorch before 1.6, which is not read; in PyTorch, torch.save(torch.load(path), "
            "path) writes today's."
        )
    if start.startswith(b"\x80"):
        raise DataError("it is a pickle, which is not read, because it could run code.")
    return read_archive(file)


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, ndarray]:
    """Return the arrays by name in a file of weights. Raise DataError if it has other values, see `load_weights`."""
    content = load_weights(path)
    parts = content if isinstance(content, dict) else {"a value": content}
    others = [f"{name} ({type(part).__name__})" for name, part in parts.items() if not isinstance(part, ndarray)]
    if others or parts is not content:
        raise DataError(
            f"cannot load {os.fspath(path)} as a state dict: it has {textwrap.shorten(', '.join(others), 200)}, "
            "expected arrays by name. Take them from nn.load_weights(path), and pass them to load_state_dict."
        )
    return parts
