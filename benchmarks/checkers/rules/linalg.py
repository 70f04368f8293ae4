"""Mistakes in linear algebra: inverses, determinants, solutions, factors."""

import numpy as np

from benchmarks.checkers.functions import OTHER, SQUARE
from benchmarks.checkers.rule import Function, Rule, scaled


def T(x, m):  # noqa: N802 - the usual name
    return m.transpose(x, (1, 0))


INV = Function(lambda m, x: m.inv(x), lambda m, g, out, x: (-T(out, m) @ g @ T(out, m),), "nn:invertible")
DET = Function(lambda m, x: m.det(x), lambda m, g, out, x: (g * out * T(m.inv(x), m),), "nn:invertible")
LOG_DET = Function(
    lambda m, x: 0.5 * m.log(m.det(x) * m.det(x)), lambda m, g, out, x: (g * T(m.inv(x), m),), "nn:invertible"
)
SOLVE = Function(lambda m, x, y: m.solve(x, y), lambda m, g, out, x, y: solved(m, g, out, T(x, m)), "nn nn:invertible")
CHOLESKY = Function(
    lambda m, x: m.cholesky(covariance(m, x)), lambda m, g, out, x: (factored(m, g, out, x, True),), "nn"
)
QUADRATIC = Function(
    lambda m, x, y: m.einsum("i,ij,j->", y, x, y),
    lambda m, g, out, x, y: (g * m.einsum("i,j->ij", y, y), g * ((x + T(x, m)) @ y)),
    "nn n",
)
CUBE = Function(
    lambda m, x: x @ x @ x,
    lambda m, g, out, x: (g @ T(x, m) @ T(x, m) + T(x, m) @ g @ T(x, m) + T(x, m) @ T(x, m) @ g,),
    "nn",
)


def solved(m, g, out, x):
    b = m.solve(x, g)
    return -b @ T(out, m), b


def covariance(m, x):
    return x @ T(x, m) + m.array(np.eye(x.shape[0]), x)


def factored(m, g, out, x, halved):
    """Return the gradient of the Cholesky factor of x x' + 1 (Murray, 2016, arXiv:1602.07527, equation 10)."""
    half = m.array(1 - np.eye(x.shape[0]) / 2, g) if halved else m.array(np.ones(x.shape), g)
    inverse = m.inv(out)
    p = T(inverse, m) @ (m.tril(T(out, m) @ m.tril(g)) * half) @ inverse
    return (p + T(p, m)) @ x


WRONG = [
    Rule("inverse: sign", INV, scaled(INV, -1), (SQUARE,)),
    Rule("inverse: not transposed", INV, lambda m, g, out, x: (-out @ g @ out,), (SQUARE,)),
    Rule("determinant: inverse not transposed", DET, lambda m, g, out, x: (g * out * m.inv(x),), (SQUARE,)),
    Rule("determinant: factor det dropped", DET, lambda m, g, out, x: (g * T(m.inv(x), m),), (SQUARE,)),
    Rule("log-determinant: not transposed", LOG_DET, lambda m, g, out, x: (g * m.inv(x),), (SQUARE,)),
    Rule("solve: matrix not transposed", SOLVE, lambda m, g, out, x, y: solved(m, g, out, x), (SQUARE, OTHER)),
    Rule("solve: sign of the right-hand side", SOLVE, lambda m, g, out, x, y: (
        -SOLVE.backward(m, g, out, x, y)[0], SOLVE.backward(m, g, out, x, y)[1]), (SQUARE, OTHER)),
    Rule("cholesky: diagonal not halved", CHOLESKY, lambda m, g, out, x: (
        factored(m, g, out, x, False),), (SQUARE,)),
    Rule("quadratic form: not symmetrized", QUADRATIC, lambda m, g, out, x, y: (
        g * m.einsum("i,j->ij", y, y), 2 * g * (x @ y)), (SQUARE, OTHER[0])),
    Rule("third power with commuting factors", CUBE, lambda m, g, out, x: (3 * T(x, m) @ T(x, m) @ g,), (SQUARE,)),
]  # fmt: skip
