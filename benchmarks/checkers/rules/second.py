"""Correct gradients with wrong second derivatives."""

import numpy as np

from benchmarks.checkers.functions import (
    CUBED,
    EXP,
    MATMUL,
    MULTIPLY,
    NORM,
    OTHER,
    POSITIVE,
    SIGMOID,
    SIN,
    SOFTMAX,
    SQUARE,
    TANH,
    VECTOR,
)
from benchmarks.checkers.rule import Rule, by_slope, elementwise, summed_to

TINY = elementwise(lambda m, x: 1e-14 * x * x * x, lambda m, out, x: 3e-14 * x * x)
RECIPROCAL = elementwise(lambda m, x: 1 / x, lambda m, out, x: -out * out, "any:positive")

WRONG = [
    Rule("input treated as a constant", CUBED, by_slope(lambda m, out, x: 3 * m.constant(x) * x), (VECTOR,)),
    Rule("result treated as a constant", TANH, by_slope(lambda m, out, x: 1 - m.constant(out) * out), (VECTOR,)),
    Rule("all treated as constants", EXP, by_slope(lambda m, out, x: m.constant(out)), (VECTOR,)),
    Rule("g treated as a constant", SIN, lambda m, g, out, x: (m.constant(g) * m.cos(x),), (VECTOR,)),
    Rule("one operand treated as a constant", MULTIPLY, lambda m, g, out, x, y: (
        summed_to(m, g * y, x), summed_to(m, g * m.constant(x), y)), (SQUARE, OTHER)),
    Rule("matrix treated as a constant", MATMUL, lambda m, g, out, x, y: (
        g @ m.transpose(m.constant(y), (1, 0)), m.transpose(x, (1, 0)) @ g), (SQUARE, OTHER)),
    Rule("softmax treated as a constant", SOFTMAX, lambda m, g, out, x: (
        m.constant(out) * (g - m.sum(g * out, -1)),), (SQUARE,)),
    Rule("norm treated as a constant", NORM, lambda m, g, out, x: (g * x / m.constant(out),), (SQUARE,)),
    Rule("constant where x < 0 only", SIGMOID, by_slope(
        lambda m, out, x: m.where(x < 0, m.constant(out), out) * (1 - out)), (VECTOR,)),
    Rule("second derivative times 0.999", RECIPROCAL, by_slope(
        lambda m, out, x: m.constant(-0.001 * out * out) - 0.999 * out * out), (POSITIVE,)),
    Rule("half of a small second derivative", TINY, by_slope(
        lambda m, out, x: 3e-14 * m.constant(x) * x), (np.array([1.0, -2.0]),)),
]  # fmt: skip
