"""Line search: a step length with a lower loss and a smaller slope."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy import ndarray

_DECREASE, _SLOPE = 1e-4, 0.9  # c1 and c2 of the Wolfe conditions


class Point(NamedTuple):
    """A point on the line: the step length, the loss, its slope along the line, and its gradient."""

    t: float
    loss: float
    slope: float
    gradient: ndarray


def strong_wolfe(
    evaluate: Callable[[float], Point], start: Point, t: float, size: float, tolerance: float, most: int
) -> tuple[Point, int]:
    """Return a point that satisfies the strong Wolfe conditions, and the number of evaluations.

    The conditions are loss <= start.loss + 1e-4 * t * start.slope and abs(slope) <= 0.9 * abs(start.slope). Algorithms
    3.5 and 3.6 of J. Nocedal and S. Wright, "Numerical optimization", 2006, with the safeguards of M. Schmidt's
    minFunc, as in PyTorch. The search ends when there were more than `most` evaluations, or when the interval times
    `size`, the largest element of the direction, is below `tolerance`.
    """
    interval, count, done = _bracket(evaluate, start, t, most)
    is_stuck = False
    while not done and count <= most:
        low, high = sorted(interval, key=lambda point: point.loss)
        left, right = sorted((low.t, high.t))
        if (right - left) * size < tolerance:
            break
        t = _cubic_minimum(interval[0], interval[1], left, right)
        t, is_stuck = _away_from_ends(t, left, right, is_stuck)
        point, count = evaluate(t), count + 1
        if not _decreases(point, start) or point.loss >= low.loss:
            interval = [low, point]
            continue
        done = _is_flat(point, start)
        keeps_low = not done and point.slope * (high.t - low.t) >= 0
        interval = [point, low if keeps_low else high]
    return min(interval, key=lambda point: point.loss), count


def _bracket(evaluate: Callable[[float], Point], start: Point, t: float, most: int) -> tuple[list[Point], int, bool]:
    """Return an interval with a minimum, the number of evaluations, and whether one of its points is good enough."""
    before, point = start, evaluate(t)
    for count in range(1, most + 1):
        if not _decreases(point, start) or (count > 2 and point.loss >= before.loss):
            return [before, point], count, False
        if _is_flat(point, start):
            return [point], count, True
        if point.slope >= 0:
            return [before, point], count, False
        t = _cubic_minimum(before, point, point.t + 0.01 * (point.t - before.t), 10 * point.t)
        before, point = point, evaluate(t)
    return [start, point], most + 1, False


def _decreases(point: Point, start: Point) -> bool:
    return point.loss <= start.loss + _DECREASE * point.t * start.slope


def _is_flat(point: Point, start: Point) -> bool:
    return abs(point.slope) <= -_SLOPE * start.slope


def _cubic_minimum(a: Point, b: Point, least: float, most: float) -> float:
    """Return the minimum of the cubic polynomial through two points with their slopes, clipped; the middle if none."""
    a, b = sorted((a, b), key=lambda point: point.t)
    sum_of_slopes = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = sum_of_slopes**2 - a.slope * b.slope
    if not square >= 0:
        return (least + most) / 2
    root = math.sqrt(square)
    t = b.t - (b.t - a.t) * ((b.slope + root - sum_of_slopes) / (b.slope - a.slope + 2 * root))
    return float(np.clip(t, least, most))


def _away_from_ends(t: float, left: float, right: float, is_stuck: bool) -> tuple[float, bool]:
    """Return t, moved inside if it is near an end for the second time in succession, and whether it is near an end."""
    margin = 0.1 * (right - left)
    if min(right - t, t - left) >= margin:
        return t, False
    if is_stuck or not left < t < right:
        return (right - margin if abs(t - right) < abs(t - left) else left + margin), False
    return t, True
