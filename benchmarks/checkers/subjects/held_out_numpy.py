"""Held out: plain NumPy functions with hand-written gradients."""

from typing import Any

import numpy as np

from benchmarks.checkers.families import add, both, normal, powers_of_ten, uniform

rng = np.random.default_rng(25)
INDICES = np.array([0, 2, 2, 1])
TARGET = rng.standard_normal((5, 3))


def layer_norm(x: Any) -> Any:
    return (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)


def layer_norm_gradient(x: Any, cotangent: Any) -> Any:
    y = layer_norm(x)
    centered = cotangent - cotangent.mean(axis=1, keepdims=True) - y * np.mean(cotangent * y, axis=1, keepdims=True)
    return centered / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)


def max_pool_gradient(x: Any, cotangent: Any) -> Any:
    windows = x.reshape(-1, 3)
    out = np.zeros_like(windows)
    out[np.arange(len(windows)), windows.argmax(axis=1)] = cotangent
    return out.reshape(x.shape)


def scattered_gradient(x: Any, cotangent: Any) -> Any:
    out = np.zeros_like(x)
    np.add.at(out, INDICES, cotangent)
    return out


def ridge(w: Any) -> Any:
    return 0.5 * np.sum((TARGET @ w - 1) ** 2) + 0.1 * np.sum(w * w)


def huber(x: Any) -> Any:
    return np.sum(np.where(np.abs(x) < 1, 0.5 * x * x, np.abs(x) - 0.5))


def log_sum(x: Any) -> Any:
    return x.max() + np.log(np.sum(np.exp(x - x.max())))


def eigenvalue_gradient(x: Any, cotangent: Any) -> Any:
    vectors = np.linalg.eigh(x)[1]
    return (vectors * cotangent) @ vectors.T


def product_gradient(x: Any) -> Any:
    return np.array([np.prod(np.delete(x, k)) for k in range(len(x))])


def recurrence(x: Any, w: Any) -> Any:
    h = np.zeros(2)
    for row in x:
        h = np.tanh(w @ h + row)
    return h


def recurrence_gradient(x: Any, w: Any, cotangent: Any) -> Any:
    states = [np.zeros(2)]
    for row in x:
        states.append(np.tanh(w @ states[-1] + row))
    of_x, of_w, g = np.zeros_like(x), np.zeros_like(w), cotangent
    for k in reversed(range(len(x))):
        inner = g * (1 - states[k + 1] ** 2)
        of_x[k], of_w, g = inner, of_w + np.outer(inner, states[k]), w.T @ inner
    return of_x, of_w


def compensated(x: Any) -> Any:
    return np.sum(x + 1e8) - 1e8 * x.size


def sphere(x: Any) -> Any:
    return np.sum(np.sqrt(1 + x * x) - 1)


def rounded(x: Any) -> Any:
    """Return a square with 8 digits, as a text file holds it."""
    return np.array([float(f"{value:.8g}") for value in x * x])


add("held-out NumPy: layer norm", layer_norm, normal(3, 5, scale=4), layer_norm_gradient)
add("held-out NumPy: max pooling", lambda x: x.reshape(-1, 3).max(axis=1), normal(12), max_pool_gradient)
add("held-out NumPy: rows by repeated indices", lambda x: x[INDICES] ** 1, normal(3, 2), scattered_gradient)
add("held-out NumPy: ridge regression", ridge, normal(3), lambda w: TARGET.T @ (TARGET @ w - 1) + 0.2 * w)
add("held-out NumPy: Huber", huber, normal(8, scale=2), lambda x: np.clip(x, -1, 1))
add(
    "held-out NumPy: logsumexp of large numbers",
    log_sum,
    normal(5, offset=800, scale=5),
    lambda x: np.exp(x - log_sum(x)),
)
add(
    "held-out NumPy: eigenvalues",
    lambda x: np.linalg.eigvalsh((x + x.T) / 2),
    lambda rng: ((lambda a: a + a.T)(rng.standard_normal((4, 4))),),
    eigenvalue_gradient,
)
add("held-out NumPy: product", np.prod, lambda rng: (np.append(rng.standard_normal(4), 0.0),), product_gradient)
add("held-out NumPy: recurrence with its weights", recurrence, both(normal(6, 2), normal(2, 2)), recurrence_gradient)
add("held-out NumPy: sum with an offset of 1e8", compensated, normal(6), np.ones_like)
add("held-out NumPy: pseudo-Huber at small numbers", sphere, normal(5, scale=1e-3), lambda x: x / np.sqrt(1 + x * x))
add("held-out NumPy: 8 digits of a square", rounded, uniform(1, 3, 4), lambda x, cotangent: 2 * x * cotangent)
add(
    "held-out NumPy: trapezoidal rule",
    lambda y: np.trapezoid(y, dx=0.1),
    normal(11),
    lambda y: 0.1 * np.r_[0.5, np.ones(9), 0.5],
)
add(
    "held-out NumPy: polyval and its coefficients",
    lambda c: np.polyval(c, 0.9),
    normal(12),
    lambda c: 0.9 ** np.arange(11.0, -1, -1),
)
add("held-out NumPy: einsum", lambda x, y: np.einsum("ij,kj->ik", x, y), both(normal(3, 4), normal(2, 4)),
    lambda x, y, cotangent: (cotangent @ y, cotangent.T @ x))  # fmt: skip
add(
    "held-out NumPy: absolute values of mixed sizes",
    np.abs,
    powers_of_ten(-9, 9, 6, signed=True),
    lambda x, cotangent: cotangent * np.sign(x),
)
