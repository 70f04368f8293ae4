"""Read the header of a .npy file."""

from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from tinygrad_edu.errors import DataError

__all__ = ["npy_header"]


def npy_header(name: str, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read a header, and return the shape, whether it is in Fortran's order, and the dtype.

    Raises
    ------
    DataError
        It is none, or the array would be of Python objects. The message begins with the name.
    """
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    try:
        shape, fortran, dtype = readers[npy.read_magic(file)](file)
    # What fails at a damaged header is NumPy, or Python, which it asks; and its message would advise to allow pickles.
    except (ValueError, KeyError, TypeError, SyntaxError, TokenError) as error:
        raise DataError(f"{name} is damaged: it does not begin as an array that NumPy wrote.") from error
    if dtype.hasobject:
        raise DataError(f"{name} holds Python objects, which may be programs and are never loaded.")
    return shape, fortran, dtype
