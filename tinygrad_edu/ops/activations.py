"""Activations: what stands between the layers of a network, one element at a time."""

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, op
from tinygrad_edu.ops.choosing import keep
from tinygrad_edu.ops.fast.elementwise import ZEROS

__all__ = ["relu", "sigmoid"]


@op
def relu(x: Array) -> Array:
    """Return max(x, 0). Its derivative at 0 is 0; a NaN lets the gradient through."""
    return np.maximum(x, ZEROS[x.dtype] if isinstance(x, ndarray) and x.dtype.kind == "f" else 0)


relu.vjps(x=lambda g, out: keep(g, out != ZEROS[out.dtype]))


@op
def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), without overflow at either end."""
    e = np.exp(-1.0 * np.abs(x))  # not -np.abs(x), which wraps around for unsigned numbers
    return np.where(np.greater_equal(x, 0), 1, e) / (1 + e)


sigmoid.vjps(x=lambda g, out: g * (out * (1 - out)))
