"""Gradients that are wrong everywhere: a factor, a sign, a term, or the derivative of another function."""

import numpy as np

from benchmarks.checkers.functions import (
    COS,
    CUBED,
    DIVIDE,
    EXP,
    LOG,
    MULTIPLY,
    OTHER,
    POSITIVE,
    POWER,
    SIGMOID,
    SILU,
    SIN,
    SQRT,
    SQUARE,
    SQUARED,
    TANH,
    VECTOR,
)
from benchmarks.checkers.rule import Rule, by_slope, elementwise, only, scaled, summed_to

INNER = elementwise(lambda m, x: m.sin(x * x), lambda m, out, x: 2 * x * m.cos(x * x))
DEGREES = elementwise(lambda m, x: m.sin(x * (np.pi / 180)), lambda m, out, x: m.cos(x * (np.pi / 180)) * (np.pi / 180))
GELU = elementwise(
    lambda m, x: 0.5 * x * (1 + m.tanh(0.8 * x)),
    lambda m, out, x: 0.5 * (1 + m.tanh(0.8 * x)) + 0.4 * x * (1 - m.tanh(0.8 * x) * m.tanh(0.8 * x)),
)
FOURTH = elementwise(lambda m, x: x * x * x * x, lambda m, out, x: 4 * x * x * x)
BASE_10 = elementwise(
    lambda m, x: m.log(x) / float(np.log(10)), lambda m, out, x: 1 / (x * float(np.log(10))), "any:positive"
)
PAIR = (np.array([1.0, 2.0, 0.7]), np.array([0.5, -0.4, 1.5]))

WRONG = [
    Rule("sign flipped", TANH, scaled(TANH, -1), (VECTOR,)),
    Rule("factor 2 missing", SQUARED, by_slope(lambda m, out, x: x), (VECTOR,)),
    Rule("factor 2 too large", SIN, scaled(SIN, 2), (VECTOR,)),
    Rule("factor 0.999", EXP, scaled(EXP, 0.999), (VECTOR,)),
    Rule("factor 0.9999", EXP, scaled(EXP, 0.9999), (VECTOR,)),
    Rule("factor 1 + 1e-6", EXP, scaled(EXP, 1 + 1e-6), (VECTOR,)),
    Rule("factor 1 + 1e-8", EXP, scaled(EXP, 1 + 1e-8), (VECTOR,)),
    Rule("gradient 0", SIGMOID, scaled(SIGMOID, 0), (VECTOR,)),
    Rule("gradient passed through", TANH, by_slope(lambda m, out, x: 0 * x + 1), (VECTOR,)),
    Rule("sign of the derivative of cos", COS, by_slope(lambda m, out, x: m.sin(x)), (VECTOR,)),
    Rule("result used for x", SIN, by_slope(lambda m, out, x: m.cos(out)), (VECTOR,)),
    Rule("x used for the result", SIGMOID, by_slope(lambda m, out, x: x * (1 - x)), (VECTOR,)),
    Rule("computed in float32", SIN, by_slope(lambda m, out, x: m.single(m.cos(x))), (VECTOR,)),
    Rule("degrees treated as radians", DEGREES, by_slope(lambda m, out, x: m.cos(x * (np.pi / 180))), (90 * VECTOR,)),
    Rule("base of the logarithm ignored", BASE_10, by_slope(lambda m, out, x: 1 / x), (POSITIVE,)),
    Rule("exponent not lowered", FOURTH, by_slope(lambda m, out, x: 4 * out), (VECTOR,)),
    Rule("inner derivative dropped", INNER, by_slope(lambda m, out, x: m.cos(x * x)), (VECTOR,)),
    Rule("second term of a product dropped", SILU, by_slope(lambda m, out, x: 1 / (1 + m.exp(-x))), (VECTOR,)),
    Rule("constant rounded to 3 digits", GELU, by_slope(
        lambda m, out, x: 0.5 * (1 + m.tanh(0.799 * x)) + 0.4 * x * (1 - m.tanh(0.8 * x) * m.tanh(0.8 * x))
    ), (VECTOR,)),
    Rule("divided by the root twice", SQRT, by_slope(lambda m, out, x: 0.5 / x), (POSITIVE,)),
    Rule("operands swapped", MULTIPLY, lambda m, g, out, x, y: (summed_to(m, g * x, x), summed_to(m, g * y, y)),
         (SQUARE, OTHER)),
    Rule("denominator not squared", DIVIDE, lambda m, g, out, x, y: (
        summed_to(m, g / y, x), summed_to(m, -g * x / y, y)), PAIR),
    Rule("sign of the denominator's gradient", DIVIDE, only(DIVIDE, 1, -1), PAIR),
    Rule("one of two gradients 0", MULTIPLY, only(MULTIPLY, 1, 0), (SQUARE, OTHER)),
    Rule("one of two gradients times 1.001", DIVIDE, only(DIVIDE, 0, 1.001), PAIR),
    Rule("logarithm of the base dropped", POWER, lambda m, g, out, x, y: (
        summed_to(m, g * out * y / x, x), summed_to(m, g * out, y)), (POSITIVE, np.array([2.0, -1.0, 0.5, 3.0]))),
    Rule("logarithm of |x|", LOG, by_slope(lambda m, out, x: 1 / (1 + x)), (POSITIVE,)),
    Rule("cube: factor 2 instead of 3", CUBED, by_slope(lambda m, out, x: 2 * x * x), (VECTOR,)),
]  # fmt: skip
