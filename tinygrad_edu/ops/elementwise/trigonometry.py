"""Elementwise trigonometric and hyperbolic functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu import core
from tinygrad_edu.engine import Array, Operand, extend, op
from tinygrad_edu.ops.elementwise.powers import hypot, sqrt
from tinygrad_edu.ops.elementwise.selection import where
from tinygrad_edu.ops.fast import elementwise
from tinygrad_edu.shared.speed.plain_mode import faster_than

__all__ = [
    "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "cos", "cosh", "sin", "sinc", "sinh",
    "tan", "tanh",
]  # fmt: skip


@op(batching="elementwise")
def sin(x: Array) -> Array:
    """Return the sine of x, in radians."""
    return np.sin(x)


@op(batching="elementwise")
def cos(x: Array) -> Array:
    """Return the cosine of x, in radians."""
    return np.cos(x)


sin.vjps(x=lambda g, x: g * cos(x))
cos.vjps(x=lambda g, x: -g * sin(x))


@op(batching="elementwise")
def tan(x: Array) -> Array:
    """Return the tangent of x, in radians."""
    return np.tan(x)


tan.vjps(x=lambda g, out: g * (1 + out * out))


@op(batching="elementwise")
def arcsin(x: Array) -> Array:
    """Return the angle whose sine is x, between -pi / 2 and pi / 2."""
    return np.arcsin(x)


@op(batching="elementwise")
def arccos(x: Array) -> Array:
    """Return the angle whose cosine is x, between 0 and pi."""
    return np.arccos(x)


@op(batching="elementwise")
def one_minus_square(x: Array) -> Array:
    """Return 1 - x * x, accurate near 1 and -1."""
    return (1 - x) * (1 + x)


one_minus_square.vjps(x=lambda g, x: g * (x * -2))
arcsin.vjps(x=lambda g, x: g / sqrt(one_minus_square(x)))
arccos.vjps(x=lambda g, x: -g / sqrt(one_minus_square(x)))


@op(batching="elementwise")
def arctan(x: Array) -> Array:
    """Return the angle whose tangent is x, between -pi / 2 and pi / 2."""
    return np.arctan(x)


arctan.vjps(x=lambda g, x: g / (1 + x * x))


@op(broadcasts=True, batching="elementwise")
def arctan2(x: Operand, y: Operand) -> Array:
    """Return the angle of the point (y, x), between -pi and pi. As in NumPy, the ordinate is the first argument.

    The tangent of the angle is x / y. At the origin the gradients are 0, as in PyTorch.
    """
    return np.arctan2(x, y)


def _over_squared_radius(coordinate: Any, x: Any, y: Any) -> Any:
    """Divide a coordinate by x * x + y * y without overflow; return 0 at the origin."""
    radius = hypot(x, y)
    origin = radius == 0
    if np.any(origin):
        radius = where(origin, np.inf, radius)
    return coordinate / radius / radius


arctan2.vjps(x=lambda g, x, y: g * _over_squared_radius(y, x, y), y=lambda g, x, y: -g * _over_squared_radius(x, x, y))


@op(batching="elementwise")
def sinh(x: Array) -> Array:
    """Return the hyperbolic sine of x."""
    return np.sinh(x)


@op(batching="elementwise")
def cosh(x: Array) -> Array:
    """Return the hyperbolic cosine of x."""
    return np.cosh(x)


sinh.vjps(x=lambda g, x: g * cosh(x))
cosh.vjps(x=lambda g, x: g * sinh(x))


@op(batching="elementwise")
def arcsinh(x: Array) -> Array:
    """Return the inverse hyperbolic sine of x."""
    return np.arcsinh(x)


@op(batching="elementwise")
def arccosh(x: Array) -> Array:
    """Return the inverse hyperbolic cosine of x, for x >= 1; the result is >= 0."""
    return np.arccosh(x)


@op(batching="elementwise")
def arctanh(x: Array) -> Array:
    """Return the inverse hyperbolic tangent of x, for x between -1 and 1."""
    return np.arctanh(x)


arcsinh.vjps(x=lambda g, x: g / hypot(x, 1.0))
arccosh.vjps(x=lambda g, x: g / (sqrt(x - 1) * sqrt(x + 1)))
arctanh.vjps(x=lambda g, x: g / one_minus_square(x))


tanh = extend(core.tanh, batching="elementwise")
tanh_vjp = faster_than(tanh.vjp_functions["x"])(elementwise.tanh_vjp)


@op(name="tanh", batching="elementwise")
def tanh_gradient(cotangent: Array, t: Array) -> Array:
    """Return cotangent * (1 - t * t), the vjp of t = tanh(x)."""
    return tanh_vjp(cotangent, t)


@faster_than(tanh.vjp_functions["x"])
def tanh_x(g: Any, out: Any) -> Any:
    """Compute the vjp of tanh by one op."""
    return tanh_gradient(g, out)


tanh.vjps(x=tanh_x)
tanh_gradient.vjps(cotangent=lambda g, t: tanh_gradient(g, t), t=lambda g, cotangent, t: g * cotangent * (-2 * t))


@op(batching="elementwise")
def sinc(x: Array) -> Array:
    """Return sin(pi x) / (pi x), and 1 at 0."""
    return np.sinc(x)


@op(name="sinc", batching="elementwise")
def sinc_derivative(x: Array, /, order: int) -> Array:
    """Return the derivative of `sinc` of any order >= 1, accurate also near 0."""
    x = np.asarray(x)
    t = np.asarray(np.pi * x.astype(np.result_type(x, np.float32), copy=False))
    small = np.abs(t) < order + 1.5
    t_large = np.where(small, 1.0, t)
    waves = (np.sin(t_large), np.cos(t_large), -np.sin(t_large), -np.cos(t_large))
    value = waves[0] / t_large
    for n in range(1, order + 1):  # from differentiating t * f(t) = sin(t) n times
        value = (waves[n % 4] - n * value) / t_large
    series = _sinc_series(np.where(small, t, 0.0), order) if small.any() else value
    return (np.where(small, series, value) * np.pi**order).astype(x.dtype, copy=False)


def _sinc_series(t: ndarray, order: int) -> ndarray:
    """Return the derivative of sin(t) / t of this order, from the series of (-1)^k t^(2k) / (2k + 1)!."""
    start = -(-order // 2)
    term = t ** (2 * start - order) * ((-1.0) ** start / math.factorial(2 * start - order))
    total = np.zeros_like(t)
    for k in range(start, start + order + 16):
        total += term / (2 * k + 1)
        p = 2 * k - order
        term = term * (t * t) / (-(p + 1) * (p + 2))
    return total


sinc.vjps(x=lambda g, x: g * sinc_derivative(x, 1))
sinc_derivative.vjps(x=lambda g, x, order: g * sinc_derivative(x, order + 1))
