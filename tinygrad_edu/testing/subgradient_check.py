"""check_subgradient: check that a gradient at a kink lies between the one-sided slopes."""

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

__tracebackhide__ = True  # pytest shows the line of the test, and with --full-trace ours

_STEP = 2.0**-10
_DIRECTIONS = 8
_ROUNDING = 1e-9


@reproducible
def check_subgradient(
    f: Callable[..., Any], *arrays: Any, cotangent: Any = None, rng: np.random.Generator | None = None
) -> None:
    """Check that along random directions the gradient lies between the one-sided slopes: a convention may choose there.

    Where f is smooth the two slopes are one, and so it must be the derivative there too. Along a direction that moves
    all elements, ties show: the greatest of several changes as one of them does, so their gradients add up to that of
    one.

    Parameters
    ----------
    f : callable
        Of Tensors, to one Tensor.
    *arrays : array_like, floating
        The point; turned into float64.
    cotangent : array_like, optional
        Of the result; random, with no tiny entries, unless given.
    rng : numpy.random.Generator, optional
        Draws it, and the directions; without it, they are the same in every run.

    Raises
    ------
    GradientMismatch
        Naming the input, the slope that is claimed, and the two that it should lie between.

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
    behind, ahead, error = _one_sided(f, points, k, direction)
    ends, claimed = np.stack([g * behind, g * ahead]), float(np.sum(gradient * direction))
    low, high = float(ends.min(axis=0).sum()), float(ends.max(axis=0).sum())
    slack = SAFETY * float(np.abs(g * error).sum()) + _ROUNDING * (1 + abs(low) + abs(high))
    if not low - slack <= claimed <= high + slack:
        raise GradientMismatch(
            f"{title_of(f)}: the gradient of input {k} is no subgradient: along {code(direction)} it says "
            f"{claimed:.10g}, and the slopes behind and ahead allow what lies between {low:.10g} and {high:.10g}."
        )


def _one_sided(f: Callable[..., Any], points: list[Array], k: int, direction: Array) -> tuple[Array, Array, Array]:
    """Return the slopes of each result along a direction, behind the point and ahead of it, and their error."""

    def value(offset: float) -> Array:
        moved = [*points[:k], points[k] + offset * direction, *points[k + 1 :]]
        result: Array = f(*map(from_numpy, moved)).numpy()
        return result

    center = value(0.0)
    h = _STEP * max(1.0, float(np.max(np.abs(points[k]), initial=0)))

    def slope(step: float) -> Array:
        """Combine two steps so that the error linear in the step cancels."""
        return 4 * (value(step / 2) - center) / step - (value(step) - center) / step

    behind, ahead = slope(-h / 2), slope(h / 2)
    error = np.maximum(np.abs(slope(-h) - behind), np.abs(slope(h) - ahead))
    return behind, ahead, error
