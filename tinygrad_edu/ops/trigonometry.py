"""The trigonometric and the hyperbolic functions, one element at a time."""

import numpy as np

from tinygrad_edu.engine import Array, op
from tinygrad_edu.ops.fast.elementwise import tanh_slope

__all__ = ["cos", "sin", "tanh"]


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
