"""The error function and the normal CDF, computed by SciPy (extra ``scipy``)."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_edu.engine import Array, op
from tinygrad_edu.ops.elementwise.powers import exp
from tinygrad_edu.ops.fast import error_function as fast
from tinygrad_edu.ops.fast.error_function import ERF, NORMAL, Bell
from tinygrad_edu.ops.scipy_values import of_scipy
from tinygrad_edu.shared.speed.plain_mode import faster_than

__all__ = ["erf"]


def plain_bell_integral(x: Any, bell: Bell) -> Any:
    """Return the integral, computed by SciPy, in the dtype of x if that is floating-point."""
    return of_scipy(bell.name, bell.asker, x)


bell_integral = faster_than(plain_bell_integral)(fast.bell_integral)


@op(batching="elementwise")
def erf(x: Array) -> Array:
    """Return the error function: 2 / sqrt(pi) times the integral of exp(-t * t) from 0 to x.

    Raises
    ------
    MissingExtraError
        If SciPy is not installed.
    """
    return bell_integral(x, ERF)


erf.vjps(x=lambda g, x: g * (exp(-(x * x)) * (2 / math.sqrt(math.pi))))


@op(name="gelu", batching="elementwise")
def normal_cdf(x: Array) -> Array:
    """Return the cumulative distribution function of the standard normal distribution, accurate in both tails."""
    return bell_integral(x, NORMAL)


normal_cdf.vjps(x=lambda g, x: g * (exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))))
