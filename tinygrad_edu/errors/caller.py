"""The line of user code that called this package, for warnings and errors."""

import os
import sys
import warnings
from types import FrameType

__all__ = ["calling_line", "is_own_file", "line_of", "warn_caller"]

_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the innermost line outside of this package."""
    _, depth = _calling_frame()
    warnings.warn(message, category, stacklevel=depth)


def calling_line() -> str:
    """Return the file and the number of the innermost line outside of this package: ``"model.py:12"``."""
    frame, _ = _calling_frame()
    return line_of(frame)


def line_of(frame: FrameType) -> str:
    """Return the file and the number of the line that a frame runs."""
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


def _calling_frame() -> tuple[FrameType, int]:
    """Return the innermost frame outside of this package, and its distance from the caller."""
    frame, depth = sys._getframe(2), 2
    while frame.f_back is not None and is_own_file(frame.f_code.co_filename):
        frame, depth = frame.f_back, depth + 1
    return frame, depth


def is_own_file(filename: str) -> bool:
    """Return whether a file belongs to this package, or is the generated call of an op."""
    return filename.startswith((_PACKAGE, "<op "))
