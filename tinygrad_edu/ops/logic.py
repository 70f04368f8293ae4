"""Questions that are answered with plain booleans, one element at a time; no derivative goes through them."""

from typing import Any

import numpy as np

from tinygrad_edu.engine import values_of

__all__ = ["isclose", "isfinite", "isinf", "isnan", "logical_and", "logical_not", "logical_or", "logical_xor"]


def isnan(x: Any) -> Any:
    """Return where x is NaN."""
    return np.isnan(values_of(x))


def isinf(x: Any) -> Any:
    """Return where x is infinite, of either sign."""
    return np.isinf(values_of(x))


def isfinite(x: Any) -> Any:
    """Return where x is neither infinite nor NaN."""
    return np.isfinite(values_of(x))


def isclose(x: Any, y: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Return where |x - y| <= atol + rtol * |y|: y is what x is compared with.

    Parameters
    ----------
    x, y : array_like
    rtol, atol : float
        What may be between them, as a part of y and as it is.
    equal_nan : bool
        Whether two NaN count as close.
    """
    return np.isclose(values_of(x), values_of(y), rtol, atol, equal_nan)


def logical_and(x: Any, y: Any) -> Any:
    """Return where neither x nor y is 0."""
    return np.logical_and(values_of(x), values_of(y))


def logical_or(x: Any, y: Any) -> Any:
    """Return where x or y is not 0."""
    return np.logical_or(values_of(x), values_of(y))


def logical_xor(x: Any, y: Any) -> Any:
    """Return where one of x and y is 0, and the other is not."""
    return np.logical_xor(values_of(x), values_of(y))


def logical_not(x: Any) -> Any:
    """Return where x is 0."""
    return np.logical_not(values_of(x))
