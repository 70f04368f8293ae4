"""Correct vjps at difficult points; a rejection is a false alarm."""

import functools
import operator

import numpy as np

from benchmarks.checkers.functions import (
    ABS,
    CUBED,
    DIVIDE,
    EXP,
    LOG,
    LOGSUMEXP,
    LOGSUMEXP_BY_SOFTMAX,
    MATMUL,
    NORM,
    POWER,
    RELU,
    SIGMOID,
    SIN,
    SOFTMAX,
    SQRT,
    SQUARE,
    SQUARED,
    TANH,
    VECTOR,
)
from benchmarks.checkers.rule import Function, elementwise, right

rng = np.random.default_rng(0)
FIFTH = elementwise(lambda m, x: x * x * x * x * x, lambda m, out, x: 5 * x * x * x * x)
PRODUCT = elementwise(lambda m, x: functools.reduce(operator.mul, [x[k] for k in range(10)]), lambda m, out, x: out / x)
STEEP = elementwise(lambda m, x: 1 / (1 + m.exp(-50 * x)), lambda m, out, x: 50 * out * (1 - out))
FAST = elementwise(lambda m, x: m.sin(100 * x), lambda m, out, x: 100 * m.cos(100 * x))
SHIFTED = {e: elementwise(lambda m, x, e=e: m.sin(x) + 10.0**e, lambda m, out, x: m.cos(x)) for e in (6, 9)}
VERSED = elementwise(lambda m, x: 1 - m.cos(x), lambda m, out, x: m.sin(x))
BELL = elementwise(lambda m, x: m.exp(-x * x), lambda m, out, x: -2 * x * out)
POLE = elementwise(lambda m, x: 1 / (x * x + 1e-6), lambda m, out, x: -2 * x * out * out)
WAVES = elementwise(lambda m, x: m.sin(1 / x), lambda m, out, x: -m.cos(1 / x) / (x * x))
SOFTPLUS = elementwise(lambda m, x: m.log(1 + m.exp(x)), lambda m, out, x: 1 / (1 + m.exp(-x)))
TINY = elementwise(lambda m, x: 1e-14 * x * x * x, lambda m, out, x: 3e-14 * x * x)
INV = Function(
    lambda m, x: m.inv(x),
    lambda m, g, out, x: (-m.transpose(out, (1, 0)) @ g @ m.transpose(out, (1, 0)),),
)
DET = Function(lambda m, x: m.det(x), lambda m, g, out, x: (g * out * m.transpose(m.inv(x), (1, 0)),))


def logistic_map(m, x):
    return functools.reduce(lambda y, _: 3.9 * y * (1 - y), range(8), x)


def its_slope(m, out, x):
    slope = 0 * x + 1
    for _ in range(8):
        slope, x = slope * 3.9 * (1 - 2 * x), 3.9 * x * (1 - x)
    return slope


CHAOS = elementwise(logistic_map, its_slope)


def of_condition(condition):
    u, v = (np.linalg.qr(rng.standard_normal((4, 4)))[0] for _ in range(2))
    return u @ np.diag(np.geomspace(1, 1 / condition, 4)) @ v


RIGHT = [
    right("kink at a distance of 1e-3", ABS, [1e-3, -1e-3]),
    right("kink at a distance of 1e-7", ABS, [1e-7, -1.0]),
    right("relu away from its kink", RELU, VECTOR),
    right("relu of 200, one near 0", RELU, np.linspace(-1, 1, 200)),
    right("square where x is 1e6", SQUARED, 1e6 * VECTOR),
    right("square where x is 1e-6", SQUARED, 1e-6 * VECTOR),
    right("square of 1e-3, 1 and 1e3", SQUARED, [1e-3, 1.0, 1e3]),
    right("cube of 1e-6, 1 and 1e6", CUBED, [1e-6, 1.0, 1e6]),
    right("sine at 1e4", SIN, 1e4 + VECTOR),
    right("division by 1e-3", DIVIDE, [1.0, 2.0], [1e-3, -2e-3]),
    right("division by 1e6", DIVIDE, [1.0, 2.0], [1e6, -2e6]),
    right("fifth power", FIFTH, VECTOR),
    right("power of 1e-3 and 1e3", POWER, [1e-3, 1e3], [1.5, -0.5]),
    right("square root of 1e-4", SQRT, [1e-4, 2e-4]),
    right("square root of 1e-8", SQRT, [1e-8, 2e-8]),
    right("logarithm of 1 and 1e-6", LOG, [1.0, 1e-6]),
    right("logsumexp of 1e3", LOGSUMEXP, 1e3 + SQUARE),
    right("logsumexp with a margin of 30", LOGSUMEXP_BY_SOFTMAX, SQUARE + 30 * np.eye(4)),
    right("softmax with a margin of 12", SOFTMAX, SQUARE + 12 * np.eye(4)),
    right("softmax of 64", SOFTMAX, rng.normal(size=(1, 64))),
    right("norm of 1e-6", NORM, 1e-6 * SQUARE),
    right("tanh of 15", TANH, [15.0, -12.0]),
    right("sigmoid of -30", SIGMOID, [-30.0, -25.0]),
    right("exp of 20", EXP, [20.0, 19.0]),
    right("exp of -200", EXP, [-200.0, -190.0]),
    right("product of 10", PRODUCT, rng.normal(size=10) + 2),
    right("matrix product of 1e4 and 1e-4", MATMUL, 1e4 * SQUARE, 1e-4 * SQUARE),
    right("0-d", SIN, 0.7),
    right("empty", SIN, np.zeros((0, 3))),
    right("steep sigmoid", STEEP, [0.01, -0.05, 0.1]),
    right("fast sine", FAST, VECTOR),
    right("sine of 1 / x at 0.05", WAVES, [0.05, 0.07]),
    right("logistic map, 8 times", CHAOS, [0.2, 0.37, 0.81]),
    right("small part of a large value", SHIFTED[6], VECTOR),
    right("small part of 1e9", SHIFTED[9], VECTOR),
    right("1 - cos at 1e-4", VERSED, 1e-4 * VECTOR),
    right("Gaussian at 5", BELL, [5.0, -5.5]),
    right("sharp pole", POLE, 1e-3 * VECTOR),
    right("softplus at -30", SOFTPLUS, [-30.0, 2.0]),
    right("small everywhere", TINY, VECTOR),
    right("inverse at condition 1e4", INV, of_condition(1e4)),
    right("determinant at condition 1e4", DET, of_condition(1e4)),
]
