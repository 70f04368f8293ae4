"""Conversion of other libraries' arrays to NumPy, and properties of dtypes."""

import numbers
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, values_of
from tinygrad_edu.errors import MissingExtraError


def is_real(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype holds real numbers or booleans, including ml_dtypes."""
    return dtype.kind in "fiub" or (dtype.kind == "V" and np.can_cast(dtype, np.float64))  # ml_dtypes are of kind V


def is_floating(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype is a floating-point dtype, including ml_dtypes."""
    return dtype.kind == "f" or (dtype.kind == "V" and is_real(dtype) and bool(np.asarray(0.5).astype(dtype)))


def unit_of(dtype: np.dtype[Any]) -> float:
    """Return the eps of a floating-point dtype, such as 2**-7 for bfloat16; 0 for any other dtype.

    Examples
    --------
    >>> unit_of(np.dtype(np.float16)) == 2.0**-10
    True
    """
    if dtype.kind == "f":
        return float(np.finfo(dtype).eps)
    unit = float(is_floating(dtype))
    while unit and float(np.asarray(1 + unit / 2).astype(dtype)) > 1:
        unit /= 2
    return unit


def as_numbers(value: Any) -> Array | None:
    """Convert a number, a list of numbers or an array of any library to a NumPy array; return None otherwise."""
    value = values_of(value)
    if hasattr(value, "detach") and hasattr(value, "dtype"):
        return _from_torch(value)
    if hasattr(value, "toarray"):  # a sparse array of SciPy
        value = value.toarray()
    if not (hasattr(value, "__array__") or isinstance(value, numbers.Number | list | tuple)):
        return None
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):  # JAX's random keys, and lists of other objects
        return None
    return array if is_real(array.dtype) or array.dtype.kind == "c" else None


def _from_torch(tensor: Any) -> Array | None:
    """Convert a PyTorch tensor to an array, also if it is sparse or bfloat16."""
    tensor = tensor.detach().cpu().to_dense()
    if str(tensor.dtype) != "torch.bfloat16":
        return as_numbers(tensor.numpy())
    try:
        from ml_dtypes import bfloat16
    except ImportError as error:
        raise MissingExtraError("bfloat16 tensors of PyTorch require ml_dtypes: run pip install ml_dtypes.") from error
    return np.asarray(tensor.float().numpy().astype(bfloat16))
