"""Bugs from issue trackers in linear algebra."""

import numpy as np

from benchmarks.checkers.functions import OTHER, SQUARE
from benchmarks.checkers.rule import Function, Rule, scaled
from benchmarks.checkers.rules.linalg import T

SQUARE_2 = Function(lambda m, x: m.reshape(determinant(x), (1,)), lambda m, g, out, x: (g * cofactors(m, x),), "22")
LOG_DENSITY = Function(  # of a normal distribution at 1, as a function of the covariance
    lambda m, x: -0.5 * (m.sum(m.sum(m.inv(x), 0), 1) + m.log(m.det(x))),
    lambda m, g, out, x: (0.5 * g * (m.sum(T(m.inv(x), m), 1) * m.sum(T(m.inv(x), m), 0) - T(m.inv(x), m)),),
    "nn:invertible",
)  # fmt: skip
TRIANGULAR = Function(
    lambda m, x, y: m.solve(m.tril(x), y), lambda m, g, out, x, y: of_triangular(m, g, out, x, m.tril),
    "nn nn:invertible",
)  # fmt: skip
CHOLESKY = Function(
    lambda m, x: T(m.cholesky(symmetric(m, T(x, m))), m),
    lambda m, g, out, x: (T(folded(m, of_cholesky(m, g, out)), m),), "nn:invertible",
)  # fmt: skip
EIGENVALUES = Function(
    lambda m, x: m.eigh(symmetric(m, x))[0], lambda m, g, out, x: (folded(m, of_eigenvalues(m, g, x)),), "nn:invertible"
)  # fmt: skip
MATRIX_SQUARE = Function(
    lambda m, x: mean_of_triangles(m, x) @ mean_of_triangles(m, x),
    lambda m, g, out, x: (mean_of_triangles(m, g @ mean_of_triangles(m, x) + mean_of_triangles(m, x) @ g),), "nn",
)  # fmt: skip


def determinant(x):
    return x[0, 0] * x[1, 1] - x[0, 1] * x[1, 0]


def cofactors(m, x):
    signs = m.array(np.array([[1.0, -1.0], [-1.0, 1.0]]), x)
    return signs * m.flip(m.flip(x, 0), 1)


def eye(m, x):
    return m.array(np.eye(x.shape[0]), x)


def of_triangular(m, g, out, x, part):
    b = m.solve(T(m.tril(x), m), g)
    return part(-b @ T(out, m)), b


def symmetric(m, x):
    """Return the symmetric matrix with the lower triangle of x."""
    low = m.tril(x)
    return low + T(low, m) - eye(m, x) * low


def folded(m, s):
    """Return the gradient of the lower triangle, from that of the symmetric matrix."""
    return m.tril(s + T(s, m)) - eye(m, s) * s


def of_cholesky(m, g, out):
    """Return the transposed gradient, not symmetrized (Murray, 2016, arXiv:1602.07527, equation 10)."""
    factor, half = T(out, m), m.array(1 - np.eye(out.shape[0]) / 2, g)
    inverse = m.inv(factor)
    return T(inverse, m) @ (m.tril(T(factor, m) @ m.tril(T(g, m))) * half) @ inverse


def of_eigenvalues(m, g, x):
    vectors = m.eigh(symmetric(m, x))[1]
    return m.einsum("ik,k,jk->ij", vectors, g, vectors)


def mean_of_triangles(m, x):
    return (x + T(x, m)) / 2


def by_divided_differences(m, g, out, x):
    """Return the gradient from eigenvalues w and v, by factors (w² - v²) / (w - v), which are 0 / 0 for w = v."""
    w, vectors = m.eigh(mean_of_triangles(m, x))
    row, column = m.reshape(w, (1, -1)), m.reshape(w, (-1, 1))
    factors = m.where(eye(m, x) > 0, row + column, (column * column - row * row) / (column - row))
    inner = T(vectors, m) @ mean_of_triangles(m, g) @ vectors
    return (vectors @ (factors * inner) @ T(vectors, m),)


WRONG = [
    Rule("determinant of a singular matrix", SQUARE_2, lambda m, g, out, x: (g * out * (cofactors(m, x) / out),),
         (np.array([[1.0, 2.0], [2.0, 4.0]]),), source="jax-ml/jax#2380"),
    Rule("log-density: sign of the covariance", LOG_DENSITY, scaled(LOG_DENSITY, -1),
         (np.array([[2.0, 0.3], [0.3, 1.0]]),), source="HIPS/autograd#412"),
    Rule("triangular solve: gradient not masked", TRIANGULAR, lambda m, g, out, x, y: of_triangular(
        m, g, out, x, lambda full: full), (np.array([[1.0, -1.0], [0.5, 2.0]]), OTHER[:2, :2]),
        source="jax-ml/jax#1458"),
    Rule("upper Cholesky: gradient of the lower part", CHOLESKY, lambda m, g, out, x: (
        T(of_cholesky(m, g, out), m),),
         (np.array([[4.0, 1.0], [1.0, 3.0]]),), source="jax-ml/jax#40421"),
    Rule("eigenvalues: one triangle read, both get g", EIGENVALUES, lambda m, g, out, x: (
        of_eigenvalues(m, g, x),), (SQUARE[:3, :3],), source="jax-ml/jax#12795"),
    Rule("equal eigenvalues: 1 / (w - v)", MATRIX_SQUARE, by_divided_differences, (np.diag([2.0, 2.0, 1.0]),),
         source="tensorflow/tensorflow#17476"),
]  # fmt: skip
