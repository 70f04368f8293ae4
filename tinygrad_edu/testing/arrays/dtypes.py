"""Conversion of arrays of other libraries to NumPy, properties of dtypes, and views of complex arrays as real ones."""

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


def is_complex(x: Array) -> bool:
    """Whether an array is complex."""
    return x.dtype.kind == "c"


def as_real(x: Array) -> Array:
    """Return a complex array as a view with one more axis, of length 2, and a real array as it is.

    Examples
    --------
    >>> as_real(np.array([1 + 2j, 3]))
    array([[1., 2.],
           [3., 0.]])
    """
    return x[..., None].view(x.real.dtype) if is_complex(x) else x


def as_complex(x: Array) -> Array:
    """Return the complex array that `as_real` views as x, with a copy if the memory of x does not suit.

    Examples
    --------
    >>> as_complex(np.array([[1.0, 2.0], [3.0, 0.0]]))
    array([1.+2.j, 3.+0.j])
    """
    pairs = x if x.strides[-1] == x.itemsize else np.ascontiguousarray(x)
    if pairs.ctypes.data % (2 * pairs.itemsize):  # PyTorch crashes for complex numbers at such an address
        pairs = pairs.copy()
    return pairs.view(np.result_type(x.dtype, np.complex64))[..., 0]
