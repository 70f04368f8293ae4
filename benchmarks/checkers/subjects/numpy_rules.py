"""Plain NumPy functions with hand-written gradients."""

from typing import Any

import numpy as np

from benchmarks.checkers.families import add, both, normal, powers_of_ten, uniform

rng = np.random.default_rng(12)
DATA, TARGETS = rng.standard_normal((30, 5)), rng.integers(0, 2, 30)
KERNEL = rng.standard_normal(5)


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_gradient(x: Any, cotangent: Any) -> Any:
    p = softmax(x)
    return p * (cotangent - np.sum(cotangent * p, axis=-1, keepdims=True))


def logistic_loss(w: Any) -> Any:
    return np.mean(np.logaddexp(0, DATA @ w) - TARGETS * (DATA @ w))


def logistic_gradient(w: Any) -> Any:
    return DATA.T @ (1 / (1 + np.exp(-DATA @ w)) - TARGETS) / len(DATA)


def rosenbrock(x: Any) -> Any:
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock_gradient(x: Any) -> Any:
    out = np.zeros_like(x)
    out[:-1] = -400 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (1 - x[:-1])
    out[1:] += 200 * (x[1:] - x[:-1] ** 2)
    return out


def two_layers(x: Any, w: Any, v: Any) -> Any:
    return np.tanh(x @ w) @ v


def two_layers_gradient(x: Any, w: Any, v: Any, cotangent: Any) -> Any:
    h = np.tanh(x @ w)
    inner = (cotangent @ v.T) * (1 - h * h)
    return inner @ w.T, x.T @ inner, h.T @ cotangent


def spectrum(x: Any) -> Any:
    return np.abs(np.fft.rfft(x)) ** 2


def spectrum_gradient(x: Any, cotangent: Any) -> Any:
    waves = np.exp(-2j * np.pi * np.outer(np.arange(len(cotangent)), np.arange(len(x))) / len(x))
    return 2 * np.real(np.conj(waves).T @ (cotangent * (waves @ x)))


def sorted_gradient(x: Any, cotangent: Any) -> Any:
    out = np.zeros_like(x)
    out[np.argsort(x)] = cotangent
    return out


def log_determinant(x: Any) -> Any:
    return 2 * np.sum(np.log(np.diag(np.linalg.cholesky(x @ x.T + 0.1 * np.eye(4)))))


def mean_and_deviation_gradient(x: Any, cotangent: Any) -> Any:
    return cotangent[0] / x.size + cotangent[1] * (x - x.mean()) / (x.size * x.std())


def narrow(f: Any, dtype: Any) -> Any:
    """Return a function that computes in a narrow dtype."""
    return lambda *arguments: np.asarray(f(*(np.asarray(a).astype(dtype) for a in arguments)), np.float64)


POINTS = np.linspace(0, 10, 80_001)
WAVE = np.sin(POINTS)


def table_gradient(x: Any, cotangent: Any) -> Any:
    k = np.clip(np.searchsorted(POINTS, x) - 1, 0, len(POINTS) - 2)
    return cotangent * (WAVE[k + 1] - WAVE[k]) / (POINTS[k + 1] - POINTS[k])


add("NumPy: softmax", softmax, normal(3, 5, scale=3), softmax_gradient)
add("NumPy: logistic regression", logistic_loss, normal(5), logistic_gradient)
add("NumPy: Rosenbrock's function", rosenbrock, normal(10), rosenbrock_gradient)
add("NumPy: two layers", two_layers, both(normal(4, 3), normal(3, 6), normal(6, 2)), two_layers_gradient)
add("NumPy: power spectrum", spectrum, normal(33), spectrum_gradient)
add("NumPy: sort", np.sort, normal(20), sorted_gradient)
add("NumPy: log-determinant by Cholesky", log_determinant, normal(4, 4),
    lambda x: 2 * np.linalg.solve(x @ x.T + 0.1 * np.eye(4), x))  # fmt: skip
add("NumPy: inverse", np.linalg.inv, lambda rng: (rng.standard_normal((4, 4)) + 3 * np.eye(4),),
    lambda x, cotangent: -np.linalg.inv(x).T @ cotangent @ np.linalg.inv(x).T)  # fmt: skip
add("NumPy: convolution with a kernel", lambda x: np.convolve(x, KERNEL), normal(12),
    lambda x, cotangent: np.correlate(cotangent, KERNEL))  # fmt: skip
add("NumPy: running sum", np.cumsum, normal(40), lambda x, cotangent: np.cumsum(cotangent[::-1])[::-1])
add("NumPy: np.interp with 80,001 knots", lambda x: np.interp(x, POINTS, WAVE), uniform(0.1, 9.9, 5), table_gradient)
add("NumPy: mean and standard deviation", lambda x: np.array([x.mean(), x.std()]), normal(9, offset=50),
    mean_and_deviation_gradient)  # fmt: skip
add("NumPy: hypot at 0 and elsewhere", lambda x: np.sum(np.hypot(x, 1e-3)),
    lambda rng: (np.append(rng.standard_normal(4), 0.0),), lambda x: x / np.hypot(x, 1e-3))  # fmt: skip
add(
    "NumPy: log(1 + x) by log1p, all sizes",
    np.log1p,
    powers_of_ten(-12, 8, 6),
    lambda x, cotangent: cotangent / (1 + x),
)
add("NumPy: sine in float32", narrow(np.sin, np.float32), normal(5), lambda x, cotangent: cotangent * np.cos(x))
add("NumPy: softmax in float32", narrow(softmax, np.float32), normal(3, 5), softmax_gradient)
add("NumPy: two layers in float32", narrow(two_layers, np.float32),
    both(normal(4, 3), normal(3, 6), normal(6, 2)), two_layers_gradient)  # fmt: skip
add("NumPy: exponential in float16", narrow(np.exp, np.float16), normal(5), lambda x, cotangent: cotangent * np.exp(x))
add("NumPy: cube at exactly 0", lambda x: x**3, lambda rng: (np.zeros(4),), lambda x, cotangent: 3 * x * x * cotangent,
    slope="zero")  # fmt: skip
add(
    "NumPy: square of a norm at 0",
    lambda x: np.linalg.norm(x) ** 2,
    lambda rng: (np.zeros(4),),
    lambda x: 2 * x,
    slope="zero",
)
add("NumPy: x**1.5 at 0", lambda x: np.sum(x**1.5 + x), lambda rng: (np.zeros(3),), lambda x: 1.5 * np.sqrt(x) + 1)
add("NumPy: relu at 0", lambda x: np.maximum(x, 0), lambda rng: (np.array([0.0, 1.0, -2.0]),),
    lambda x, cotangent: cotangent * (x > 0), slope="none")  # fmt: skip
add(
    "NumPy: domain of a logarithm, 0.01",
    lambda x: np.log(x),
    uniform(0.005, 0.02, 3),
    lambda x, cotangent: cotangent / x,
)
