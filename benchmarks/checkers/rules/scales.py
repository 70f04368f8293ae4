"""Mistakes at extreme scales: tiny and huge values, small parts of large values, one element of many."""

import numpy as np

from benchmarks.checkers.functions import SQUARED, TANH, VECTOR
from benchmarks.checkers.rule import Function, Rule, by_slope, elementwise, everywhere, scaled, scaled_where

rng = np.random.default_rng(2)
MANY = rng.normal(size=1000)


def beside(offset):
    """Return the sum of sines plus a large constant."""
    return Function(
        lambda m, x: everywhere(m, m.sum, m.sin(x)) + offset, lambda m, g, out, x: (g[0] * m.cos(x),), "any"
    )


def part_of(large):
    """Return a large exponential plus a small sine."""
    return elementwise(lambda m, x: m.sin(x) + large * m.exp(x), lambda m, out, x: m.cos(x) + large * m.exp(x))


TOTAL = Function(lambda m, x: everywhere(m, m.sum, m.sin(x)), lambda m, g, out, x: (g[0] * m.cos(x),))
MOSTLY_EXP, LOG = part_of(1e4), elementwise(lambda m, x: m.log(x), lambda m, out, x: 1 / x, "any:positive")
VERSED = elementwise(lambda m, x: 1 - m.cos(x), lambda m, out, x: m.sin(x))
STEEP = elementwise(lambda m, x: m.tanh(1e3 * x), lambda m, out, x: 1e3 * (1 - out * out))
UNEVEN = Function(
    lambda m, x: m.concatenate([1e8 * m.sin(x), 1e-8 * m.exp(x)]),
    lambda m, g, out, x: (1e8 * g[: x.shape[0]] * m.cos(x) + 1e-8 * g[x.shape[0] :] * m.exp(x),), "n",
)  # fmt: skip
SHIFTED = {exponent: beside(10.0**exponent) for exponent in (6, 9, 12)}


def one_of_many(m, g, out, x):
    mask = np.zeros(x.shape)
    mask.flat[-1:] = 1
    return m.array(mask, g) > 0


WRONG = [
    Rule("sign flipped, where x is 1e-6", SQUARED, scaled(SQUARED, -1), (1e-6 * VECTOR,)),
    Rule("factor 0.999, where x is 1e6", SQUARED, scaled(SQUARED, 0.999), (1e6 * VECTOR,)),
    Rule("factor 0.999, where x is 1e-100", SQUARED, scaled(SQUARED, 0.999), (1e-100 * VECTOR,)),
    Rule("wrong in the smallest of 1e-6, 1, 1e6", SQUARED, scaled_where(
        SQUARED, 1.1, lambda m, g, out, x: m.abs(x) < 1e-3), (np.array([1e-6, 1.0, 1e6]),)),
    Rule("factor 0.99 with an offset of 1e6", SHIFTED[6], scaled(SHIFTED[6], 0.99), (VECTOR,)),
    Rule("factor 0.99 with an offset of 1e9", SHIFTED[9], scaled(SHIFTED[9], 0.99), (VECTOR,)),
    Rule("sign flipped with an offset of 1e12", SHIFTED[12], scaled(SHIFTED[12], -1), (VECTOR,)),
    Rule("one element of 1,000", TOTAL, scaled_where(TOTAL, 0.0, one_of_many), (MANY,)),
    Rule("small part of a slope dropped", MOSTLY_EXP, by_slope(lambda m, out, x: 1e4 * m.exp(x)), (VECTOR,)),
    Rule("wrong near the pole only", LOG, scaled_where(
        LOG, 1.01, lambda m, g, out, x: x < 1e-3), (np.array([1.0, 1e-6]),)),
    Rule("cancellation: factor 1.01", VERSED, scaled(VERSED, 1.01), (1e-4 * VECTOR,)),
    Rule("in saturation: twice too large", TANH, scaled_where(
        TANH, 2.0, lambda m, g, out, x: m.abs(x) > 5), (np.array([7.0, -6.0, 0.5]),)),
    Rule("in saturation of a steep tanh", STEEP, scaled_where(
        STEEP, 1.1, lambda m, g, out, x: m.abs(x) > 2e-3), (np.array([3e-3, -1e-4]),)),
    Rule("smaller of two results dropped", UNEVEN, lambda m, g, out, x: (
        1e8 * g[: x.shape[0]] * m.cos(x),), (VECTOR,)),
]  # fmt: skip
