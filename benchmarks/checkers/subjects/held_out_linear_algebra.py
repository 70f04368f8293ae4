"""Held out: transforms of matrices, equations, decompositions, iterations."""

from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.families import Draw, add, both, iterated, normal, uniform

EYE = np.eye(4)


def symmetric(offset: float = 0.0) -> Draw:
    return lambda rng: ((lambda x: x + x.T + offset * EYE)(rng.standard_normal((4, 4))),)


def cayley(x: Any) -> Any:
    skew = x - x.T
    return tg.linalg.solve(EYE + skew, EYE - skew)


def exp_by_squaring(x: Any) -> Any:
    small, total = x / 64, EYE + x / 64
    term = small
    for k in range(2, 10):
        term = term @ small / k
        total = total + term
    return iterated(lambda y: y @ y, total, 6)


def sylvester(a: Any, b: Any, c: Any) -> Any:
    """Solve a x + x b = c by a Kronecker product."""
    system = tg.kron(a, np.eye(3)) + tg.kron(np.eye(4), b.T)
    return tg.reshape(tg.linalg.solve(system, tg.reshape(c, -1)), (4, 3))


def square_root(x: Any) -> Any:
    """Return the square root of a positive definite matrix by the iteration of Denman and Beavers."""
    y, z = x @ x.T + EYE, EYE
    for _ in range(10):
        y, z = (y + tg.linalg.inv(z)) / 2, (z + tg.linalg.inv(y)) / 2
    return y


def gram_schmidt(x: Any) -> Any:
    columns: list[Any] = []
    for k in range(4):
        v = x[:, k]
        for q in columns:
            v = v - q * tg.sum(q * v)
        columns.append(v / tg.sqrt(tg.sum(v * v)))
    return tg.stack(columns, axis=1)


def conjugate_gradients(x: Any, b: Any) -> Any:
    a, y = x @ x.T + EYE, 0 * b
    r = p = b
    for _ in range(4):
        step = tg.sum(r * r) / tg.sum(p * (a @ p))
        y, new = y + step * p, r - step * (a @ p)
        p, r = new + p * tg.sum(new * new) / tg.sum(r * r), new
    return y


def lyapunov(x: Any) -> Any:
    """Return the sum of a series of products, the covariance of a stationary process."""
    a = 0.9 * x / tg.sqrt(tg.sum(x * x))
    total = power = EYE + 0 * a
    for _ in range(60):
        power = a @ power @ a.T
        total = total + power
    return total


def pfaffian_like(x: Any) -> Any:
    s = x - x.T
    return s[0, 1] * s[2, 3] - s[0, 2] * s[1, 3] + s[0, 3] * s[1, 2]


add("held-out linear algebra: Cayley transform", cayley, normal(4, 4))
add("held-out linear algebra: exponential by squaring", exp_by_squaring, normal(4, 4, scale=2))
add(
    "held-out linear algebra: Sylvester's equation",
    sylvester,
    both(lambda rng: (rng.standard_normal((4, 4)) + 4 * EYE,), normal(3, 3), normal(4, 3)),
)
add("held-out linear algebra: square root by an iteration", square_root, normal(4, 4))
add("held-out linear algebra: Gram-Schmidt", gram_schmidt, normal(4, 4))
add("held-out linear algebra: conjugate gradients", conjugate_gradients, both(normal(4, 4), normal(4)))
add("held-out linear algebra: Lyapunov series", lyapunov, normal(4, 4))
add("held-out linear algebra: Pfaffian", pfaffian_like, normal(4, 4))
add(
    "held-out linear algebra: trace of a tenth power",
    lambda x: tg.trace(iterated(lambda y: y @ x, x, 9)),
    normal(4, 4, scale=0.7),
)
add("held-out linear algebra: Rayleigh quotient", lambda x, a: x @ a @ x / (x @ x), both(normal(4), symmetric()))
add("held-out linear algebra: nuclear norm", lambda x: tg.sum(tg.linalg.svd(x)[1]), normal(4, 3))
add(
    "held-out linear algebra: spectral gap",
    lambda x: tg.linalg.eigvalsh(x + x.T)[-1] - tg.linalg.eigvalsh(x + x.T)[-2],
    symmetric(),
)
add(
    "held-out linear algebra: Schur complement",
    lambda x: x[0, 0] - x[0, 1:] @ tg.linalg.solve(x[1:, 1:], x[1:, 0]),
    symmetric(6.0),
)
add(
    "held-out linear algebra: Vandermonde determinant",
    lambda x: tg.linalg.det(tg.stack([x**k for k in range(5)])),
    uniform(-1, 1, 5),
)
add(
    "held-out linear algebra: projection on a nearly dependent basis",
    lambda x, y: x @ tg.linalg.solve(x.T @ x, x.T @ y),
    both(
        lambda rng: ((lambda a: np.column_stack([a, a + 0.01 * rng.standard_normal(6)]))(rng.standard_normal(6)),),
        normal(6),
    ),
)
