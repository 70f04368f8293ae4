"""check_subgradient: check that a gradient at a kink is between the one-sided slopes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, from_numpy
from tinygrad_edu.testing.arrays.code_repr import code
from tinygrad_edu.testing.failures import GradientMismatch
from tinygrad_edu.testing.numeric.extrapolation import SAFETY
from tinygrad_edu.testing.numeric.sampling import draw_signed, seeded
from tinygrad_edu.testing.op_call import title_of
from tinygrad_edu.testing.report.reproduction import reproducible
from tinygrad_edu.transforms import vjp

_STEP = 2.0**-10
_DIRECTIONS = 8
_ROUNDING = 1e-9


@reproducible
def check_subgradient(
    f: Callable[..., Any], *arrays: Any, cotangent: Any = None, rng: np.random.Generator | None = None
) -> None:
    """Check that the gradient is between the one-sided slopes along random directions.

    Where f is smooth, both slopes equal the derivative. At a kink the gradient is a convention, such as 0 for relu at
    0. Every direction moves all elements, so the check also works at ties, where the gradients of the tied maxima add
    up to the gradient of a single maximum.

    Parameters
    ----------
    f : callable
        Takes Tensors and returns one Tensor.
    *arrays : array_like, floating
        The point, which is converted to float64.
    cotangent : array_like, optional
        A cotangent of the result. Default: a random one.
    rng : numpy.random.Generator, optional
        Draws the cotangent and the directions. Default: a generator with a fixed seed.

    Raises
    ------
    GradientMismatch
        The gradient is not between the slopes. The message contains the input and the three numbers.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> check_subgradient(tg.relu, [-1.0, 0.0, 1.0])
    >>> check_subgradient(tg.maximum, [1.0, 2.0], [1.0, 3.0])
    """
    points = [np.array(x, np.float64) for x in arrays]
    out, pullback = vjp(f, *points)
    rng = seeded(rng)
    g = draw_signed(rng, out.shape) if cotangent is None else np.asarray(cotangent, np.float64)
    for k, gradient in enumerate(pullback(g)):
        for _ in range(_DIRECTIONS):
            _check_along(f, points, k, draw_signed(rng, points[k].shape), g, gradient.numpy())


def _check_along(
    f: Callable[..., Any], points: list[Array], k: int, direction: Array, g: Array, gradient: Array
) -> None:
    left, right, error = _one_sided(f, points, k, direction)
    bounds, claimed = np.stack([g * left, g * right]), float(np.sum(gradient * direction))
    low, high = float(bounds.min(axis=0).sum()), float(bounds.max(axis=0).sum())
    slack = SAFETY * float(np.abs(g * error).sum()) + _ROUNDING * (1 + abs(low) + abs(high))
    if not low - slack <= claimed <= high + slack:
        raise GradientMismatch(
            f"{title_of(f)}: the gradient of input {k} is not a subgradient: along {code(direction)}, the derivative "
            f"must be between the one-sided slopes {low:.10g} and {high:.10g}, got {claimed:.10g}."
        )


def _one_sided(f: Callable[..., Any], points: list[Array], k: int, direction: Array) -> tuple[Array, Array, Array]:
    """Return the left and right slopes of each element of the result along a direction, and their error."""

    def value(offset: float) -> Array:
        arguments = [*points[:k], points[k] + offset * direction, *points[k + 1 :]]
        result: Array = f(*map(from_numpy, arguments)).numpy()
        return result

    center = value(0.0)
    h = _STEP * max(1.0, float(np.max(np.abs(points[k]), initial=0)))

    def slope(step: float) -> Array:
        """Return a one-sided slope from two steps. They cancel the error term that is linear in the step."""
        return 4 * (value(step / 2) - center) / step - (value(step) - center) / step

    left, right = slope(-h / 2), slope(h / 2)
    error = np.maximum(np.abs(slope(-h) - left), np.abs(slope(h) - right))
    return left, right, error
