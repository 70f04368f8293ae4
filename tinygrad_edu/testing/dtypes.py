"""What a dtype is, of NumPy or of ml_dtypes (JAX's bfloat16): floating-point or not, and how coarsely it rounds."""

from typing import Any

import numpy as np


def is_real(dtype: np.dtype[Any]) -> bool:
    """Whether values of a dtype are real numbers, or booleans, which count as 0 and 1."""
    return dtype.kind in "fiub" or (dtype.kind == "V" and np.can_cast(dtype, np.float64))  # ml_dtypes are of kind V


def is_floating(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype holds fractions."""
    return dtype.kind == "f" or (dtype.kind == "V" and is_real(dtype) and bool(np.asarray(0.5).astype(dtype)))


def unit_of(dtype: np.dtype[Any]) -> float:
    """Return the distance from 1 to the next number of a floating-point dtype: 2**-7 for bfloat16.

    Examples
    --------
    >>> unit_of(np.dtype(np.float16)) == 2.0**-10
    True
    """
    if dtype.kind == "f":
        return float(np.finfo(dtype).eps)
    unit = 1.0
    while float(np.asarray(1 + unit / 2).astype(dtype)) > 1:
        unit /= 2
    return unit
