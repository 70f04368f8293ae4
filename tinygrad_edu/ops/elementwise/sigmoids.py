"""Numerically stable sigmoid, log-sigmoid, logit, softplus, logaddexp and logaddexp2."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, Operand, op
from tinygrad_edu.ops.elementwise.arithmetic import as_floating, scale_by
from tinygrad_edu.ops.elementwise.selection import keep, selected, where
from tinygrad_edu.ops.fast import elementwise
from tinygrad_edu.shared.speed.plain_mode import faster_than

__all__ = ["logaddexp", "logaddexp2", "logit", "logsigmoid", "sigmoid", "softplus"]


def plain_sigmoid_values(x: Any) -> Any:
    """Return 1 / (1 + exp(-x)), without overflow for large |x|."""
    e = np.exp(-1.0 * np.abs(x))  # not -np.abs(x), which wraps for unsigned integers
    return np.maximum(e, np.greater_equal(x, 0)) / (1 + e)  # the numerator is 1 for x >= 0


sigmoid_values = faster_than(plain_sigmoid_values)(elementwise.sigmoid_values)


def plain_softplus_values(x: Any) -> Any:
    """Return log(1 + exp(x)), without overflow."""
    return np.logaddexp(0, x)


softplus_values = faster_than(plain_softplus_values)(elementwise.softplus_values)


def plain_logaddexp_values(x: Any, y: Any) -> Any:
    """Return log(exp(x) + exp(y)), without overflow."""
    return np.logaddexp(x, y)


logaddexp_values = faster_than(plain_logaddexp_values)(elementwise.logaddexp_values)


@op(batching="elementwise")
def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), without overflow."""
    return sigmoid_values(x)


sigmoid.vjps(x=lambda g, out: g * (out * (1 - out)))


@op(name="sigmoid", batching="elementwise")
def softplus_slope(x: Array) -> Array:
    """Return sigmoid(x), the slope of `softplus`, with derivatives that are accurate in both tails.

    1 - sigmoid(x) cancels in the positive tail. sigmoid(-x) does not, but takes another exponential.
    """
    return sigmoid_values(x)


softplus_slope.vjps(x=lambda g, x, out: g * out * softplus_slope(-x))


@op(batching="elementwise")
def logsigmoid(x: Array) -> Array:
    """Return log(sigmoid(x)), numerically stable for large |x|."""
    return np.negative(softplus_values(-1.0 * np.asarray(x)))


logsigmoid.vjps(x=lambda g, x: g * softplus_slope(-x))


@op(batching="elementwise")
def logit(x: Array, /, eps: float | None = None) -> Array:
    """Return log(x / (1 - x)), the inverse of `sigmoid`.

    Parameters
    ----------
    x : array_like
        Probabilities. Outside [0, 1] the value and the gradient are NaN.
    eps : float, optional
        Clip x to [eps, 1 - eps] first. As in PyTorch, the gradient outside that interval is 0.
    """
    p = np.asarray(x) * 1.0 if eps is None else np.clip(x, eps, 1.0 - eps)
    central = np.abs(p - 0.5) < 0.25  # there the result is near 0, and p / (1 - p) near 1 has a rounding error
    return np.where(central, 2 * np.arctanh(np.where(central, 2 * p - 1, 0)), np.log(p / (1 - p)))


def _logit_x(g: Any, x: Any, eps: float | None) -> Any:
    low, high = (0.0, 1.0) if eps is None else (eps, 1.0 - eps)
    inside = (x >= low) & (x <= high)
    p = where(inside, x, np.nan if eps is None else 0.5)
    slope = g / (p * (1 - p))
    return slope if eps is None else keep(slope, inside)


logit.vjps(x=_logit_x)


@op(batching="elementwise")
def softplus(x: Array, /, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """Return log(1 + exp(beta * x)) / beta, a smooth relu, and x where beta * x > threshold.

    Parameters
    ----------
    x : array_like
    beta : float, default 1.0
        Sharpness: the larger, the closer to relu.
    threshold : float, default 20.0
        Where beta * x exceeds it, the derivative is 1. At PyTorch's default 20 the value jumps by 2e-9.
    """
    product = scale_by(as_floating(x), beta)
    out, beyond = softplus_values(product), product > threshold
    out = out if beta == 1 else out / beta
    return selected(beyond, x, out) if np.any(beyond) else out


def _softplus_x(g: Any, x: Any, beta: float, threshold: float) -> Any:
    product = scale_by(x, beta)
    beyond = product > threshold
    slope = softplus_slope(product)
    return g * (where(beyond, 1.0, slope) if np.any(beyond) else slope)


softplus.vjps(x=_softplus_x)


@op(broadcasts=True, batching="elementwise")
def logaddexp(x: Operand, y: Operand) -> Array:
    """Return log(exp(x) + exp(y)), without overflow."""
    return logaddexp_values(x, y)


logaddexp.vjps(x=lambda g, x, y: g * softplus_slope(x - y), y=lambda g, x, y: g * softplus_slope(y - x))


@op(broadcasts=True, batching="elementwise")
def logaddexp2(x: Operand, y: Operand) -> Array:
    """Return log2(2 ** x + 2 ** y), without overflow."""
    return np.logaddexp2(x, y)


logaddexp2.vjps(
    x=lambda g, x, y: g * softplus_slope((x - y) * math.log(2)),
    y=lambda g, x, y: g * softplus_slope((y - x) * math.log(2)),
)
