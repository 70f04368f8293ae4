"""What rounding leaves of a derivative, numeric or claimed: its jitter between points that are next to each other.

No step shows the rounding of what it does not move: of (0.1 + 0.2 - 0.3) x each says 5.6e-17, and the sum in another
order is 2.8e-17. But some units of the last place away the sum is another, of either sign; and so is a claim for some
multiple of the cotangent, in which it is linear. What is wrong, is wrong there by the same amount.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.layouts import copy_with_layout_of
from tinygrad_edu.testing.numeric.extrapolation import Estimate

__tracebackhide__ = True  # pytest shows the line of the test, and with --full-trace ours

_POINTS = 12
_UNITS = 16  # how far they are from each other, in units of the last place
_APART = 2.0**-20  # the distance between the multiples of a cotangent: what is not linear in it does not jump so soon


def jitter(values: Array) -> Array:
    """Return the standard deviation of what is not smooth in values at points in a row.

    Third differences leave nothing else (J. J. Moré and S. M. Wild, "Estimating computational noise", 2011).

    Examples
    --------
    >>> x = np.arange(12)
    >>> float(jitter(x**2)), float(jitter(x % 2))
    (0.0, 0.8944271909999159)
    """
    smooth = np.diff(values, 3, axis=0)
    return np.asarray(np.sqrt(np.mean(smooth**2, axis=0) / 20))  # 1 + 9 + 9 + 1


def add_jitter(
    f: Callable[..., Any], arrays: Sequence[Array], k: int, direction: Array, found: Estimate, rng: np.random.Generator
) -> Estimate:
    """Return an estimate of the slope along a direction of input `k`, less certain where f jitters at the best step."""
    rounding = np.zeros(found.value.shape)
    for h in np.unique(found.step):
        ahead, behind = (
            _jitter_around(f, [*arrays[:k], arrays[k] + step * direction, *arrays[k + 1 :]], found.unit, rng)
            for step in (h, -h)
        )
        rounding = np.where(found.step == h, np.maximum(ahead, behind) / h, rounding)
    return replace(found, error=found.error + rounding, noise=found.noise + rounding)


def _jitter_around(f: Callable[..., Any], arrays: Sequence[Array], unit: float, rng: np.random.Generator) -> Array:
    """Return the jitter of f along a ray from a point, on which each number moves by a part of itself."""
    ray = [_UNITS * unit * x * rng.choice([-1.0, 1.0], x.shape) * rng.uniform(0.5, 1.5, x.shape) for x in arrays]

    def values() -> Iterator[Array]:
        for count in range(1, _POINTS + 1):  # not the point itself, at which f may jump
            yield np.asarray(
                f(*(copy_with_layout_of(x + count * u, x) for x, u in zip(arrays, ray, strict=True))), np.float64
            )

    with contextlib.suppress(Exception), np.errstate(all="ignore"):  # not every function takes what is not round
        return _known(jitter(np.stack([*values()])))
    return np.zeros(())


def jitter_of_linear(linear: Callable[[float], Any]) -> Array:
    """Return the jitter of what a linear function returns for some multiples of an argument, divided by them."""
    multiples = 1 + _APART * np.arange(1, _POINTS + 1)
    with np.errstate(all="ignore"):  # of what is claimed, which may be infinite
        return _known(jitter(np.stack([np.asarray(linear(float(c)), np.float64) / c for c in multiples])))


def _known(rounding: Array) -> Array:
    return np.where(np.isfinite(rounding), rounding, 0)
