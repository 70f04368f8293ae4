"""Mistakes in reductions: means, variances, norms, softmax and losses, normalization, cumulative sums."""

import numpy as np

from benchmarks.checkers.functions import (
    CENTERED,
    CUMSUM,
    LOGSUMEXP,
    NORM,
    SOFTMAX,
    SQUARE,
    TALL,
    VECTOR,
)
from benchmarks.checkers.rule import Function, Rule, scaled, summed_to

MEAN = Function(lambda m, x: m.sum(x * x, -1) / x.shape[-1], lambda m, g, out, x: (2 * g * x / x.shape[-1],), "...n")
VARIANCE = Function(
    lambda m, x: m.sum(centered(m, x) * centered(m, x), -1) / (x.shape[-1] - 1),
    lambda m, g, out, x: (2 * g * centered(m, x) / (x.shape[-1] - 1),), "ns",
)  # fmt: skip
DEVIATION = Function(
    lambda m, x: m.sqrt(m.sum(centered(m, x) * centered(m, x), -1) / x.shape[-1]),
    lambda m, g, out, x: (g * centered(m, x) / (x.shape[-1] * out),), "ns:distinct",
)  # fmt: skip
LOG_SOFTMAX = Function(
    lambda m, x: x - LOGSUMEXP.forward(m, x), lambda m, g, out, x: (g - m.exp(out) * m.sum(g, -1),), "...n"
)
CROSS_ENTROPY = Function(
    lambda m, x: m.sum(x[:, 0] * 0.0 + (LOGSUMEXP.forward(m, x)[:, 0] - x[:, 0]), 0) / x.shape[0],
    lambda m, g, out, x: (g * (SOFTMAX.forward(m, x) - first_label(m, x)) / x.shape[0],), "nk",
)  # fmt: skip
ENTROPY = Function(lambda m, x: -m.sum(x * m.log(x), -1), lambda m, g, out, x: (-g * (m.log(x) + 1),), "...n:positive")
SQUARES = Function(lambda m, x: m.sum(x * x, -1), lambda m, g, out, x: (2 * g * x,), "...n")
UNIT = Function(
    lambda m, x: x / m.sqrt(m.sum(x * x, -1)),
    lambda m, g, out, x: ((g - out * m.sum(g * out, -1)) / m.sqrt(m.sum(x * x, -1)),), "...n:off zero",
)  # fmt: skip
RMS_NORM = Function(
    lambda m, x: x / rms(m, x), lambda m, g, out, x: ((g - out * m.sum(g * out, -1) / x.shape[-1]) / rms(m, x),),
    "...n:off zero",
)  # fmt: skip
LAYER_NORM = Function(
    lambda m, x: centered(m, x) / spread(m, x),
    lambda m, g, out, x: (normed(m, g, out, x, 1, 1),), "ns",
)  # fmt: skip
BATCH_NORM = Function(
    lambda m, x, y: m.transpose(LAYER_NORM.forward(m, m.transpose(x, (1, 0))), (1, 0)) * y,
    lambda m, g, out, x, y: batch_normed(m, g, x, y, lambda normal: normal), "sn n",
)  # fmt: skip
PRODUCT = Function(
    lambda m, x: m.exp(m.sum(m.log(x), -1)), lambda m, g, out, x: (g * out / x,), "...n:positive"
)  # fmt: skip
SHIFT = Function(lambda m, x, y: x + y, lambda m, g, out, x, y: (g + 0 * x, summed_to(m, g, y)), "nn 1n")


def centered(m, x):
    return x - m.sum(x, -1) / x.shape[-1]


def rms(m, x):
    return m.sqrt(m.sum(x * x, -1) / x.shape[-1])


def spread(m, x):
    return m.sqrt(m.sum(centered(m, x) * centered(m, x), -1) / x.shape[-1] + 1e-2)


def normed(m, g, out, x, of_mean, of_variance):
    """Return the gradient of layer normalization; the terms of mean and variance have these factors."""
    n = x.shape[-1]
    return (g - of_mean * m.sum(g, -1) / n - of_variance * out * m.sum(g * out, -1) / n) / spread(m, x)


def batch_normed(m, g, x, y, seen):
    """Return the gradients of batch normalization; `seen` maps the normalized input to the factor of the gain."""
    x, g = m.transpose(x, (1, 0)), m.transpose(g, (1, 0))
    normal, gain = LAYER_NORM.forward(m, x), m.reshape(y, (-1, 1))
    return m.transpose(normed(m, g * gain, normal, x, 1, 1), (1, 0)), m.sum(g * seen(normal), 1)[:, 0]


def first_label(m, x):
    labels = np.zeros(x.shape)
    labels[:, 0] = 1
    return m.array(labels, x)


def constant_statistics(m, g, out, x, y):
    spreads = m.transpose(spread(m, m.transpose(x, (1, 0))), (1, 0))
    return g * y / spreads, BATCH_NORM.backward(m, g, out, x, y)[1]


def gain_of_the_inputs(m, g, out, x, y):
    return BATCH_NORM.backward(m, g, out, x, y)[0], m.sum(g * x, 0)[0]


GAIN = np.array([0.5, 1.5, -1.0])

WRONG = [
    Rule("mean not divided", MEAN, scaled(SQUARES, 1), (SQUARE,)),
    Rule("mean of rows divided by the total size", MEAN, lambda m, g, out, x: (
        2 * g * x / np.prod(x.shape).item(),), (SQUARE,)),
    Rule("ddof ignored", VARIANCE, lambda m, g, out, x: (2 * g * centered(m, x) / x.shape[-1],), (SQUARE,)),
    Rule("mean treated as a constant", CENTERED, lambda m, g, out, x: (g + 0 * x,), (TALL,)),
    Rule("variance not centered", VARIANCE, lambda m, g, out, x: (2 * g * x / (x.shape[-1] - 1),), (SQUARE,)),
    Rule("standard deviation treated as variance", DEVIATION, lambda m, g, out, x: (
        2 * g * centered(m, x) / x.shape[-1],), (SQUARE,)),
    Rule("gradient of a sum along the wrong axis", SQUARES, lambda m, g, out, x: (
        2 * x * m.transpose(g, (1, 0)),), (SQUARE,)),
    Rule("norm: not divided by the norm", NORM, lambda m, g, out, x: (g * x,), (SQUARE,)),
    Rule("norm: factor 2", NORM, scaled(NORM, 2), (SQUARE,)),
    Rule("projection dropped", UNIT, lambda m, g, out, x: (g / m.sqrt(m.sum(x * x, -1)),), (SQUARE,)),
    Rule("logsumexp along the wrong axis", LOGSUMEXP, lambda m, g, out, x: (
        g * m.exp(x) / m.sum(m.exp(x), 0),), (SQUARE,)),
    Rule("second term of softmax dropped", SOFTMAX, lambda m, g, out, x: (g * out,), (SQUARE,)),
    Rule("softmax with gradient 0", SOFTMAX, scaled(SOFTMAX, 0), (SQUARE,)),
    Rule("softmax: diagonal of the Jacobian only", SOFTMAX, lambda m, g, out, x: (g * out * (1 - out),), (SQUARE,)),
    Rule("log-softmax: g not summed", LOG_SOFTMAX, lambda m, g, out, x: (g - m.exp(out) * g,), (SQUARE,)),
    Rule("cross entropy not divided", CROSS_ENTROPY, lambda m, g, out, x: (
        g * (SOFTMAX.forward(m, x) - first_label(m, x)),), (TALL,)),
    Rule("labels not subtracted", CROSS_ENTROPY, lambda m, g, out, x: (
        g * SOFTMAX.forward(m, x) / x.shape[0],), (TALL,)),
    Rule("entropy: + 1 dropped", ENTROPY, lambda m, g, out, x: (-g * m.log(x),), (SQUARE * SQUARE + 0.3,)),
    Rule("layer norm: term of the mean dropped", LAYER_NORM, lambda m, g, out, x: (
        normed(m, g, out, x, 0, 1),), (SQUARE,)),
    Rule("layer norm: term of the variance dropped", LAYER_NORM, lambda m, g, out, x: (
        normed(m, g, out, x, 1, 0),), (SQUARE,)),
    Rule("layer norm: divided by the variance", LAYER_NORM, lambda m, g, out, x: (
        normed(m, g, out, x, 1, 1) / spread(m, x),), (SQUARE,)),
    Rule("RMS norm: n dropped", RMS_NORM, lambda m, g, out, x: (
        (g - out * m.sum(g * out, -1)) / rms(m, x),), (SQUARE,)),
    Rule("batch norm: statistics treated as constants", BATCH_NORM, constant_statistics, (TALL, GAIN)),
    Rule("batch norm: gain from unnormalized inputs", BATCH_NORM, gain_of_the_inputs, (TALL, GAIN)),
    Rule("bias summed over the wrong axis", SHIFT, lambda m, g, out, x, y: (
        g + 0 * x, m.reshape(m.sum(g, 1), y.shape)), (SQUARE, np.ones((1, 4)))),
    Rule("product not divided by x", PRODUCT, lambda m, g, out, x: (g * out + 0 * x,), (SQUARE * SQUARE,)),
    Rule("cumulative sum in the wrong direction", CUMSUM, lambda m, g, out, x: (m.cumsum(g, -1),), (SQUARE,)),
    Rule("cumulative sum without its own element", CUMSUM, lambda m, g, out, x: (
        m.flip(m.cumsum(m.flip(g, -1), -1), -1) - g,), (SQUARE,)),
    Rule("cumulative sum along the wrong axis", CUMSUM, lambda m, g, out, x: (
        m.flip(m.cumsum(m.flip(g, 0), 0), 0),), (SQUARE,)),
    Rule("sum: gradient divided by the length", SQUARES, lambda m, g, out, x: (2 * g * x / x.shape[-1],), (VECTOR,)),
]  # fmt: skip
