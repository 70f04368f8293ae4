"""Ops on one element at a time: arithmetic, powers, exponentials, and the functions with a kink."""

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, Operand, op
from tinygrad_edu.ops.fast.elementwise import ZEROS, masked, tanh_slope


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


@op(broadcasts=True)
def power(x: Any, y: Any) -> Array:
    """Return x ** y.

    At a zero exponent the derivative with respect to the base is 0 for every base, as in PyTorch, and at a zero base so
    is the one with respect to the exponent; a negative base has a NaN derivative with respect to its exponent.
    """
    # NumPy's scalars have a power of their own, which may differ from that of arrays in the last digit.
    return np.asarray(x) ** y if isinstance(x, np.generic) else x**y


def in_dtype_of(g: Any, value: Any) -> Any:
    """Return a number, array or Tensor in the dtype of a gradient."""
    if getattr(value, "dtype", None) == g.dtype:
        return value
    return astype(value, g.dtype)


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


@op
def negative(x: Array) -> Array:
    """Return -x."""
    return np.negative(x)


negative.vjps(x=lambda g: -g)


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


@op
def sqrt(x: Array) -> Array:
    """Return the square root of x."""
    return np.sqrt(x)


sqrt.vjps(x=lambda g, out: g / (out + out))


@op
def square(x: Array) -> Array:
    """Return x * x."""
    return np.square(x)


square.vjps(x=lambda g, x: g * (x + x))


@op
def sin(x: Array) -> Array:
    """Return the sine of x, in radians."""
    return np.sin(x)


@op
def cos(x: Array) -> Array:
    """Return the cosine of x, in radians."""
    return np.cos(x)


sin.vjps(x=lambda g, x: g * cos(x))
cos.vjps(x=lambda g, x: -g * sin(x))


@op
def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent of x."""
    return np.tanh(x)


@op
def tanh_gradient(cotangent: Array, t: Array) -> Array:
    """Return cotangent * (1 - t * t), the rule of t = tanh(x)."""
    return tanh_slope(cotangent, t)


tanh.vjps(x=lambda g, out: tanh_gradient(g, out))
tanh_gradient.vjps(
    cotangent=lambda g, t: tanh_gradient(g, t),
    t=lambda g, cotangent, t: g * cotangent * (-2 * t),
)


@op
def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), without overflow at either end."""
    e = np.exp(-1.0 * np.abs(x))  # not -np.abs(x), which wraps around for unsigned numbers
    return np.where(np.greater_equal(x, 0), 1, e) / (1 + e)


sigmoid.vjps(x=lambda g, out: g * (out * (1 - out)))


@op(broadcasts=True, promotes=("x", "y"))
def where(condition: Any, x: Operand, y: Operand) -> Array:
    """Return x where `condition` holds, and y elsewhere. No gradient flows to the condition."""
    return np.where(condition, x, y)


@op(broadcasts=True, promotes=("x",))
def keep(x: Array, mask: Array) -> Array:
    """Return x where `mask` holds and 0 elsewhere, also in place of a NaN. No gradient flows to the mask."""
    return masked(x if isinstance(x, ndarray) else np.asarray(x), mask)


where.vjps(x=lambda g, condition: keep(g, condition), y=lambda g, condition: keep(g, condition == 0))
keep.vjps(x=lambda g, mask: keep(g, mask))


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


@op
def relu(x: Array) -> Array:
    """Return max(x, 0). Its derivative at 0 is 0; a NaN lets the gradient through."""
    return np.maximum(x, ZEROS[x.dtype] if isinstance(x, ndarray) and x.dtype.kind == "f" else 0)


relu.vjps(x=lambda g, out: keep(g, out != ZEROS[out.dtype]))


@op(broadcasts=True)
def maximum(x: Operand, y: Operand) -> Array:
    """Return the greater of x and y. Where they are equal, each gets half of the gradient; beside a NaN, all of it."""
    return np.maximum(x, y)


maximum.vjps(
    x=lambda g, x, y: where(x == y, g * 0.5, keep(g, ~(x < y))),
    y=lambda g, x, y: where(x == y, g * 0.5, keep(g, ~(y < x))),
)


@op(broadcasts=True)
def minimum(x: Operand, y: Operand) -> Array:
    """Return the smaller of x and y. Where they are equal, each gets half of the gradient; beside a NaN, all of it."""
    return np.minimum(x, y)


minimum.vjps(
    x=lambda g, x, y: where(x == y, g * 0.5, keep(g, ~(x > y))),
    y=lambda g, x, y: where(x == y, g * 0.5, keep(g, ~(y > x))),
)


@op
def clip(x: Array, /, min: float | None = None, max: float | None = None) -> Array:
    """Return x held between `min` and `max` (numbers, or None for no bound).

    The gradient passes where min <= x <= max, the bounds included, and is 0 outside.
    """
    return np.clip(x, min, max)


def _within(x: Any, min: Any, max: Any) -> ndarray:
    inside = np.ones(x.shape, bool)
    if min is not None:
        inside &= x >= min
    if max is not None:
        inside &= x <= max
    return inside


clip.vjps(x=lambda g, x, min, max: keep(g, _within(x, min, max)))


@op(promotes=False)
def astype(x: Array, /, dtype: Any) -> Array:
    """Return a copy of x of another dtype. A gradient flows back only from a floating-point one."""
    return np.array(x, dtype=np.dtype(dtype).newbyteorder("="))


astype.vjps(x=lambda g, x_dtype: astype(g, x_dtype))
