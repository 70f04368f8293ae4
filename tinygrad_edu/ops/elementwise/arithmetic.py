"""Elementwise arithmetic: sums, products, quotients, remainders, rounding and signs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu import core
from tinygrad_edu.engine import Array, Operand, Tensor, extend, op, to_array

__all__ = [
    "abs", "add", "astype", "ceil", "copysign", "deg2rad", "divide", "floor", "floor_divide", "fmod", "multiply",
    "negative", "positive", "rad2deg", "reciprocal", "remainder", "round", "sign", "subtract", "trunc",
]  # fmt: skip


add = extend(core.add, batching="elementwise")
subtract = extend(core.subtract, batching="elementwise")
multiply = extend(core.multiply, batching="elementwise")
divide = extend(core.divide, batching="elementwise")
negative = extend(core.negative, batching="elementwise")


@op(batching="elementwise")
def reciprocal(x: Array) -> Array:
    """Return 1 / x, truncated for integers, as in NumPy."""
    return np.reciprocal(x)


reciprocal.vjps(x=lambda g, out: -g * out * out)


def _zeros(g: Any, x_shape: tuple[int, ...], x_dtype: Any) -> ndarray:
    """Return a zero gradient, for a piecewise constant function."""
    return np.zeros(x_shape, x_dtype)


@op(broadcasts=True, batching="elementwise")
def floor_divide(x: Operand, y: Operand) -> Array:
    """Return x // y, rounded down. The derivatives are 0 where they exist."""
    return np.floor_divide(x, y)


floor_divide.vjps(
    x=lambda g, x_shape, x_dtype: _zeros(g, x_shape, x_dtype),
    y=lambda g, y_shape, y_dtype: _zeros(g, y_shape, y_dtype),
)


@op(broadcasts=True, batching="elementwise")
def remainder(x: Operand, y: Operand) -> Array:
    """Return x % y = x - y * (x // y), with the sign of y."""
    return np.remainder(x, y)


remainder.vjps(x=lambda g: g, y=lambda g, x, y: -g * floor_divide(x, y))


@op(broadcasts=True, batching="elementwise")
def fmod(x: Operand, y: Operand) -> Array:
    """Return the remainder of x / y with the sign of x, as in C."""
    return np.fmod(x, y)


# (x - out) / y is an integer up to rounding error; trunc(x / y) could be off by one where x / y is near an integer.
fmod.vjps(x=lambda g: g, y=lambda g, x, y, out: -g * round((x - out) / y))


@op(batching="elementwise")
def floor(x: Array) -> Array:
    """Return the largest integer <= x. The derivative is 0."""
    return np.floor(x)


@op(batching="elementwise")
def ceil(x: Array) -> Array:
    """Return the smallest integer >= x. The derivative is 0."""
    return np.ceil(x)


@op(batching="elementwise")
def trunc(x: Array) -> Array:
    """Return x rounded towards 0 to an integer. The derivative is 0."""
    return np.trunc(x)


@op(batching="elementwise")
def round(x: Array, /, decimals: int = 0) -> Array:
    """Return x rounded to `decimals` decimals, with halves rounded to even. The derivative is 0.

    A negative `decimals` rounds to tens, hundreds and so on.
    """
    return np.round(x, decimals)


floor.vjps(x=_zeros)
ceil.vjps(x=_zeros)
trunc.vjps(x=_zeros)
round.vjps(x=_zeros)


@op(batching="elementwise")
def positive(x: Array) -> Array:
    """Return +x, a copy."""
    return np.positive(x)


positive.vjps(x=lambda g: g)


@op(batching="elementwise")
def sign(x: Array) -> Array:
    """Return the sign of x: -1, 0 or 1. The derivative is 0."""
    return np.sign(x)


sign.vjps(x=_zeros)


@op(batching="elementwise")
def abs(x: Array) -> Array:
    """Return |x|. The derivative at 0 is 0."""
    return np.abs(x)


abs.vjps(x=lambda g, x: g * sign(x))


@op(broadcasts=True, batching="elementwise")
def copysign(x: Operand, y: Operand) -> Array:
    """Return |x| with the sign of y. The derivative is 0 with respect to y, and with respect to x where x is 0."""
    return np.copysign(x, y)


copysign.vjps(x=lambda g, x, out: g * (sign(x) * sign(out)), y=lambda g, y_shape, y_dtype: _zeros(g, y_shape, y_dtype))


@op(batching="elementwise")
def deg2rad(x: Array) -> Array:
    """Convert angles from degrees to radians: x * pi / 180."""
    return np.deg2rad(x)


@op(batching="elementwise")
def rad2deg(x: Array) -> Array:
    """Convert angles from radians to degrees: x * 180 / pi."""
    return np.rad2deg(x)


deg2rad.vjps(x=lambda g: deg2rad(g))
rad2deg.vjps(x=lambda g: rad2deg(g))


@op(promotes=False, batching="elementwise")
def astype(x: Array, /, dtype: Any) -> Array:
    """Return a copy of x cast to `dtype`. A gradient flows back only if `dtype` is floating-point."""
    return np.array(x, dtype=np.dtype(dtype).newbyteorder("="))


astype.vjps(x=lambda g, x_dtype: astype(g, x_dtype))


def cast(x: Any, dtype: Any) -> Any:
    """Return an array or Tensor cast to `dtype`; return x itself if it has that dtype."""
    return x if x.dtype == dtype else astype(x, dtype)


def in_dtype_of(g: Any, value: Any) -> Any:
    """Return a number, array or Tensor cast to the dtype of g."""
    if getattr(value, "dtype", None) == g.dtype:
        return value
    return astype(value, g.dtype)


def are_arrays(*values: Any) -> bool:
    """Return whether all values are arrays: a vjp can then compute in place, because its pass is not recorded."""
    return all(isinstance(value, ndarray) for value in values)


def scale_by(x: Any, factor: float) -> Any:
    """Return x * factor, and x itself if the factor is 1."""
    return x if factor == 1 else x * factor


def divide_evenly(g: Any, count: Any) -> Any:
    """Return g / count; divide float16 in float32, because a count above 65,504 would be infinite in float16."""
    if g.dtype == np.float16:
        return astype(astype(g, np.float32) / np.asarray(count, np.float32), g.dtype)
    return g / np.asarray(count, g.dtype)


def as_floating(x: Any) -> Any:
    """Return x as a floating-point Tensor (float32 for integers) or array (float64 for integers)."""
    x = x if isinstance(x, (Tensor, np.ndarray)) else to_array(x)
    if x.dtype.kind == "f":
        return x
    return astype(x, np.float32 if isinstance(x, Tensor) else np.float64)
