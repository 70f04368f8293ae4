"""Held out: areas, distances, angles at nearly degenerate points, kinematics of robots."""

from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.families import add, both, normal, powers_of_ten, uniform


def cross(x: Any, y: Any) -> Any:
    return tg.stack([x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]])


def length(x: Any) -> Any:
    return tg.sqrt(tg.sum(x * x))


def heron(a: Any, b: Any, c: Any) -> Any:
    """Return areas of triangles by their sides."""
    s = (a + b + c) / 2
    return tg.sqrt(s * (s - a) * (s - b) * (s - c))


def haversine(x: Any, y: Any) -> Any:
    """Return the distance in meters of two points on the Earth in degrees."""
    a, b = x * np.pi / 180, y * np.pi / 180
    half = tg.sin((b[0] - a[0]) / 2) ** 2 + tg.cos(a[0]) * tg.cos(b[0]) * tg.sin((b[1] - a[1]) / 2) ** 2
    return 2 * 6.371e6 * tg.arcsin(tg.sqrt(half))


def arm(angles: Any) -> Any:
    """Return the position of the hand of a planar arm of 6 links."""
    total = tg.cumsum(angles)
    return tg.stack([tg.sum(tg.cos(total)), tg.sum(tg.sin(total))])


def two_links(at: Any) -> Any:
    """Return the angles of two links of length 1 whose hand is at a point."""
    square = at[0] ** 2 + at[1] ** 2
    elbow = tg.arccos((square - 2) / 2)
    return tg.stack([tg.arctan2(at[1], at[0]) - tg.arctan2(tg.sin(elbow), 1 + tg.cos(elbow)), elbow])


def rodrigues(axis: Any, x: Any) -> Any:
    """Rotate x about an axis, by its length as the angle."""
    angle = length(axis)
    unit = axis / angle
    return x * tg.cos(angle) + cross(unit, x) * tg.sin(angle) + unit * tg.sum(unit * x) * (1 - tg.cos(angle))


def euler_angles(x: Any) -> Any:
    """Return the angles of a rotation from its quaternion."""
    w, a, b, c = (x / length(x))[0], (x / length(x))[1], (x / length(x))[2], (x / length(x))[3]
    return tg.stack(
        [
            tg.arctan2(2 * (w * a + b * c), 1 - 2 * (a * a + b * b)),
            tg.arcsin(2 * (w * b - c * a)),
            tg.arctan2(2 * (w * c + a * b), 1 - 2 * (b * b + c * c)),
        ]
    )


def sphere_hit(origin: Any, direction: Any) -> Any:
    """Return the distance at which a ray hits the unit sphere."""
    d = direction / length(direction)
    b = tg.sum(origin * d)
    return -b - tg.sqrt(b * b - tg.sum(origin * origin) + 1)


def segment_distance(p: Any, a: Any, b: Any) -> Any:
    t = tg.clip(tg.sum((p - a) * (b - a)) / tg.sum((b - a) ** 2), 0.0, 1.0)
    return length(p - a - t * (b - a))


def projected(x: Any) -> Any:
    """Return pixels of points in front of a camera."""
    return 800 * x[:, :2] / x[:, 2:]


TRIANGLE = both(normal(3), normal(3), normal(3))
FRONT = lambda rng: (np.column_stack([rng.standard_normal((5, 2)), rng.uniform(0.01, 10, 5)]),)  # noqa: E731
add("held-out geometry: Heron's formula", heron, both(uniform(3, 4, 4), uniform(3, 4, 4), uniform(3, 4, 4)))
add(
    "held-out geometry: Heron's formula, needles",
    heron,
    both(uniform(1, 1, 4), uniform(1, 1, 4), powers_of_ten(-4, -2, 4)),
)
add("held-out geometry: area of a triangle", lambda a, b, c: length(cross(b - a, c - a)) / 2, TRIANGLE)
add(
    "held-out geometry: area of a nearly flat triangle",
    lambda a, b, c: length(cross(b, b + 1e-4 * c)) + 0 * tg.sum(a),
    TRIANGLE,
)
add(
    "held-out geometry: volume of a tetrahedron in meters of 1e-9",
    lambda a, b, c: tg.sum(a * cross(b, c)) / 6,
    both(*[normal(3, scale=1e-9)] * 3),
)
add("held-out geometry: distance on the Earth", haversine, both(uniform(-80, 80, 2), uniform(-80, 80, 2)))
add(
    "held-out geometry: 10 meters on the Earth",
    lambda x, y: haversine(x, x + 1e-4 * y),
    both(uniform(-60, 60, 2), normal(2)),
)
add("held-out geometry: arm of 6 links", arm, normal(6))
add("held-out geometry: inverse kinematics of two links", two_links, uniform(0.3, 1.2, 2))
add(
    "held-out geometry: inverse kinematics, nearly stretched",
    two_links,
    lambda rng: ((2 - 1e-3 * rng.uniform(1, 2)) * np.array([0.6, 0.8]),),
)
add("held-out geometry: rotation by small angles", rodrigues, both(normal(3, scale=1e-4), normal(3)))
add("held-out geometry: Euler angles", euler_angles, normal(4))
add(
    "held-out geometry: Euler angles near gimbal lock",
    lambda e: euler_angles(np.array([0.5**0.5, 0, 0.5**0.5, 0]) + 0.02 * e),
    normal(4),
)
add(
    "held-out geometry: ray and sphere",
    sphere_hit,
    both(
        lambda rng: (np.array([0.0, 0.1, -4]) + 0.2 * rng.standard_normal(3),),
        lambda rng: (np.array([0.0, 0, 1]) + 0.02 * rng.standard_normal(3),),
    ),
)
add("held-out geometry: distance to a segment", segment_distance, TRIANGLE)
add("held-out geometry: projection of near and far points", projected, FRONT)
add(
    "held-out geometry: angle of a polygon's corners",
    lambda x: tg.arctan2(x[:, 1] - tg.roll(x[:, 1], 1), x[:, 0] - tg.roll(x[:, 0], 1)),
    normal(6, 2),
)
add(
    "held-out geometry: smooth union of distances",
    lambda x: -tg.logsumexp(-20 * tg.stack([length(x) - 1, length(x - 1) - 0.5])) / 20,
    normal(3),
)
