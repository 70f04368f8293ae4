"""Difficult functions with correct gradients: numerical methods, recursions, series, geometry, matrices, tables."""

from math import factorial
from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.families import add, both, in_float32, iterated, normal, powers_of_ten, uniform

# --- Integrals, roots, differential equations ---

NODES = np.linspace(0, 1, 201)
SIMPSON = np.array([1, *[4, 2] * 99, 4, 1]) / 600


def newton(x: Any, steps: int = 30) -> Any:
    """Return the root y of y^3 + y = x."""
    return iterated(lambda y: y - (y * y * y + y - x) / (3 * y * y + 1), x * 0 + 1, steps)


def pendulum(x: Any) -> Any:
    """Return the angle of a pendulum after 200 steps of Euler's method."""
    angle, speed = x, x * 0
    for _ in range(200):
        angle, speed = angle + 0.05 * speed, speed - 0.05 * tg.sin(angle)
    return angle


def bisected(x: Any) -> Any:
    """Return the root of y^3 + y = x by bisection without a gradient, and a differentiable Newton step."""
    low, high = -10 + 0 * x.numpy(), 10 + 0 * x.numpy()
    for _ in range(45):
        middle = (low + high) / 2
        below = middle**3 + middle < x.numpy()
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low - (low**3 + low - x) / (3 * low**2 + 1)


add("integral of sin(20 x t)", lambda x: tg.sin(20 * tg.expand_dims(x, 1) * NODES) @ SIMPSON, normal(4))
add("integral, singular endpoint", lambda x: tg.sqrt(tg.expand_dims(x, 1) * NODES + 1e-9) @ SIMPSON, uniform(0.5, 2, 4))
add("root by Newton's method", newton, normal(4, scale=3))
add("root by bisection and a Newton step", bisected, normal(4, scale=3))
add("pendulum, 200 steps", pendulum, normal(3))
add("stiff equation, 100 steps", lambda x: iterated(lambda y: y + 0.019 * (tg.cos(x) - 100 * y), x, 100), normal(3))
add("Lorenz system, 25 steps", lambda x: iterated(lorenz, x, 25), normal(3, offset=5.0))
add("arithmetic-geometric mean", lambda x, y: agm(x, y), both(uniform(0.1, 5, 4), uniform(0.1, 5, 4)))


def lorenz(x: Any) -> Any:
    return x + 0.01 * tg.stack([10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]])


def agm(x: Any, y: Any) -> Any:
    for _ in range(6):
        x, y = (x + y) / 2, tg.sqrt(x * y)
    return x


# --- Recursions and chaos ---

add("sine of a sine, 200 times", lambda x: iterated(tg.sin, x, 200), normal(4))
add("Hénon map, 12 times", lambda x: iterated(henon, x, 12), normal(2, scale=0.2))
add("Mandelbrot's map, 8 times", lambda x: iterated(lambda z: squared(z) + x, x * 0, 8), normal(2, scale=0.3))
add("logistic map, 24 times", lambda x: iterated(lambda x: 3.9 * x * (1 - x), x, 24), uniform(0.1, 0.9, 3))
add("tent map, 12 times", lambda x: iterated(lambda x: 1 - tg.abs(1 - 1.9 * x), x, 12), uniform(0.05, 0.95, 3))
add("continued fraction, 40 deep", lambda x: iterated(lambda y: 1 / (x + y), x, 40), uniform(0.1, 3, 4))
add("100 gated steps", lambda x: iterated(lambda h: tg.sigmoid(4 * x - h) * h + tg.tanh(x), x, 100), normal(4))
add("hard tanh, 20 layers", lambda x: iterated(lambda x: tg.clip(1.3 * x, -1.0, 1.0), x, 20), normal(4, scale=3e-3))


def henon(x: Any) -> Any:
    return tg.stack([1 - 1.4 * x[0] * x[0] + x[1], 0.3 * x[0]])


def squared(z: Any) -> Any:
    return tg.stack([z[0] * z[0] - z[1] * z[1], 2 * z[0] * z[1]])


# --- Series and cancellation ---


def power_series(coefficients: Any) -> Any:
    """Return a polynomial in Horner's form, highest coefficient first."""

    def f(x: Any) -> Any:
        y = x * 0
        for c in coefficients:
            y = y * x + c
        return y

    return f


BESSEL = [(-1) ** k / factorial(k) ** 2 for k in reversed(range(40))]
add("Bessel's series at 40", power_series(BESSEL), normal(4, offset=40))
add(
    "series of exp(-x) at 15",
    power_series([(-1) ** k / factorial(k) for k in reversed(range(60))]),
    normal(4, offset=15),
)
add("Wilkinson's polynomial near a root", power_series(np.poly(np.arange(1.0, 13))), normal(3, scale=0.05, offset=7.3))
add("polynomial near a fivefold root", power_series(np.poly(np.ones(5))), normal(4, scale=3e-2, offset=1.0))
add("geometric series near 1", power_series(np.ones(200)), lambda rng: (1 - 10 ** rng.uniform(-5, -3, 4),))
add("closed geometric sum near 1", lambda x: (1 - x**50) / (1 - x), lambda rng: (1 - 10 ** rng.uniform(-5, -3, 4),))
add("(exp(x) - 1) / x at 1e-2", lambda x: (tg.exp(x) - 1) / x, powers_of_ten(-2.5, -1.5, 4, signed=True))
add("sin(x) / x at 1e-2", lambda x: tg.sin(x) / x, powers_of_ten(-2.5, -1.5, 4, signed=True))
add("hypotenuse minus leg", lambda x, y: tg.sqrt(x * x + y * y) - x, both(uniform(1, 3, 4), normal(4, scale=1e-4)))
add("smaller root of a quadratic", lambda x: (-x + tg.sqrt(x * x - 4e-3)) / 2, uniform(10, 1e4, 4))
add("nearly orthogonal vectors", lambda x, y: tg.sum(x * y) - x @ y * (1 - 1e-7), both(normal(20), normal(20)))
add("naive softplus at 33", lambda x: tg.log(1 + tg.exp(x)) - x, normal(4, offset=33))
add("naive softplus at -33", lambda x: tg.log(1 + tg.exp(x)), normal(4, offset=-33))
add("exp(-1 / x ** 2) near 0", lambda x: tg.exp(-1 / (x * x)), uniform(0.08, 0.3, 4))
add("power spectrum of 64", lambda x: tg.square(WAVES.real @ x) + tg.square(WAVES.imag @ x), normal(64))
WAVES = np.exp(-2j * np.pi * np.outer(np.arange(64), np.arange(64)) / 64)

# --- Geometry ---

add(
    "angle near the branch cut",
    lambda x, y: tg.arctan2(y, x),
    both(uniform(-2, -1, 4), powers_of_ten(-7, -3, 4, signed=True)),
)
add("angle between nearly equal vectors", lambda x, y: tg.arccos(cosine(x, x + 1e-3 * y)), both(normal(5), normal(5)))
add("distances of close points", lambda x: distances(x * 1e-5), normal(6, 3))
add("rotation by quaternions", lambda q, x: turned(q, x), both(normal(4, scale=1e-3), normal(3)))


def cosine(x: Any, y: Any) -> Any:
    return tg.sum(x * y) / tg.sqrt(tg.sum(x * x) * tg.sum(y * y))


def distances(x: Any) -> Any:
    gaps = tg.expand_dims(x, 0) - tg.expand_dims(x, 1)
    return tg.sqrt(tg.sum(gaps * gaps, axis=2) + np.eye(6))


def turned(q: Any, x: Any) -> Any:
    """Rotate x by the quaternion q, scaled to unit length."""
    q = q / tg.sqrt(tg.sum(q * q))
    cross = tg.stack([q[2] * x[2] - q[3] * x[1], q[3] * x[0] - q[1] * x[2], q[1] * x[1] - q[2] * x[0]])
    again = tg.stack(
        [q[2] * cross[2] - q[3] * cross[1], q[3] * cross[0] - q[1] * cross[2], q[1] * cross[1] - q[2] * cross[0]]
    )
    return x + 2 * q[0] * cross + 2 * again


# --- Matrices ---

HILBERT = 1 / (np.arange(7)[:, None] + np.arange(7) + 1.0)


def top_eigenvalue(x: Any) -> Any:
    x = x + tg.transpose(x)
    v = iterated(lambda v: x @ v / tg.sqrt(tg.sum(tg.square(x @ v))), np.ones(5) / 5**0.5, 40)
    return tg.sum(v * (x @ v))


def orthogonalized(x: Any, y: Any) -> Any:
    y = x + 1e-4 * y
    return y - x * tg.sum(x * y) / tg.sum(x * x)


def exponential(x: Any) -> Any:
    total = term = np.eye(3) + 0 * x
    for k in range(1, 30):
        term = term @ x / k
        total = total + term
    return total


add("solution with Hilbert's matrix", lambda x: tg.linalg.solve(HILBERT, x), normal(7))
add(
    "Hilbert's matrix perturbed",
    lambda x: tg.linalg.solve(HILBERT + 1e-3 * x * np.eye(7), np.ones(7)),
    uniform(0.5, 2, 7),
)
add("largest eigenvalue by 40 power iterations", top_eigenvalue, normal(5, 5))
add("orthogonalized nearly parallel vector", orthogonalized, both(normal(5), normal(5)))
add("exponential of a matrix", exponential, normal(3, 3, scale=2.0))
add(
    "likelihood of a mixture, in the tails",
    lambda x: tg.logsumexp(-tg.square(tg.expand_dims(x, 1) - np.arange(5.0) * 8), axis=1),
    normal(4, scale=20),
)

# --- Tables, ranks, noise, many elements and none ---

TABLE = np.random.default_rng(5).standard_normal(64)


def interpolated(x: Any) -> Any:
    place = np.floor(x.numpy()).astype(int)
    return TABLE[place] + (x - place) * (TABLE[place + 1] - TABLE[place])


def running_maximum(x: Any) -> Any:
    tops = [x[0]]
    for k in range(1, x.shape[0]):
        tops.append(tg.maximum(tops[-1], x[k]))
    return tg.stack(tops)


add("table, interpolated", interpolated, uniform(0, 60, 6))
add("rounded x times x", lambda x: tg.round(8 * x) / 8 * x, normal(5))
add("rounded x, steps of slope 0", lambda x: tg.round(8 * x) / 8 + 0 * x, normal(5), slope="zero")
add("sawtooth", lambda x: (x - tg.floor(x)) ** 2, normal(5, scale=10))
add(
    "soft ranks, steep",
    lambda x: tg.sum(tg.sigmoid(100 * (tg.expand_dims(x, 0) - tg.expand_dims(x, 1))), axis=1),
    normal(8),
)
add("running maximum", running_maximum, normal(12))
add("second largest of 20", lambda x: tg.sort(x)[-2], normal(20))
add(
    "soft histogram of narrow bins",
    lambda x: tg.sum(tg.exp(-tg.square((tg.expand_dims(x, 1) - np.linspace(-2, 2, 40)) * 50)), axis=0),
    normal(6),
)
add("tiny periodic noise", lambda x: x * x + 1e-9 * tg.sin(1e6 * x), normal(4))
add("tiny noise that changes the slope", lambda x: x * x + 1e-6 * tg.sin(1e5 * x), normal(4))
add("parabola with steps of 1e-9", lambda x: x * x + 1e-9 * tg.floor(1e6 * x), normal(4))
add("logsumexp of 30,000", lambda x: tg.logsumexp(x), normal(30_000))
add("product of 30,000 near 1", lambda x: tg.exp(tg.sum(tg.log(1 + 1e-3 * x))), normal(30_000))
add("empty input", lambda x: tg.sum(tg.sin(x)) + tg.sum(x * x), normal(0, 3), slope="zero")
add("cumulative sum in float32", in_float32(lambda x: tg.square(tg.cumsum(x))), normal(60))
add("exponential in float16", in_float32(tg.exp, np.float16), normal(5))
add("loss in float32, error of 1e4", in_float32(lambda x: tg.mean(tg.square(x - 1e4))), normal(8))
add("float32 inside float64", lambda x: tg.exp(in_float32(tg.tanh)(x)) + x, normal(5))
