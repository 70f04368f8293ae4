"""Read the header of a .npy file."""

from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from tinygrad_edu.errors import DataError

__all__ = ["npy_header"]


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
