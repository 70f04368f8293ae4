"""What a gradient may be at a kink: between the slope on the left and the slope on the right, in every element."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, from_numpy
from tinygrad_edu.testing.checks import draw_signed, seeded
from tinygrad_edu.testing.literals import code
from tinygrad_edu.testing.mismatch import GradientMismatch
from tinygrad_edu.transforms import vjp

_STEP = 2.0**-10
_SAFETY = 8.0  # how many error estimates a gradient may lie outside
_ROUNDING = 1e-9


def check_subgradient(
    f: Callable[..., Any], *arrays: Any, cotangent: Any = None, rng: np.random.Generator | None = None
) -> None:
    """Check that each element of the gradient lies between the one-sided slopes: at a kink, a convention may choose.

    Where f is smooth the two slopes are one, and so it must be the derivative there too.

    Parameters
    ----------
    f : callable
        Of Tensors, to one Tensor.
    *arrays : array_like, floating
        The point; turned into float64.
    cotangent : array_like, optional
        Of the result; random, with no tiny entries, unless given.
    rng : numpy.random.Generator, optional
        Draws it; without it, it is the same in every run.

    Raises
    ------
    GradientMismatch
        Naming the worst element, the two slopes and what the rule made of them.

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
        for index in np.ndindex(points[k].shape):
            _check_element(f, points, k, index, g, gradient.numpy()[index])


def _check_element(
    f: Callable[..., Any], points: list[Array], k: int, index: tuple[int, ...], g: Array, analytic: float
) -> None:
    left, right, error = _one_sided(f, points, k, index)
    ends = np.stack([g * left, g * right])
    low, high = float(ends.min(axis=0).sum()), float(ends.max(axis=0).sum())
    slack = _SAFETY * float(np.abs(g * error).sum()) + _ROUNDING * (1 + abs(low) + abs(high))
    if not low - slack <= analytic <= high + slack:
        name = getattr(f, "name", getattr(f, "__name__", repr(f)))
        raise GradientMismatch(
            f"{name}: the gradient of input {k} at {list(index)} is {analytic:.10g}, and no subgradient: the slopes on "
            f"the two sides allow what lies between {low:.10g} and {high:.10g}.\n"
            f"To reproduce:\n    check_subgradient(f, {', '.join(map(code, points))}, cotangent={code(g)})"
        )


def _one_sided(
    f: Callable[..., Any], points: list[Array], k: int, index: tuple[int, ...]
) -> tuple[Array, Array, Array]:
    """Return the slopes of each result along one element, from the left and from the right, and their error."""

    def value(offset: float) -> Array:
        moved = [x.copy() for x in points]
        moved[k][index] += offset
        result: Array = f(*map(from_numpy, moved)).numpy()
        return result

    center = value(0.0)
    h = _STEP * max(1.0, abs(float(points[k][index])))

    def slope(step: float) -> Array:
        """Combine two steps so that the error linear in the step cancels."""
        return 4 * (value(step / 2) - center) / step - (value(step) - center) / step

    left, right = slope(-h / 2), slope(h / 2)
    error = np.maximum(np.abs(slope(-h) - left), np.abs(slope(h) - right))
    return left, right, error
