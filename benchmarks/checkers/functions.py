"""Functions with correct vjps, and points for checks."""

import numpy as np

from benchmarks.checkers.rule import Function, elementwise, summed_to

rng = np.random.default_rng(0)
SQUARE, OTHER, TALL, ROW = rng.normal(size=(4, 4)), rng.normal(size=(4, 4)), rng.normal(size=(4, 3)), np.ones((1, 3))
VECTOR = np.array([-1.7, -0.6, 0.4, 0.9, 1.8])
CUBE, BLOCK = rng.normal(size=(3, 3, 3)), rng.normal(size=(3, 3, 3))
POSITIVE = np.array([0.3, 0.8, 1.5, 2.2])

# --- Elementwise ---

SIN = elementwise(lambda m, x: m.sin(x), lambda m, out, x: m.cos(x))
COS = elementwise(lambda m, x: m.cos(x), lambda m, out, x: -m.sin(x))
EXP = elementwise(lambda m, x: m.exp(x), lambda m, out, x: out)
LOG = elementwise(lambda m, x: m.log(x), lambda m, out, x: 1 / x, "any:positive")
SQRT = elementwise(lambda m, x: m.sqrt(x), lambda m, out, x: 0.5 / out, "any:positive")
TANH = elementwise(lambda m, x: m.tanh(x), lambda m, out, x: 1 - out * out)
SQUARED = elementwise(lambda m, x: x * x, lambda m, out, x: 2 * x)
CUBED = elementwise(lambda m, x: x * x * x, lambda m, out, x: 3 * x * x)
ABS = Function(lambda m, x: m.abs(x), lambda m, g, out, x: (m.where(x > 0, g, -g),), "any:off zero")
RELU = Function(lambda m, x: m.where(x > 0, x, 0 * x), lambda m, g, out, x: (m.where(x > 0, g, 0 * g),), "any:off zero")
SIGMOID = elementwise(lambda m, x: 1 / (1 + m.exp(-x)), lambda m, out, x: out * (1 - out))
SILU = elementwise(lambda m, x: x / (1 + m.exp(-x)), lambda m, out, x: (1 + x - x / (1 + m.exp(-x))) / (1 + m.exp(-x)))

MULTIPLY = Function(
    lambda m, x, y: x * y, lambda m, g, out, x, y: (summed_to(m, g * y, x), summed_to(m, g * x, y)), "any any", True
)
DIVIDE = Function(
    lambda m, x, y: x / y,
    lambda m, g, out, x, y: (summed_to(m, g / y, x), summed_to(m, -g * x / (y * y), y)), "any any:off zero", True,
)  # fmt: skip
POWER = Function(
    lambda m, x, y: m.exp(y * m.log(x)),
    lambda m, g, out, x, y: (summed_to(m, g * out * y / x, x), summed_to(m, g * out * m.log(x), y)),
    "any any:positive", True,
)  # fmt: skip

# --- Matrix products ---

MATMUL = Function(
    lambda m, x, y: x @ y,
    lambda m, g, out, x, y: (g @ m.transpose(y, (1, 0)), m.transpose(x, (1, 0)) @ g), "nk km",
)  # fmt: skip
STACKED = Function(
    lambda m, x, y: x @ y,
    lambda m, g, out, x, y: (g @ m.transpose(y, (0, 2, 1)), m.transpose(x, (0, 2, 1)) @ g), "nnn nnn",
)  # fmt: skip

# --- Along the last axis ---


def _softmax(m, x):
    e = m.exp(x - m.constant(m.max(x, -1)))
    return e / m.sum(e, -1)


def _logsumexp(m, x):
    top = m.constant(m.max(x, -1))
    return m.log(m.sum(m.exp(x - top), -1)) + top


def _centered(m, x):
    return x - m.sum(x, -1) / x.shape[-1]


SOFTMAX = Function(_softmax, lambda m, g, out, x: (out * (g - m.sum(g * out, -1)),), "...n")
LOGSUMEXP = Function(_logsumexp, lambda m, g, out, x: (g * m.exp(x - out),), "...n")
# At a large margin, out is rounded, and exp(x - out) loses the digits of the second derivative.
LOGSUMEXP_BY_SOFTMAX = Function(_logsumexp, lambda m, g, out, x: (g * _softmax(m, x),), "...n")
CENTERED = Function(_centered, lambda m, g, out, x: (_centered(m, g),), "...n")
NORM = Function(lambda m, x: m.sqrt(m.sum(x * x, -1)), lambda m, g, out, x: (g * x / out,), "...n:off zero")
CUMSUM = Function(lambda m, x: m.cumsum(x, -1), lambda m, g, out, x: (m.flip(m.cumsum(m.flip(g, -1), -1), -1),), "...n")
