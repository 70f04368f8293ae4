"""The error for a wrong result of a student's code, and descriptions of such results."""

from typing import Any

import numpy as np

from tinygrad_edu.errors import TinygradError


class Wrong(TinygradError, AssertionError):  # noqa: N818 - a finding about the student's code
    """The student's code gave a wrong result. `of` is the function that is at fault, if it is known."""

    def __init__(self, message: str, of: Any = None) -> None:
        super().__init__(message)
        self.of = of


def is_numeric(x: Any) -> bool:
    """Return whether x is a number or an array of numbers."""
    return isinstance(x, int | float | np.generic | np.ndarray) and np.asarray(x).dtype != object


def type_and_shape(x: Any) -> str:
    """Return the type of x in words, with its shape or length."""
    if isinstance(x, np.ndarray):
        return f"ndarray of shape {x.shape}" + " and dtype object" * bool(x.dtype == object)
    if isinstance(x, tuple | list):
        return f"{type(x).__name__} of length {len(x)}"
    return "None" if x is None else type(x).__name__
