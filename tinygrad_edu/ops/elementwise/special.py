"""Special functions of probability and combinatorics, with SciPy's values (extra ``scipy``)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, Operand, Tensor, TensorLike, op, values_of
from tinygrad_edu.errors.checks import integer
from tinygrad_edu.ops.elementwise.arithmetic import cast
from tinygrad_edu.ops.elementwise.error_function import normal_cdf
from tinygrad_edu.ops.elementwise.powers import exp, log, square
from tinygrad_edu.ops.elementwise.selection import drop, where
from tinygrad_edu.ops.scipy_values import of_scipy

__all__ = [
    "digamma", "entr", "erfc", "erfcx", "erfinv", "lgamma", "log_ndtr", "ndtr", "ndtri", "polygamma", "xlog1py",
]  # fmt: skip


# --- The normal distribution ---


@op(batching="elementwise")
def erfc(x: Array) -> Array:
    """Return 1 - erf(x), accurate for large x."""
    return of_scipy("erfc", "erfc", x)


erfc.vjps(x=lambda g, x: g * (exp(-(x * x)) * (-2 / math.sqrt(math.pi))))


@op(batching="elementwise")
def erfcx(x: Array) -> Array:
    """Return exp(x * x) * erfc(x), which is about 1 / (sqrt(pi) * x) for large x, where erfc(x) underflows."""
    return of_scipy("erfcx", "erfcx", x)


def _erfcx_x(g: Any, x: Any) -> Any:
    """Return g * (2 * x * erfcx(x) - 2 / sqrt(pi)), in float64: for positive x it cancels. Beyond 50, by a series."""
    wide = cast(x, np.result_type(x.dtype, np.float64))
    far = values_of(wide) > 50.0
    tiny = 0.5 / square(where(far, wide, 50.0))
    series = -2 * tiny * (1 - 3 * tiny * (1 - 5 * tiny * (1 - 7 * tiny)))
    near = where(far, 0.0, wide)
    slope = where(far, series / math.sqrt(math.pi), 2 * near * erfcx(near) - 2 / math.sqrt(math.pi))
    return cast(g * slope, g.dtype)


erfcx.vjps(x=_erfcx_x)


@op(batching="elementwise")
def erfinv(x: Array) -> Array:
    """Return y with erf(y) = x: infinite at -1 and 1, and NaN beyond."""
    return of_scipy("erfinv", "erfinv", x)


erfinv.vjps(x=lambda g, out: g * (exp(out * out) * (math.sqrt(math.pi) / 2)))


def ndtr(x: TensorLike) -> Tensor | Array:
    """Return the cumulative distribution function of the standard normal distribution, accurate in both tails."""
    return normal_cdf(x)


@op(batching="elementwise")
def ndtri(x: Array) -> Array:
    """Return y with ndtr(y) = x: infinite at 0 and 1, and NaN beyond."""
    return of_scipy("ndtri", "ndtri", x)


ndtri.vjps(x=lambda g, out: g * (exp(out * out * 0.5) * math.sqrt(2 * math.pi)))


@op(batching="elementwise")
def log_ndtr(x: Array) -> Array:
    """Return log(ndtr(x)), accurate in both tails."""
    return of_scipy("log_ndtr", "log_ndtr", x)


@op(name="log_ndtr", batching="elementwise")
def log_ndtr_slope(x: Array) -> Array:
    """Return the derivative of `log_ndtr`, the density divided by ndtr(x): sqrt(2 / pi) / erfcx(-x / sqrt(2))."""
    return np.asarray(math.sqrt(2 / math.pi) / of_scipy("erfcx", "log_ndtr", np.multiply(x, -math.sqrt(0.5))))


def _log_ndtr_slope_x(g: Any, x: Any) -> Any:
    """Return g * -slope * (x + slope), in float64: for negative x, the sum and its derivatives cancel."""
    wide = cast(x, np.result_type(x.dtype, np.float64))
    slope = log_ndtr_slope(wide)
    return cast(g * (slope * -(wide + slope)), g.dtype)


log_ndtr.vjps(x=lambda g, x: g * log_ndtr_slope(x))
log_ndtr_slope.vjps(x=_log_ndtr_slope_x)


# --- The gamma function ---


@op(batching="elementwise")
def lgamma(x: Array) -> Array:
    """Return the logarithm of the absolute value of the gamma function: log((x - 1)!) for x = 1, 2, ..."""
    return of_scipy("gammaln", "lgamma", x)


@op(batching="elementwise")
def digamma(x: Array) -> Array:
    """Return the derivative of `lgamma`."""
    return of_scipy("psi", "digamma", x)


@op(name="polygamma", batching="elementwise")
def polygamma_of_order(x: Array, /, n: int) -> Array:
    """Return the n-th derivative of `digamma`, for n > 0."""
    return of_scipy("polygamma", "polygamma", x, n)


lgamma.vjps(x=lambda g, x: g * digamma(x))
digamma.vjps(x=lambda g, x: g * polygamma_of_order(x, 1))
polygamma_of_order.vjps(x=lambda g, x, n: g * polygamma_of_order(x, n + 1))


def polygamma(n: int, x: TensorLike) -> Tensor | Array:
    """Return the n-th derivative of `digamma`, for an integer n >= 0."""
    n = integer("polygamma: n", n, 0)
    return polygamma_of_order(x, n) if n else digamma(x)


# --- Entropies ---


@op(batching="elementwise")
def entr(x: Array) -> Array:
    """Return -x * log(x), the summand of an entropy: 0 at 0, and -inf for x < 0."""
    out = np.multiply(x, -np.log(np.where(np.greater(x, 0), x, 1)))
    return np.where(np.less(x, 0), np.asarray(-np.inf, out.dtype), out)


entr.vjps(x=lambda g, x: -g * (1 + log(x)))


@op(broadcasts=True, batching="elementwise")
def xlog1py(x: Operand, y: Operand) -> Array:
    """Return x * log(1 + y), and 0 where x is 0 unless y is NaN; accurate for small y.

    Where x is 0 and y <= -1, the gradient with respect to x is 0, as in PyTorch.
    """
    dtype = np.result_type(x, y)
    y = np.asarray(y, dtype if dtype.kind == "f" else np.float64)
    empty = np.equal(x, 0) & ~np.isnan(y)
    return np.where(empty, 0, np.multiply(x, np.log1p(np.where(empty, 0, y))))


xlog1py.vjps(x=lambda g, x, y: drop(xlog1py(g, y), (x == 0) & (y <= -1)), y=lambda g, x, y: g * x / (1 + y))
