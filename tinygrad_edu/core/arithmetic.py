"""Ops on single elements. Each op is a forward, and next to it the derivatives.

Operands broadcast as in NumPy. The vjps ignore that, since the engine sums over the repeated axes. They use operators
and ops alone, which work for Tensors as for arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.op import op


@op(broadcasts=True)
def add(x: Any, y: Any) -> Any:
    """Return x + y."""
    return np.add(x, y)


add.vjps(x=lambda g: g, y=lambda g: g)


@op(broadcasts=True)
def subtract(x: Any, y: Any) -> Any:
    """Return x - y."""
    return np.subtract(x, y)


subtract.vjps(x=lambda g: g, y=lambda g: -g)


@op(broadcasts=True)
def multiply(x: Any, y: Any) -> Any:
    """Return x * y."""
    return np.multiply(x, y)


multiply.vjps(x=lambda g, y: g * y, y=lambda g, x: g * x)


@op(broadcasts=True)
def divide(x: Any, y: Any) -> Any:
    """Return x / y."""
    return np.divide(x, y)


divide.vjps(x=lambda g, y: g / y, y=lambda g, out, y: -g * out / y)


@op
def negative(x: Any) -> Any:
    """Return -x."""
    return np.negative(x)


negative.vjps(x=lambda g: -g)


@op
def exp(x: Any) -> Any:
    """Return e ** x."""
    return np.exp(x)


exp.vjps(x=lambda g, out: g * out)


@op
def log(x: Any) -> Any:
    """Return the natural logarithm of x."""
    return np.log(x)


log.vjps(x=lambda g, x: g / x)


@op(broadcasts=True)
def power(x: Any, y: Any) -> Any:
    """Return x ** y."""
    return np.asarray(x) ** y


power.vjps(
    x=lambda g, x, y: g * (y * x ** (y - (y != 0))),  # x ** 0 is constant, also at 0
    y=lambda g, x, y, out: g * (out * log(x + ((x == 0) & (y >= 0)))),  # and so is 0 ** y
)


@op
def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent of x."""
    return np.tanh(x)


tanh.vjps(x=lambda g, out: g * (1 - out * out))


@op(broadcasts=True)
def maximum(x: Any, y: Any) -> Any:
    """Return the larger one of x and y. If they are equal, each gets half of the gradient."""
    return np.maximum(x, y)


maximum.vjps(x=lambda g, x, y: g * (1 - (x < y) - (x == y) / 2), y=lambda g, x, y: g * (1 - (y < x) - (x == y) / 2))
