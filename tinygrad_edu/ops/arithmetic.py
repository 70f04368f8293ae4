"""Arithmetic: sums, products, quotients, remainders and signs, one element at a time."""

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, Operand, op

__all__ = ["abs", "add", "astype", "divide", "floor_divide", "multiply", "negative", "remainder", "sign", "subtract"]


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


def _zero(g: Any, x_shape: tuple[int, ...], x_dtype: Any) -> ndarray:
    """Return the gradient of a function that is constant between its jumps."""
    return np.zeros(x_shape, x_dtype)


@op(broadcasts=True)
def floor_divide(x: Operand, y: Operand) -> Array:
    """Return x // y, rounded down. Its derivatives are 0 wherever they exist."""
    return np.floor_divide(x, y)


floor_divide.vjps(
    x=lambda g, x_shape, x_dtype: _zero(g, x_shape, x_dtype),
    y=lambda g, y_shape, y_dtype: _zero(g, y_shape, y_dtype),
)


@op(broadcasts=True)
def remainder(x: Operand, y: Operand) -> Array:
    """Return x % y = x - y * (x // y), of the sign of y."""
    return np.remainder(x, y)


remainder.vjps(x=lambda g: g, y=lambda g, x, y: -g * floor_divide(x, y))


@op
def negative(x: Array) -> Array:
    """Return -x."""
    return np.negative(x)


negative.vjps(x=lambda g: -g)


@op
def sign(x: Array) -> Array:
    """Return -1, 0 or 1, the sign of x. Its derivative is 0."""
    return np.sign(x)


sign.vjps(x=_zero)


@op
def abs(x: Array) -> Array:
    """Return |x|. Its derivative at 0 is 0."""
    return np.abs(x)


abs.vjps(x=lambda g, x: g * sign(x))


@op(promotes=False)
def astype(x: Array, /, dtype: Any) -> Array:
    """Return a copy of x of another dtype. A gradient flows back only from a floating-point one."""
    return np.array(x, dtype=np.dtype(dtype).newbyteorder("="))


astype.vjps(x=lambda g, x_dtype: astype(g, x_dtype))


def in_dtype_of(g: Any, value: Any) -> Any:
    """Return a number, array or Tensor in the dtype of a gradient."""
    if getattr(value, "dtype", None) == g.dtype:
        return value
    return astype(value, g.dtype)
