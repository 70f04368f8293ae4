"""Elementwise arithmetic: sums, products, quotients, remainders, rounding and signs."""

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, Operand, Tensor, op

__all__ = [
    "abs", "add", "astype", "ceil", "copysign", "deg2rad", "divide", "floor", "floor_divide", "fmod", "multiply",
    "negative", "positive", "rad2deg", "reciprocal", "remainder", "round", "sign", "subtract", "trunc",
]  # fmt: skip


@op(broadcasts=True)
def add(x: Operand, y: Operand) -> Array:
    """Return x + y."""
    return np.add(x, y)


add.vjps(x=lambda g: g, y=lambda g: g)


@op(broadcasts=True)
def subtract(x: Operand, y: Operand) -> Array:
    """Return x - y."""
    return np.subtract(x, y)


subtract.vjps(x=lambda g: g, y=lambda g: -g)


@op(broadcasts=True)
def multiply(x: Operand, y: Operand) -> Array:
    """Return x * y."""
    return np.multiply(x, y)


multiply.vjps(x=lambda g, y: g * y, y=lambda g, x: g * x)


@op(broadcasts=True)
def divide(x: Operand, y: Operand) -> Array:
    """Return x / y."""
    return np.divide(x, y)


divide.vjps(x=lambda g, y: g / y, y=lambda g, out, y: -g * out / y)


@op
def reciprocal(x: Array) -> Array:
    """Return 1 / x; of integers the whole part of it, as in NumPy."""
    return np.reciprocal(x)


reciprocal.vjps(x=lambda g, out: -g * out * out)


def _zeros(g: Any, x_shape: tuple[int, ...], x_dtype: Any) -> ndarray:
    """Return a zero gradient, for a piecewise constant function."""
    return np.zeros(x_shape, x_dtype)


@op(broadcasts=True)
def floor_divide(x: Operand, y: Operand) -> Array:
    """Return x // y, rounded down. Its derivatives are 0 wherever they exist."""
    return np.floor_divide(x, y)


floor_divide.vjps(
    x=lambda g, x_shape, x_dtype: _zeros(g, x_shape, x_dtype),
    y=lambda g, y_shape, y_dtype: _zeros(g, y_shape, y_dtype),
)


@op(broadcasts=True)
def remainder(x: Operand, y: Operand) -> Array:
    """Return x % y = x - y * (x // y), of the sign of y."""
    return np.remainder(x, y)


remainder.vjps(x=lambda g: g, y=lambda g, x, y: -g * floor_divide(x, y))


@op(broadcasts=True)
def fmod(x: Operand, y: Operand) -> Array:
    """Return the remainder of x / y that has the sign of x, as in C."""
    return np.fmod(x, y)


# The quotient of a multiple of y is whole but for rounding, which that of x need not be beside a whole number.
fmod.vjps(x=lambda g: g, y=lambda g, x, y, out: -g * round((x - out) / y))


@op
def floor(x: Array) -> Array:
    """Return the greatest whole number that is not above x. Its derivative is 0."""
    return np.floor(x)


@op
def ceil(x: Array) -> Array:
    """Return the smallest whole number that is not below x. Its derivative is 0."""
    return np.ceil(x)


@op
def trunc(x: Array) -> Array:
    """Return the whole part of x, without what stands behind the point. Its derivative is 0."""
    return np.trunc(x)


@op
def round(x: Array, /, decimals: int = 0) -> Array:
    """Return x rounded to so many decimals, halves to the even neighbour. Its derivative is 0.

    A negative number of decimals rounds to tens, hundreds and so on.
    """
    return np.round(x, decimals)


floor.vjps(x=_zeros)
ceil.vjps(x=_zeros)
trunc.vjps(x=_zeros)
round.vjps(x=_zeros)


@op
def positive(x: Array) -> Array:
    """Return +x, a copy."""
    return np.positive(x)


positive.vjps(x=lambda g: g)


@op
def negative(x: Array) -> Array:
    """Return -x."""
    return np.negative(x)


negative.vjps(x=lambda g: -g)


@op
def sign(x: Array) -> Array:
    """Return -1, 0 or 1, the sign of x. Its derivative is 0."""
    return np.sign(x)


sign.vjps(x=_zeros)


@op
def abs(x: Array) -> Array:
    """Return |x|. Its derivative at 0 is 0."""
    return np.abs(x)


abs.vjps(x=lambda g, x: g * sign(x))


@op(broadcasts=True)
def copysign(x: Operand, y: Operand) -> Array:
    """Return the magnitude of x with the sign of y. The derivative is 0 for y, and where x is 0 also for x."""
    return np.copysign(x, y)


copysign.vjps(x=lambda g, x, out: g * (sign(x) * sign(out)), y=lambda g, y_shape, y_dtype: _zeros(g, y_shape, y_dtype))


@op
def deg2rad(x: Array) -> Array:
    """Return an angle in degrees in radians: x * pi / 180."""
    return np.deg2rad(x)


@op
def rad2deg(x: Array) -> Array:
    """Return an angle in radians in degrees: x * 180 / pi."""
    return np.rad2deg(x)


deg2rad.vjps(x=lambda g: deg2rad(g))
rad2deg.vjps(x=lambda g: rad2deg(g))


@op(promotes=False)
def astype(x: Array, /, dtype: Any) -> Array:
    """Return a copy of x of another dtype. A gradient flows back only from a floating-point one."""
    return np.array(x, dtype=np.dtype(dtype).newbyteorder("="))


astype.vjps(x=lambda g, x_dtype: astype(g, x_dtype))


def cast(x: Any, dtype: Any) -> Any:
    """Return an array or Tensor in a dtype: as it is, if that is its own."""
    return x if x.dtype == dtype else astype(x, dtype)


def in_dtype_of(g: Any, value: Any) -> Any:
    """Return a number, array or Tensor in the dtype of a gradient."""
    if getattr(value, "dtype", None) == g.dtype:
        return value
    return astype(value, g.dtype)


def divide_evenly(g: Any, count: Any) -> Any:
    """Return g / count. In float16 a count beyond 65,504 is infinite: that is divided in float32."""
    if g.dtype == np.float16:
        return astype(astype(g, np.float32) / np.asarray(count, np.float32), g.dtype)
    return g / np.asarray(count, g.dtype)


def as_floating(x: Any) -> Any:
    """Return x as a Tensor or an array of floating-point numbers."""
    x = x if isinstance(x, Tensor) else np.asarray(x)
    if x.dtype.kind == "f":
        return x
    return astype(x, np.float32 if isinstance(x, Tensor) else np.float64)
