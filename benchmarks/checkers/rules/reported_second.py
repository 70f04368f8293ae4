"""Bugs from issue trackers in second derivatives; the first derivatives are correct."""

import numpy as np

from benchmarks.checkers.functions import TALL, VECTOR
from benchmarks.checkers.rule import Rule, by_slope, elementwise
from benchmarks.checkers.rules.reductions import CROSS_ENTROPY, SOFTMAX, first_label
from benchmarks.checkers.rules.reported_zeros import I0, POWER, PRODUCT, SINC, bases, i1, of_sinc, others, safe

ELU = elementwise(
    lambda m, x: m.where(x > 0, x, m.exp(m.where(x > 0, 0 * x, x)) - 1),
    lambda m, out, x: m.where(x > 0, 0 * x + 1, 1 + out), "any:off zero",
)  # fmt: skip
QUADRATIC = elementwise(lambda m, x: x + x * x, lambda m, out, x: 1 + 2 * x)
SIXFOLD = elementwise(lambda m, x: 6 * x, lambda m, out, x: 0 * x + 6, "any:off zero")


def zeros_in(m, x):
    return m.sum(m.where(x == 0, 0 * x + 1, 0 * x), 0)


def of_elu(m, g, out, x):
    """Return the gradient whose own gradient of out is not multiplied by g."""
    return (m.where(x > 0, g, g * m.constant(1 + out) + (out - m.constant(out))),)


WRONG = [
    Rule("sinc: constant gradient at 0", SINC, by_slope(
        lambda m, out, x: m.where(x == 0, 0 * m.constant(x), of_sinc(m, safe(m, x)))), (np.array([0.0, 0.4]),),
        source="jax-ml/jax#5054"),
    Rule("Bessel function I0: constant gradient at 0", I0, by_slope(
        lambda m, out, x: m.where(x == 0, 0 * m.constant(x), i1(m, x))), (np.array([0.0, 0.5]),),
        source="jax-ml/jax#40640"),
    Rule("product with two zeros: constant gradient", PRODUCT, lambda m, g, out, x: (
        g * m.where(zeros_in(m, x) > 1, 0 * m.constant(x), others(m, x)),), (np.array([2.0, 3.0, 0.0, 0.0]),),
        source="pytorch/pytorch#106789"),
    Rule("product with a zero: masked quotient", PRODUCT, lambda m, g, out, x: (
        g * m.where(x == 0, others(m, x), out / x),), (np.array([2.0, 0.0]),), source="tensorflow/tensorflow#44556"),
    Rule("product with a zero: others as constants", PRODUCT, lambda m, g, out, x: (
        g * m.where(x == 0, m.constant(others(m, x)), others(m, x)),), (np.array([0.0, 1.0]),),
        source="tensorflow/tensorflow#61117"),
    Rule("slope of x ** 1 at 0: 0 * x ** -1", QUADRATIC, by_slope(
        lambda m, out, x: m.where(x == 0, 0 * x + 1, x / x) + 2 * x), (np.array([-1.0, 0.0, 1.0]),),
        source="tensorflow/tensorflow#35011"),
    Rule("slope of 0 ** x: masked log(0)", POWER, lambda m, g, out, x: (
        g * m.where(bases(m, x) == 0, 0 * x, out * m.log(bases(m, x))),), (np.array([1.0, 1.0]),),
        source="pytorch/pytorch#95180"),
    Rule("intermediate value as a constant", SIXFOLD, lambda m, g, out, x: (3 * g * m.constant(2 * x) / x,),
         (VECTOR,), source="pytorch/pytorch#76185"),
    Rule("ELU: g dropped from the second derivative", ELU, of_elu, (VECTOR,), source="tensorflow/tensorflow#11091"),
    Rule("cross entropy: gradient as a constant", CROSS_ENTROPY, lambda m, g, out, x: (
        g * m.constant(SOFTMAX.forward(m, x) - first_label(m, x)) / x.shape[0],), (TALL,),
        source="tensorflow/tensorflow#5876"),
]  # fmt: skip
