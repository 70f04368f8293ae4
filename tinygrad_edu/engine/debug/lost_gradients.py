"""Warnings about lost gradients, once for each line of code, with the code to write instead."""

import sys
import warnings

from tinygrad_edu.errors import LostGradientWarning


def warn_of_a_lost_gradient(message: str, depth: int) -> None:
    """Warn at the line that called the function `depth` calls above this one."""
    warnings.warn(message, LostGradientWarning, stacklevel=depth + 2)


def called_by_numpy_testing() -> bool:
    """Return whether ``__array__``, the caller, was called by NumPy's assertions, which only compare values."""
    return str(sys._getframe(2).f_globals.get("__name__")).startswith("numpy.testing")
