"""Powers, roots, exponentials and logarithms, one element at a time."""

from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, op
from tinygrad_edu.ops.arithmetic import in_dtype_of
from tinygrad_edu.ops.choosing import where

__all__ = ["exp", "log", "power", "sqrt", "square"]


@op
def square(x: Array) -> Array:
    """Return x * x."""
    return np.square(x)


square.vjps(x=lambda g, x: g * (x + x))


@op
def sqrt(x: Array) -> Array:
    """Return the square root of x."""
    return np.sqrt(x)


sqrt.vjps(x=lambda g, out: g / (out + out))


@op
def exp(x: Array) -> Array:
    """Return e ** x."""
    return np.exp(x)


exp.vjps(x=lambda g, out: g * out)


@op
def log(x: Array) -> Array:
    """Return the natural logarithm of x."""
    return np.log(x)


log.vjps(x=lambda g, x: g / x)


@op(broadcasts=True)
def power(x: Any, y: Any) -> Array:
    """Return x ** y.

    At a zero exponent the derivative with respect to the base is 0 for every base, as in PyTorch, and at a zero base so
    is the one with respect to the exponent; a negative base has a NaN derivative with respect to its exponent.
    """
    # NumPy's scalars have a power of their own, which may differ from that of arrays in the last digit.
    return np.asarray(x) ** y if isinstance(x, np.generic) else x**y


def _power_x(g: Any, x: Any, y: Any) -> Any:
    y = in_dtype_of(g, y)
    if not np.any(y == 0):
        return g * (y * x ** (y - 1))
    # Where 1 / x is not finite, 0 * x ** -1 is no 0; the exponent 0 makes it one.
    with np.errstate(all="ignore"):
        lost = (y == 0) & ~np.isfinite(1 / x)
    return g * (y * where(lost, 1.0, x) ** where(lost, 0.0, y - 1))


def _power_y(g: Any, x: Any, y: Any, out: Any) -> Any:
    x = in_dtype_of(g, x)
    return g * (out * log(where((x == 0) & (y >= 0), 1.0, x)))


power.vjps(x=_power_x, y=_power_y)
