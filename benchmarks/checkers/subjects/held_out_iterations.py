"""Held out: fixed points, roots, quadrature, recurrences, ratings, ecology."""

from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.families import add, both, iterated, normal, powers_of_ten, uniform

NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)
GAMES = np.random.default_rng(24).integers(0, 6, (60, 2))


def elo(ratings: Any) -> Any:
    """Return ratings after 60 games, each won by the first player."""
    for a, b in GAMES:
        if a != b:
            gain = 32 / (1 + 10 ** ((ratings[a] - ratings[b]) / 400))
            ratings = ratings + gain * (np.eye(6)[a] - np.eye(6)[b])
    return ratings


def softened(x: Any) -> Any:
    """Return the fixed point of y = tanh(w y + x)."""
    return iterated(lambda y: tg.tanh(0.8 * y + x), 0 * x, 300)


def secant_root(x: Any) -> Any:
    """Solve y exp(y) = x by Halley's method."""
    y = tg.log(1 + x)
    for _ in range(8):
        e = tg.exp(y)
        y = y - (y * e - x) / (e * (y + 1) - (y + 2) * (y * e - x) / (2 * y + 2))
    return y


def runge_kutta(rate: Any, y: Any, step: float, steps: int) -> Any:
    for _ in range(steps):
        a = rate(y)
        b = rate(y + step / 2 * a)
        c = rate(y + step / 2 * b)
        y = y + step / 6 * (a + 2 * b + 2 * c + rate(y + step * c))
    return y


def predators(y: Any) -> Any:
    return tg.stack([y[0] * (1.1 - 0.4 * y[1]), y[1] * (0.1 * y[0] - 0.4)])


def epidemic(x: Any) -> Any:
    s, i = 1 - x[0], x[0]
    for _ in range(60):
        new = x[1] * s * i
        s, i = s - new, i + new - 0.1 * i
    return tg.stack([s, i])


def van_der_pol(y: Any) -> Any:
    return tg.stack([y[1], 5 * (1 - y[0] ** 2) * y[1] - y[0]])


def adaptive(f: Any, low: Any, high: Any) -> Any:
    middle, half = (low + high) / 2, (high - low) / 2
    return half * (f(tg.expand_dims(middle, 1) + tg.expand_dims(half, 1) * NODES) @ WEIGHTS)


def continued(x: Any) -> Any:
    y = 0 * x
    for k in range(30, 0, -1):
        y = k * k * x * x / (2 * k + 1 + y)
    return x / (1 + y)


add("held-out iterations: Elo ratings", elo, normal(6, scale=200, offset=1500))
add("held-out iterations: fixed point of tanh", softened, normal(4))
add("held-out iterations: Lambert's function", secant_root, powers_of_ten(-2, 4, 5))
add("held-out iterations: predators and prey", lambda y: runge_kutta(predators, y, 0.1, 40), uniform(2, 8, 2))
add(
    "held-out iterations: epidemic", epidemic, lambda rng: (np.array([rng.uniform(1e-5, 1e-2), rng.uniform(0.2, 0.5)]),)
)
add("held-out iterations: Van der Pol's oscillator", lambda y: runge_kutta(van_der_pol, y, 0.05, 60), normal(2))
add(
    "held-out iterations: integral between inputs",
    lambda a, b: adaptive(lambda t: tg.exp(-t * t), a, a + b),
    both(normal(3), uniform(0.1, 3, 3)),
)
add("held-out iterations: arctangent by a continued fraction", continued, uniform(-0.8, 0.8, 4))
add(
    "held-out iterations: Babylonian root from afar",
    lambda x: iterated(lambda y: (y + x / y) / 2, 0 * x + 1, 30),
    powers_of_ten(-6, 6, 5),
)
add(
    "held-out iterations: PageRank",
    lambda x: iterated(lambda p: 0.85 * (tg.softmax(x, axis=0) @ p) + 0.03, np.full(5, 0.2), 60),
    normal(5, 5),
)
add(
    "held-out iterations: momentum on a quadratic",
    lambda x: iterated(lambda s: tg.stack([s[0] + s[1], 0.9 * s[1] - 0.01 * (s[0] + s[1])]), tg.stack([x, 0 * x]), 100),
    normal(3),
)
add(
    "held-out iterations: unrolled gradient descent with its rate",
    lambda x, r: iterated(lambda y: y - r * (tg.exp(y) - x), 0 * x, 25),
    both(uniform(0.5, 3, 3), uniform(0.05, 0.4, 3)),
)
add(
    "held-out iterations: Fibonacci with real numbers",
    lambda x: iterated(lambda s: tg.stack([s[1], s[0] + s[1]]), x, 60),
    normal(2),
)
add(
    "held-out iterations: Collatz-like branches",
    lambda x: iterated(lambda y: tg.where(y.numpy() > 1, y / 2, 3 * y + 0.1), x, 12),
    uniform(0.1, 8, 5),
)
add(
    "held-out iterations: baker's map",
    lambda x: iterated(lambda y: 2 * y - np.floor(2 * y.numpy()), x, 10),
    uniform(0.01, 0.99, 4),
)
add(
    "held-out iterations: circle map",
    lambda x: iterated(lambda y: y + 0.3 - 0.15 * tg.sin(2 * np.pi * y), x, 50),
    uniform(0, 1, 4),
)
