"""Physics: orbits, springs, diffusion, rays, and constants in SI units."""

from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.families import add, both, iterated, normal, powers_of_ten, uniform


def orbit(start: Any) -> Any:
    """Return the position of a planet after 60 leapfrog steps from a position and a velocity."""

    def pull(x: Any) -> Any:
        return -x / tg.sum(x * x) ** 1.5

    x, v = start[:2], start[2:]
    for _ in range(60):
        v = v + 0.02 * pull(x)
        x = x + 0.04 * v
        v = v + 0.02 * pull(x)
    return x


def anomaly(mean: Any, eccentricity: Any) -> Any:
    """Solve Kepler's equation by Newton's method."""
    e = mean + eccentricity * tg.sin(mean)
    for _ in range(12):
        e = e - (e - eccentricity * tg.sin(e) - mean) / (1 - eccentricity * tg.cos(e))
    return e


def springs(x: Any) -> Any:
    """Return the positions of a damped chain of masses after 80 steps."""
    v = 0 * x
    for _ in range(80):
        inner = tg.concatenate([x[:1] * 0, x, x[:1] * 0])
        v = 0.99 * v + 0.05 * (inner[2:] - 2 * x + inner[:-2])
        x = x + 0.05 * v
    return x


def refracted(angle: Any, ratio: Any) -> Any:
    return tg.arcsin(tg.sin(angle) / ratio)


def lens(height: Any) -> Any:
    """Return the height of a ray on a screen behind a spherical surface of glass."""
    at = tg.arcsin(height / 2)
    inside = tg.arcsin(tg.sin(at) / 1.5)
    return height - 3 * tg.tan(at - inside)


def double_pendulum(x: Any) -> Any:
    def rate(s: Any) -> Any:
        a, b, u, v = s[0], s[1], s[2], s[3]
        d = a - b
        below = 3 - tg.cos(2 * d)
        first = -3 * tg.sin(a) - tg.sin(a - 2 * b) - 2 * tg.sin(d) * (v * v + u * u * tg.cos(d))
        second = 2 * tg.sin(d) * (2 * u * u + 2 * tg.cos(a) + v * v * tg.cos(d))
        return tg.stack([u, v, first / below, second / below])

    return iterated(lambda s: s + 0.02 * rate(s + 0.01 * rate(s)), x, 15)


def pairwise(x: Any) -> Any:
    """Return the distances of all pairs of points."""
    i, j = np.triu_indices(x.shape[0], 1)
    return tg.sqrt(tg.sum((x[i] - x[j]) ** 2, axis=1))


GRID = np.stack(np.meshgrid(*[np.arange(2.0)] * 3), axis=-1).reshape(8, 3)

add("physics: orbit by leapfrog", orbit, lambda rng: (np.array([1, 0, 0, 1]) + 0.2 * rng.standard_normal(4),))
add("physics: Kepler's equation", anomaly, both(uniform(0.1, 6, 5), uniform(0.0, 0.9, 5)))
add("physics: chain of springs", springs, normal(6))
add(
    "physics: diffusion, 100 steps",
    lambda x: iterated(lambda u: u + 0.24 * (tg.roll(u, 1) + tg.roll(u, -1) - 2 * u), x, 100),
    normal(20),
)
add(
    "physics: Burgers' equation",
    lambda x: iterated(
        lambda u: u - 0.05 * u * (u - tg.roll(u, 1)) + 0.1 * (tg.roll(u, 1) + tg.roll(u, -1) - 2 * u), x, 30
    ),
    normal(16),
)
add("physics: refraction, near total reflection", refracted, both(uniform(0.6, 0.7, 4), uniform(0.66, 0.7, 4)))
add("physics: ray through a lens", lens, uniform(-1.2, 1.2, 6))
add("physics: double pendulum", double_pendulum, normal(4))
add("physics: Lennard-Jones energy", lambda x: tg.sum(4 * (pairwise(x) ** -12.0 - pairwise(x) ** -6.0)),
    lambda rng: (1.1 * GRID + 0.1 * rng.standard_normal((8, 3)),))  # fmt: skip
add("physics: Morse potential", lambda x: (1 - tg.exp(-2 * (x - 1))) ** 2, uniform(0.3, 8, 6))
add(
    "physics: Coulomb energy of 8 charges",
    lambda x: tg.sum((-1.0) ** np.arange(28) / pairwise(x)),
    normal(8, 3),
)
add(
    "physics: gravity in SI units",
    lambda m, r: 6.674e-11 * 5.972e24 * m / r**2,
    both(powers_of_ten(22, 30, 4), powers_of_ten(8, 11, 4)),
)
add(
    "physics: Planck's law in SI units",
    lambda f, t: 2 * 6.626e-34 * f**3 / 299792458.0**2 / (tg.exp(6.626e-34 * f / (1.381e-23 * t)) - 1),
    both(powers_of_ten(12, 14.5, 4), uniform(300, 6000, 4)),
)
add("physics: Lorentz factor near c", lambda v: 1 / tg.sqrt(1 - v * v), lambda rng: (1 - 10 ** rng.uniform(-6, -1, 5),))
add("physics: relativistic energy of slow particles", lambda p: tg.sqrt(p * p + 1) - 1, normal(4, scale=1e-2))
add("physics: drag, |v| v", lambda x: iterated(lambda v: v - 0.05 * tg.abs(v) * v - 0.02, x, 50), normal(5, scale=3))
add("physics: friction at rest, |v| v at 0", lambda v: tg.abs(v) * v + v, uniform(0.0, 0.0, 3))
add("physics: bouncing ball, before and after impacts", lambda x: tg.abs((x + 20) % 4 - 2), normal(6, scale=5))
add(
    "physics: Michaelis-Menten kinetics in moles",
    lambda s, k: 1e-9 * s / (k + s),
    both(powers_of_ten(-9, -4, 4), powers_of_ten(-7, -5, 4)),
)
add("physics: length in meters of 1e-30", lambda x: tg.sqrt(x * x + 4e-60), normal(4, scale=1e-30))
add("physics: energies of 1e30 joules", lambda x: x**1.5 + 1e45, powers_of_ten(30, 31, 4))
