"""Tables and splines: interpolation with up to 80,001 knots."""

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.families import add, both, normal, uniform


def linear(table: Any, low: float = 0.0, high: float = 10.0) -> Callable[[Any], Any]:
    """Return the linear interpolation of a table on [low, high]."""
    density = (len(table) - 1) / (high - low)

    def f(x: Any) -> Any:
        place = (x - low) * density
        left = np.clip(np.floor(place.numpy()).astype(int), 0, len(table) - 2)
        return table[left] + (place - left) * (table[left + 1] - table[left])

    return f


def catmull_rom(table: Any, density: float) -> Callable[[Any], Any]:
    """Return a cubic interpolation of a table, which has a continuous slope."""

    def f(x: Any) -> Any:
        place = x * density
        k = np.floor(place.numpy()).astype(int)
        t, a, b, c, d = place - k, table[k - 1], table[k], table[k + 1], table[k + 2]
        return b + t * ((c - a) / 2 + t * (a - 2.5 * b + 2 * c - d / 2 + t * ((d - a) / 2 + 1.5 * (b - c))))

    return f


def natural_spline(y: Any, at: Any) -> Any:
    """Return the natural cubic spline through y at 0, 1, 2, ..., at other points."""
    n = y.shape[0]
    matrix = 4 * np.eye(n - 2) + np.eye(n - 2, k=1) + np.eye(n - 2, k=-1)
    bends = tg.linalg.solve(matrix, 6 * (y[2:] - 2 * y[1:-1] + y[:-2]))
    bends = tg.concatenate([bends[:1] * 0, bends, bends[:1] * 0])
    k = np.floor(at.numpy()).astype(int)
    t = at - k
    a, b = 1 - t, t
    return a * y[k] + b * y[k + 1] + ((a**3 - a) * bends[k] + (b**3 - b) * bends[k + 1]) / 6


def bilinear(table: Any) -> Callable[[Any, Any], Any]:
    def f(x: Any, y: Any) -> Any:
        i, j = np.floor(x.numpy()).astype(int), np.floor(y.numpy()).astype(int)
        s, t = x - i, y - j
        above = (1 - t) * table[i, j] + t * table[i, j + 1]
        return (1 - s) * above + s * ((1 - t) * table[i + 1, j] + t * table[i + 1, j + 1])

    return f


def b_spline(x: Any, weights: Any) -> Any:
    """Return a sum of cubic B-splines with knots at the integers, by the recursion of Cox and de Boor."""
    knots, x = np.arange(-3.0, 12.0), tg.expand_dims(x, 1)
    basis = np.logical_and(knots[:-1] <= x.numpy(), x.numpy() < knots[1:]) * 1.0
    for k in (1, 2, 3):
        rising = (x - knots[: -k - 1]) / k * basis[:, :-1]
        basis = rising + (knots[k + 1 :] - x) / k * basis[:, 1:]
    return basis @ weights


rng = np.random.default_rng(11)
SINE = linear(np.sin(np.linspace(0, 10, 80_001)))
for knots in (801, 8_001, 80_001):
    places = np.linspace(0, 10, knots)
    add(f"tables: sine with {knots:,} knots", linear(np.sin(places)), uniform(0.1, 9.9, 4))
    add(
        f"tables: random walk with {knots:,} knots", linear(np.cumsum(rng.standard_normal(knots))), uniform(0.1, 9.9, 4)
    )
add("tables: noise with 80,001 knots", linear(rng.standard_normal(80_001)), uniform(0.1, 9.9, 4))
add("tables: exponential with 80,001 knots", linear(np.exp(np.linspace(-8, 8, 80_001))), uniform(0.1, 9.9, 4))
add(
    "tables: sum over 2,000 points in 80,001 knots",
    lambda x: tg.sum(SINE(x)),
    uniform(0.1, 9.9, 2000),
)
add(
    "tables: sine and the table of a sine",
    lambda x: tg.sin(x) + 1e-3 * SINE(x),
    uniform(0.1, 9.9, 4),
)
add("tables: exactly at a knot", linear(np.abs(np.arange(11) - 5.0)), lambda rng: (np.array([5.0, 2.5]),), slope="none")
add("tables: cubic with 20,003 knots", catmull_rom(np.sin(np.linspace(0, 10, 20_003)), 2000.2), uniform(0.1, 9.9, 4))
add("tables: cubic of noise", catmull_rom(rng.standard_normal(200), 19.0), uniform(0.1, 9.9, 4))
add("tables: cubic exactly at its knots", catmull_rom(rng.standard_normal(12), 1.0), lambda rng: (np.arange(1.0, 9),))
add(
    "tables: natural spline, which raises beyond its last knot", natural_spline, both(normal(12), uniform(0.1, 10.9, 5))
)
add(
    "tables: bilinear of 300 x 300",
    bilinear(rng.standard_normal((300, 300))),
    both(uniform(0, 298, 5), uniform(0, 298, 5)),
)
add("tables: B-splines and their weights", b_spline, both(uniform(0.1, 7.9, 6), normal(11)))
add(
    "tables: nearest neighbor plus a line",
    lambda x: np.sin(np.round(x.numpy() * 50) / 50) + 0.5 * x,
    uniform(0.1, 9.9, 5),
)
