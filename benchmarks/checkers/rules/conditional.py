"""Mistakes in single elements or regions, or for some shapes, dtypes, layouts or cotangents only."""

import numpy as np

from benchmarks.checkers.functions import (
    CUBED,
    EXP,
    MULTIPLY,
    SIN,
    SQUARE,
    SQUARED,
    TALL,
    TANH,
    VECTOR,
)
from benchmarks.checkers.rule import Function, Rule, by_slope, elementwise, everywhere, scaled_if, scaled_where

LONG, LONGER = np.linspace(-2, 2, 9) + 0.03, np.linspace(0.1, 2, 12)
SIGNED_SQUARE = elementwise(lambda m, x: x * m.abs(x), lambda m, out, x: 2 * m.abs(x))
LEAKY = Function(
    lambda m, x: m.where(x > 0, x, 0.1 * x), lambda m, g, out, x: (m.where(x > 0, g, 0.1 * g),), "any:off zero"
)
RELU = Function(lambda m, x: m.where(x > 0, x, 0 * x), lambda m, g, out, x: (m.where(x > 0, g, 0 * g),), "any:off zero")


def safe(m, x):
    return m.where(x > 0, x, 0 * x + 1)


ROOT_OF_POSITIVE = Function(
    lambda m, x: m.where(x > 0, m.sqrt(safe(m, x)), 0 * x),
    lambda m, g, out, x: (m.where(x > 0, g * 0.5 / m.sqrt(safe(m, x)), 0 * g),),
    "any:off zero",
)


def bump(*where):
    """Return a condition that is true at one index."""

    def marked(m, g, out, x):
        mask = np.zeros(x.shape)
        mask[where] = 1
        return m.array(mask, g) > 0

    return marked


def of_dtype(name):
    return lambda m, g, out, x: name in str(x.dtype)


# --- Conditions on the cotangent ---


def is_constant(m, g, out, x):
    return everywhere(m, m.max, g) + everywhere(m, m.max, -g) == 0


def zeros(m, g):
    return everywhere(m, m.sum, m.where(g == 0, 0 * g + 1, 0 * g))


def is_one_hot(m, g, out, x):
    return zeros(m, g) == np.prod(g.shape).item() - 1.0


def has_zeros(m, g, out, x):
    return zeros(m, g) > 0


def is_large(m, g, out, x):
    return m.abs(g) > 100


def is_small(m, g, out, x):
    return m.abs(g) < 1e-3


def is_negative(m, g, out, x):
    return everywhere(m, m.max, g) < 0


def of(function, draws):
    """Return the function with another strategy of inputs."""
    return Function(function.forward, function.backward, draws, function.broadcasts)


EXP_OF_ROWS, SIN_OF_ROWS, TANH_OF_ROWS = of(EXP, "...n"), of(SIN, "...n"), of(TANH, "...n")
SIN_OF_TABLES = of(SIN, "nk")

WRONG = [
    Rule("wrong where x < 0", SIGNED_SQUARE, by_slope(lambda m, out, x: 2 * x), (VECTOR,)),
    Rule("wrong where |x| > 2", SIN, scaled_where(SIN, 0.9, lambda m, g, out, x: m.abs(x) > 2), (1.5 * VECTOR,)),
    Rule("wrong where |x| < 0.1", EXP, scaled_where(EXP, 0.9, lambda m, g, out, x: m.abs(x) < 0.1), (VECTOR / 10,)),
    Rule("wrong in one bin", TANH, scaled_where(
        TANH, 1.1, lambda m, g, out, x: m.abs(x - 0.45) < 0.05), (VECTOR + 0.03,)),
    Rule("wrong at integers", CUBED, scaled_where(
        CUBED, 1.1, lambda m, g, out, x: m.abs(m.sin(np.pi * x)) < 1e-9), (np.array([1.0, 2.0, -0.5]),)),
    Rule("wrong at exactly 0", SIN, scaled_where(SIN, 0.0, lambda m, g, out, x: x == 0), (np.array([0.0, 1.0]),)),
    Rule("mask of relu dropped", RELU, lambda m, g, out, x: (g + 0 * x,), (VECTOR,)),
    Rule("slope of the other side", LEAKY, lambda m, g, out, x: (m.where(x > 0, g, 0.01 * g),), (VECTOR,)),
    Rule("NaN in the unused branch", ROOT_OF_POSITIVE, lambda m, g, out, x: (
        m.where(x > 0, g, 0 * g) * 0.5 / m.sqrt(x),), (VECTOR,)),
    Rule("last element wrong", SIN_OF_ROWS, scaled_where(SIN_OF_ROWS, 0.9, bump(..., -1)), (VECTOR,)),
    Rule("first element wrong", EXP_OF_ROWS, scaled_where(EXP_OF_ROWS, 1.1, bump(..., 0)), (VECTOR,)),
    Rule("one element of 16 wrong", SIN_OF_TABLES, scaled_where(SIN_OF_TABLES, 0.0, bump(-1, -1)), (SQUARE,)),
    Rule("wrong for more than 8 elements", SIN, scaled_if(
        SIN, 0.9, lambda m, g, out, x: np.prod(x.shape) > 8), (LONG,)),
    Rule("wrong for odd lengths", TANH_OF_ROWS, scaled_if(
        TANH_OF_ROWS, 1.1, lambda m, g, out, x: x.shape[-1] % 2 == 1), (VECTOR,)),
    Rule("remainder of blocks of 8 dropped", SIN_OF_ROWS, lambda m, g, out, x: (
        m.where(m.array(np.broadcast_to(np.arange(x.shape[-1]) < max(8, x.shape[-1] // 8 * 8), x.shape) + 0.0, g) > 0,
                g * m.cos(x), 0 * g),), (LONGER,)),
    Rule("wrong for three axes", SIN, scaled_if(
        SIN, 1.1, lambda m, g, out, x: len(x.shape) >= 3), (SQUARE.reshape(2, 2, 4),)),
    Rule("wrong for a scalar", SIN, scaled_if(
        SIN, 1.1, lambda m, g, out, x: len(x.shape) == 0), (np.array(0.7),)),
    Rule("wrong where operands are equal", MULTIPLY, scaled_where(
        MULTIPLY, 0.5, lambda m, g, out, x, y: everywhere(m, m.max, m.abs(x - y)) == 0), (VECTOR, VECTOR.copy())),
    Rule("float32 only: off by 0.3 %", SIN, scaled_if(SIN, 1.003, of_dtype("float32")), (VECTOR,)),
    Rule("float32 only: twice too large", SQUARED, scaled_if(SQUARED, 2, of_dtype("float32")), (VECTOR,)),
    Rule("dtype widened", SIN, lambda m, g, out, x: (m.double(g * m.cos(x)),), (VECTOR,), ("PyTorch", "JAX")),
    Rule("wrong for Fortran-ordered arrays", SIN_OF_TABLES, scaled_if(
        SIN_OF_TABLES, 1.1, lambda m, g, out, x: not m.is_contiguous(x)), (np.asfortranarray(TALL),)),
    Rule("wrong for a constant g", SIN_OF_ROWS, scaled_where(SIN_OF_ROWS, 0.9, is_constant), (VECTOR,)),
    Rule("wrong for a one-hot g", EXP_OF_ROWS, scaled_where(EXP_OF_ROWS, 0.9, is_one_hot), (VECTOR,)),
    Rule("wrong for g with zeros", TANH_OF_ROWS, scaled_where(TANH_OF_ROWS, 0.9, has_zeros), (VECTOR,)),
    Rule("wrong for |g| > 100", SIN, scaled_where(SIN, 0.5, is_large), (VECTOR,)),
    Rule("wrong for |g| < 1e-3", EXP, scaled_where(EXP, 0.0, is_small), (VECTOR,)),
    Rule("wrong for negative g", SIN_OF_ROWS, scaled_where(SIN_OF_ROWS, 0.9, is_negative), (VECTOR,)),
]  # fmt: skip
