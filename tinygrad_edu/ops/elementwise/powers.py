"""Elementwise powers, roots, exponentials and logarithms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_edu import core
from tinygrad_edu.engine import Array, Operand, extend, op, values_of
from tinygrad_edu.ops.elementwise.arithmetic import in_dtype_of
from tinygrad_edu.ops.elementwise.selection import drop, where
from tinygrad_edu.ops.fast import powers as fast
from tinygrad_edu.shared.speed.plain_mode import faster_than

__all__ = [
    "cbrt", "exp", "exp2", "expm1", "hypot", "log", "log1p", "log2", "log10", "power", "rsqrt", "sqrt", "square",
    "xlogy",
]  # fmt: skip


# --- The range of floating-point numbers ---


def power_of_2_below(x: Array) -> Array:
    """Return the largest power of 2 <= x, or 1 for 0, NaN and infinity. Division by it is exact."""
    is_ordinary = np.isfinite(x) & (x > 0)
    exponent = np.frexp(np.where(is_ordinary, x, 1))[1] - 1
    return np.ldexp(np.ones((), x.dtype), exponent)


def all_normal(x: Array) -> bool:
    """Return whether all elements are positive normal numbers: none is 0, subnormal, infinite or NaN."""
    limits = np.finfo(x.dtype)
    return bool(np.all((x >= limits.tiny) & (x <= limits.max)))


# --- Powers, roots, exponentials and logarithms ---


@op(batching="elementwise")
def square(x: Array) -> Array:
    """Return x * x."""
    return np.square(x)


square.vjps(x=lambda g, x: g * (x + x))


@op(batching="elementwise")
def sqrt(x: Array) -> Array:
    """Return the square root of x."""
    return np.sqrt(x)


sqrt.vjps(x=lambda g, out: g / (out + out))


@op(batching="elementwise")
def rsqrt(x: Array) -> Array:
    """Return 1 / sqrt(x)."""
    return 1 / np.sqrt(x)


rsqrt.vjps(x=lambda g, out: g * (out * out * out * -0.5))


@op(batching="elementwise")
def cbrt(x: Array) -> Array:
    """Return the cube root of x, negative for negative x."""
    return np.cbrt(x)


cbrt.vjps(x=lambda g, out: g / (out * out * 3))


@op(broadcasts=True, batching="elementwise")
def hypot(x: Operand, y: Operand) -> Array:
    """Return sqrt(x * x + y * y) without intermediate overflow. At the origin the gradients are NaN, as in PyTorch."""
    return np.hypot(x, y)


@op(name="hypot", broadcasts=True, batching="elementwise")
def hypot_ratio(x: Operand, y: Operand) -> Array:
    """Return x / hypot(x, y). Where hypot(x, y) is not a normal number, x and y are scaled first; the scale cancels."""
    length = np.hypot(x, y)
    if all_normal(length):
        return np.divide(x, length)
    scale = power_of_2_below(np.maximum(np.abs(x), np.abs(y)).astype(length.dtype))
    return np.divide(x / scale, np.hypot(x / scale, y / scale))


hypot.vjps(x=lambda g, x, y: g * hypot_ratio(x, y), y=lambda g, x, y: g * hypot_ratio(y, x))
hypot_ratio.vjps(
    x=lambda g, x, y: g * square(hypot_ratio(y, x)) / hypot(x, y),
    y=lambda g, x, y: -g * hypot_ratio(x, y) * hypot_ratio(y, x) / hypot(x, y),
)


exp = extend(core.exp, batching="elementwise")


@op(batching="elementwise")
def exp2(x: Array) -> Array:
    """Return 2 ** x."""
    return np.exp2(x)


exp2.vjps(x=lambda g, out: g * (out * math.log(2)))


@op(batching="elementwise")
def expm1(x: Array) -> Array:
    """Return exp(x) - 1, accurate near 0."""
    return np.expm1(x)


expm1.vjps(x=lambda g, x: g * exp(x))  # for negative x, out + 1 suffers from cancellation


log = extend(core.log, batching="elementwise")


@op(batching="elementwise")
def log2(x: Array) -> Array:
    """Return the logarithm of x to the base 2."""
    return np.log2(x)


@op(batching="elementwise")
def log10(x: Array) -> Array:
    """Return the logarithm of x to the base 10."""
    return np.log10(x)


@op(batching="elementwise")
def log1p(x: Array) -> Array:
    """Return log(1 + x), accurate near 0."""
    return np.log1p(x)


log2.vjps(x=lambda g, x: g / math.log(2) / x)
log10.vjps(x=lambda g, x: g / math.log(10) / x)
log1p.vjps(x=lambda g, x: g / (1 + x))


@op(broadcasts=True, batching="elementwise")
def xlogy(x: Operand, y: Operand) -> Array:
    """Return x * log(y), and 0 where x is 0 unless y is NaN.

    Where x is 0 and y <= 0, the gradient with respect to x is 0, as in PyTorch.
    """
    dtype = np.result_type(x, y)
    y = np.asarray(y, dtype if dtype.kind == "f" else np.float64)
    empty = np.equal(x, 0) & ~np.isnan(y)
    return np.where(empty, 0, np.multiply(x, np.log(np.where(empty, 1, y))))


xlogy.vjps(x=lambda g, x, y: drop(xlogy(g, y), (x == 0) & (y <= 0)), y=lambda g, x, y: g * x / y)


power = extend(
    core.power,
    batching="elementwise",
    doc="""Return x ** y.

    As in PyTorch, the gradient with respect to x is 0 where y is 0, and the gradient with respect to y is 0 where x is
    0 and y >= 0. For a negative x the gradient with respect to y is NaN.
    """,
)
power.replace_forward(faster_than(power.forward)(fast.power_values))


# Not the vjps of the core: integers among the operands must not widen g, and these can be differentiated at y = 0.
def _power_x(g: Any, x: Any, y: Any) -> Any:
    if y.__class__ is int or y.__class__ is float:
        return _scalar_power_x(g, x, y)
    y = in_dtype_of(g, y)
    if not np.any(y == 0):
        return g * (y * power(x, y - 1))
    # Where 1 / x is not finite, 0 * x ** -1 is NaN; an exponent of 0 makes it 0.
    with np.errstate(all="ignore"):
        singular = (y == 0) & ~np.isfinite(1 / values_of(x))
    return g * (y * where(singular, 1.0, x) ** where(singular, 0.0, y - 1))


def _scalar_power_x(g: Any, x: Any, n: float) -> Any:
    """Return the vjp of x ** n with respect to x for a Python number n, without a power for n = 0, 1 and 2."""
    if n == 0:
        return np.zeros(g.shape, g.dtype)
    if n == 1:
        return g
    return g * (x + x if n == 2 else n * power(x, n - 1))


def _power_y(g: Any, x: Any, y: Any, out: Any) -> Any:
    x = in_dtype_of(g, x)
    return g * (out * log(where((x == 0) & (y >= 0), 1.0, x)))


power.vjps(x=_power_x, y=_power_y)
