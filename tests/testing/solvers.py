"""Iterative solvers that stop at a tolerance of 1e-6, with the gradients of the exact results."""

import numpy as np

TOLERANCE = 1e-6
COUPLED = np.random.default_rng(5).normal(size=(8, 8))
MATRIX = COUPLED @ COUPLED.T + np.eye(8)
DAMPED = np.eye(8) + 0.2 * (MATRIX / np.diag(MATRIX)[:, None]) * (1 - np.eye(8))


def iterated(step, y, tolerance=TOLERANCE):
    """Repeat a step until it changes y by at most the tolerance, relative to 1 or the largest element."""
    for _ in range(5000):
        y, old = step(y), y
        if np.max(np.abs(y - old)) <= tolerance * max(1, np.max(np.abs(y))):
            break
    return y


def cube_root(x, tolerance=TOLERANCE):
    """Solve y**3 + y = x by Newton's method."""
    return iterated(lambda y: y - (y**3 + y - x) / (3 * y * y + 1), np.zeros_like(x), tolerance)


def fixed_point(x, tolerance=TOLERANCE):
    """Solve y = 0.7 cos(y) + x."""
    return iterated(lambda y: 0.7 * np.cos(y) + x, np.zeros_like(x), tolerance)


def richardson(b):
    """Solve DAMPED y = b."""
    return iterated(lambda y: b - DAMPED @ y + y, np.zeros_like(b))


def conjugate_gradients(b):
    x, r = np.zeros_like(b), b
    p, squared = r, r @ r
    while np.sqrt(squared) > TOLERANCE * np.linalg.norm(b):
        q = MATRIX @ p
        x, r = x + squared / (p @ q) * p, r - squared / (p @ q) * q
        p, squared = r + (r @ r) / squared * p, r @ r
    return x


def simpson(f, a, b, tolerance):
    """Integrate f by halving the interval where Simpson's rule and its halves disagree."""
    m = (a + b) / 2
    whole, *halves = ((q - p) / 6 * (f(p) + 4 * f((p + q) / 2) + f(q)) for p, q in ((a, b), (a, m), (m, b)))
    if abs(whole - sum(halves)) <= 15 * tolerance:
        return sum(halves)
    return simpson(f, a, m, tolerance / 2) + simpson(f, m, b, tolerance / 2)


def integral(x):
    return np.array([simpson(lambda t, p=p: np.exp(-p * t * t) * np.sin(3 * t) ** 2 + 1, 0, 2, TOLERANCE) for p in x])


def slope_of_integral(x):
    t, w = np.polynomial.legendre.leggauss(80)
    t = t[:, None] + 1
    return w @ (-t * t * np.exp(-x * t * t) * np.sin(3 * t) ** 2)


def trajectory(x, tolerance=TOLERANCE / 10):
    """Integrate y' = -x y + cos(3 t) from y(0) = 1 to t = 2 with Runge-Kutta steps of adaptive size."""
    t, y, h = 0.0, np.ones_like(x), 0.1
    while t < 2:
        h = min(h, 2 - t)
        k1 = -x * y + np.cos(3 * t)
        k2 = -x * (y + h / 2 * k1) + np.cos(3 * (t + h / 2))
        k3 = -x * (y + 0.75 * h * k2) + np.cos(3 * (t + 0.75 * h))
        new = y + h * (2 * k1 + 3 * k2 + 4 * k3) / 9
        k4 = -x * new + np.cos(3 * (t + h))
        error = np.max(np.abs(h * (-5 * k1 / 72 + k2 / 12 + k3 / 9 - k4 / 8)))
        if error <= tolerance:
            t, y = t + h, new
        h *= min(4, max(0.2, 0.9 * (tolerance / max(error, 1e-20)) ** (1 / 3)))
    return y


def slope_of_trajectory(x):
    """Return the derivative of exp(-2 x) + the integral of exp(-x (2 - t)) cos(3 t)."""
    t, w = np.polynomial.legendre.leggauss(60)
    t = t[:, None] + 1
    return -2 * np.exp(-2 * x) - w @ ((2 - t) * np.exp(-x * (2 - t)) * np.cos(3 * t))


def normal(size):
    return lambda rng: rng.normal(size=size)


# For each solver: the function, its vjp at (g, x), and a distribution of x.
SOLVERS = {
    "Newton": (cube_root, lambda g, x: g / (3 * cube_root(x, 0) ** 2 + 1), normal(4)),
    "fixed point": (fixed_point, lambda g, x: g / (1 + 0.7 * np.sin(fixed_point(x, 0))), normal(2)),
    "Richardson": (richardson, lambda g, x: np.linalg.solve(DAMPED.T, g), normal(8)),
    "conjugate gradients": (conjugate_gradients, lambda g, x: np.linalg.solve(MATRIX, g), normal(8)),
    "quadrature": (integral, lambda g, x: g * slope_of_integral(x), lambda rng: rng.uniform(0.5, 3, 2)),
    "Runge-Kutta": (trajectory, lambda g, x: g * slope_of_trajectory(x), lambda rng: rng.uniform(-1, 2, 2)),
}  # fmt: skip
