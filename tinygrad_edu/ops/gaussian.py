"""The error function and the normal distribution, which SciPy computes: the extra ``scipy`` brings it."""

import math
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, op
from tinygrad_edu.errors import MissingExtraError
from tinygrad_edu.ops.powers import exp

__all__ = ["erf"]


@op
def erf(x: Array) -> Array:
    """Return the error function: 2 / sqrt(pi) times the integral of exp(-t * t) from 0 to x.

    Raises
    ------
    MissingExtraError
        Without SciPy.
    """
    return _by_scipy("erf", "erf", x)


erf.vjps(x=lambda g, x: g * (exp(-(x * x)) * (2 / math.sqrt(math.pi))))


@op
def normal_cdf(x: Array) -> Array:
    """Return the probability that a standard normal variable is below x, with all its digits at both ends."""
    return _by_scipy("gelu(approximate='none')", "ndtr", x)


normal_cdf.vjps(x=lambda g, x: g * (exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))))


def _by_scipy(asker: str, name: str, x: Any) -> Any:
    """Return a function of `scipy.special`, in the dtype of x where that is floating point."""
    try:
        from scipy import special
    except ImportError as error:
        raise MissingExtraError(f"{asker} needs SciPy: pip install 'tinygrad-edu[scipy]'") from error
    x = np.asarray(x)
    out = getattr(special, name)(x if x.dtype.kind == "f" else x.astype(np.float64))
    return out.astype(x.dtype, copy=False) if x.dtype.kind == "f" else out
