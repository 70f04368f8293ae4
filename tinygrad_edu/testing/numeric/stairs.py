"""Jumps of a function near a point: stairs of the function itself, or the rounding of a narrow dtype.

Both have a slope of 0 at fine steps, and another one at coarse steps. The slope of stairs is the fine one, and that of
rounding the coarse one. Rounding to a dtype is recognized by the heights of the jumps, which match its rounding unit at
the point and at a smaller point, and by the numbers: the results have this dtype, or rounding the point to it changes
no result. Stairs have the same heights at a smaller point, or are higher than the rounding of a term of the function.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from tinygrad_edu.engine import Array

_LEAST = 2.0**-22  # lower jumps, relative to the results and to 1, may be rounding of any kind, as in float32
_HIGH = 2.0**-6  # higher jumps are no rounding of a term in the middle of a computation
_SMALLER = 2.0**-4  # the factor of the smaller point
_LOWER = 2.0**-3  # the half next to the point is searched if it has at least this part of the change of the other half
_PART = 2.0**-6  # the least height of a jump, relative to the change in the interval that is searched
_BITS = 24, 11, 8  # of the significands of float32, float16 and bfloat16
_APART = 1e3  # the least distance of such numbers, relative to that of the points on the sides of the jump
_EQUAL = 1e-6  # the largest relative difference of equal heights


@dataclass(frozen=True)
class Ray:
    """A function on the ray from a point along a direction."""

    f: Callable[[Array], Array]  # returns the results as a 1-D array, with NaN if there are none
    x: Array
    direction: Array
    fine: float  # a step smaller than any stair
    cached: dict[float, Array] = field(default_factory=dict)  # the results by step

    def point(self, step: float) -> Array:
        """Return the point at a step."""
        return np.asarray(self.x + step * self.direction)

    def at(self, step: float) -> Array:
        """Return the results at a step."""
        if step not in self.cached:
            self.cached[step] = self.f(self.point(step))
        return self.cached[step]

    @cached_property
    def slope(self) -> Array:
        """The slope at fine steps, on the side of the direction."""
        slope = (self.at(self.fine) - self.at(0.0)) / self.fine
        return np.where(np.isfinite(slope), slope, 0)

    def change(self, low: float, high: float) -> float:
        """Return the largest change between two steps without its linear part, in units of the least jump."""
        return float(np.max(self.changes(low, high), initial=0))

    def changes(self, low: float, high: float) -> Array:
        """Return the change of each result."""
        before, after = self.at(low), self.at(high)
        change = np.abs(after - before - (high - low) * self.slope) / (_LEAST * np.maximum(np.abs(before), 1.0))
        return np.where(np.isfinite(change), change, 0)


class Jump(NamedTuple):
    """A jump between two neighbouring points of a ray, and the results on its sides, of the elements that jump."""

    step: float
    points: tuple[Array, Array]
    elements: Array
    sides: tuple[Array, Array]

    @property
    def height(self) -> float:
        """The largest height."""
        return float(np.max(np.abs(self.sides[1] - self.sides[0])))

    @property
    def size(self) -> float:
        """The largest result."""
        return float(np.max(np.abs(self.sides)))


def nearest_jump(ray: Ray, far: float) -> Jump | None:
    """Return the jump nearest to the point, at steps up to `far`, or None."""
    low = ray.fine
    while low < far:
        high, found = min(4 * low, far), None
        while (jump := _jump_between(ray, low, high)) is not None:
            found, high = jump, jump.step
        if found is not None:
            return found
        low = high
    return None


def _jump_between(ray: Ray, low: float, high: float) -> Jump | None:
    """Return a jump by bisection, or None if the changes decrease with the interval."""
    least = max(1.0, _PART * ray.change(low, high))
    while ray.change(low, high) > least:
        middle = (low + high) / 2
        points = ray.point(low), ray.point(middle), ray.point(high)
        if np.array_equal(points[0], points[1]) or np.array_equal(points[1], points[2]):
            jumps = ray.changes(low, high) > 1
            return Jump(low, (points[0], points[2]), jumps, (ray.at(low)[jumps], ray.at(high)[jumps]))
        is_lower = ray.change(low, middle) >= _LOWER * ray.change(middle, high)
        low, high = (low, middle) if is_lower else (middle, high)
    return None


def is_stair(ray: Ray, jump: Jump, coarse: float, far: float) -> bool | None:
    """Return whether a jump is a stair of the function itself, or None if it cannot be told apart from rounding.

    `coarse` is the slope at coarse steps, which is the slope of the function if it rounds, and `far` the largest step.
    """
    smaller = Ray(lambda x: ray.f(x)[jump.elements], _SMALLER * ray.x, ray.direction, _SMALLER * ray.fine)
    other = nearest_jump(smaller, far)
    rounding = [bits for bits in _BITS if _matches(jump, coarse, ray, bits)]
    if rounding and (other is None or any(_matches(other, coarse, smaller, bits) for bits in rounding)):
        return False
    is_equal = other is not None and abs(jump.height - other.height) <= _EQUAL * jump.height
    if any(_rounds_input(jump, ray, bits) for bits in _BITS if bits not in rounding):
        return None
    if is_equal or (jump.height >= _HIGH * jump.size and not rounding):
        return True
    return False if other is not None and _has_other_width(ray, jump, smaller, other, far) else None


def _has_other_width(ray: Ray, jump: Jump, smaller: Ray, other: Jump, far: float) -> bool:
    """Whether the distance from a jump to the next one is another one at the smaller point, as for rounding."""
    widths = []
    for line, first in ((ray, jump), (smaller, other)):
        start = line.point(first.step + line.fine)
        following = nearest_jump(Ray(lambda x: ray.f(x)[jump.elements], start, line.direction, line.fine), far)
        widths.append(math.inf if following is None else following.step)
    return not math.isclose(*widths, rel_tol=_EQUAL)


def _matches(jump: Jump, coarse: float, ray: Ray, bits: int) -> bool:
    """Whether rounding the results or the point to a number of bits explains a jump."""
    unit = 2.0 ** (1 - bits)
    if jump.height <= unit * jump.size and all(np.array_equal(_rounded(y, bits), y) for y in jump.sides):
        return True
    reach = float(np.max(np.abs(ray.x), where=ray.direction != 0, initial=0))
    return jump.height <= 2 * unit * (jump.size + coarse * reach) and _rounds_input(jump, ray, bits)


def _rounds_input(jump: Jump, ray: Ray, bits: int) -> bool:
    """Whether the jump is between two numbers with this many bits, and rounding the input to them changes no result."""
    before, after = (_rounded(x, bits) for x in jump.points)
    if not np.any(np.abs(after - before) > _APART * np.abs(jump.points[1] - jump.points[0])):  # as at 0
        return False
    results = (ray.f(x)[jump.elements] for x in (before, after))
    return all(np.array_equal(y, side) for y, side in zip(results, jump.sides, strict=True))


def _rounded(x: Array, bits: int) -> Array:
    """Return x rounded to numbers with this many significant bits."""
    fraction, exponent = np.frexp(x)
    return np.asarray(np.ldexp(np.rint(np.ldexp(fraction, bits)), exponent - bits))
