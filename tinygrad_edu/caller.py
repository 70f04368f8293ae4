"""Warnings that name the line of user code that called this package."""

import os
import sys
import warnings

__all__ = ["warn_caller"]

_PACKAGE = os.path.dirname(__file__) + os.sep


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the innermost line outside of this package."""
    frame, depth = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith((_PACKAGE, "<op ")):  # or a generated call
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, category, stacklevel=depth)
