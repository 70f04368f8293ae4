"""Ops and their gradients written out in NumPy: their time is a limit for a framework on NumPy.

Each program computes an op of `ops.py` once, without an engine, given the inputs and a cotangent. It makes the fewest
calls that we know for as many correct digits, writes into existing arrays where it can, and checks no arguments. It
returns the output, and the gradient of each input by its name. A test compares both with our op's.
"""

import math
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy import ndarray

import tinygrad_edu as tg

Result = tuple[Any, dict[str, ndarray]]
Limit = Callable[[Any, ndarray], Result]

# --- Elementwise ---


def _x_plus_row(a: Any, g: ndarray) -> Result:
    joined = np.add.reduce(g.reshape(-1, 10 * g.shape[1]), 0)  # ten rows at a time
    return a.x + a.row, {"x": g.copy(), "row": np.add.reduce(joined.reshape(10, -1), 0)}


def _abs(a: Any, g: ndarray) -> Result:
    slope = np.sign(a.x)
    slope *= g
    return np.abs(a.x), {"x": slope}


def _sqrt(a: Any, g: ndarray) -> Result:
    out = np.sqrt(a.positive)
    slope = np.divide(0.5, out)
    slope *= g
    return out, {"positive": slope}


def _relu(a: Any, g: ndarray) -> Result:
    return np.clip(a.x, 0, np.inf), {"x": g * np.greater(a.x, 0)}


def _leaky_relu(a: Any, g: ndarray) -> Result:
    out = np.multiply(a.x, 0.01)
    np.maximum(out, a.x, out=out)
    slope = np.greater(a.x, 0).astype(np.float32)
    np.clip(slope, 0.01, 1, out=slope)
    slope *= g
    return out, {"x": slope}


def _sigmoid_values(x: ndarray) -> ndarray:
    e = np.exp(x)  # does not overflow for these numbers
    out = e + 1
    return np.divide(e, out, out=out)


def _sigmoid(a: Any, g: ndarray) -> Result:
    out = _sigmoid_values(a.x)
    slope = 1 - out
    slope *= out
    slope *= g
    return out, {"x": slope}


def _silu(a: Any, g: ndarray) -> Result:
    gate = _sigmoid_values(a.x)
    slope = 1 - gate
    slope *= a.x
    slope += 1
    slope *= gate
    slope *= g
    return a.x * gate, {"x": slope}


def _elu(a: Any, g: ndarray) -> Result:
    below = np.clip(a.x, -np.inf, 0)
    out = np.expm1(below)
    out += np.clip(a.x, 0, np.inf)
    np.exp(below, out=below)  # the derivative
    below *= g
    return out, {"x": below}


def _gelu(a: Any, g: ndarray) -> Result:
    cdf = tg.erf(a.x * math.sqrt(0.5))  # NumPy has no error function; ours on an array records nothing
    cdf += 1
    cdf *= 0.5
    slope = a.x * a.x
    slope *= -0.5
    np.exp(slope, out=slope)
    slope *= 1 / math.sqrt(2 * math.pi)
    slope *= a.x
    slope += cdf
    slope *= g
    return a.x * cdf, {"x": slope}


def _gelu_tanh(a: Any, g: ndarray) -> Result:
    linear = 2 * math.sqrt(2 / math.pi)
    cubic = linear * 0.044715
    square = a.x * a.x
    gate = square * cubic
    gate += linear
    gate *= a.x
    gate = _sigmoid_values(gate)
    slope = 1 - gate
    slope *= gate
    slope *= a.x
    square *= 3 * cubic
    square += linear
    slope *= square
    slope += gate
    slope *= g
    return a.x * gate, {"x": slope}


def _softplus(a: Any, g: ndarray) -> Result:
    out = np.abs(a.x)
    np.negative(out, out=out)
    np.exp(out, out=out)
    np.log1p(out, out=out)
    out += np.clip(a.x, 0, np.inf)
    slope = _sigmoid_values(a.x)
    slope *= g
    return out, {"x": slope}


# --- Reductions ---


def _sum(a: Any, g: ndarray) -> Result:
    return np.add.reduce(a.x, None), {"x": np.full_like(a.x, g)}


def _row_sums(x: ndarray) -> ndarray:
    """Return the sum of each row, (K, 1): for rows of 100 a product is faster than ``np.add.reduce``."""
    return np.vecdot(x, np.ones(x.shape[1], x.dtype))[:, None]


def _row_maxima(x: ndarray) -> ndarray:
    return np.maximum.reduceat(x.reshape(-1), np.arange(0, x.size, x.shape[1]))[:, None]


def _copied(values: ndarray, shape: tuple[int, ...]) -> ndarray:
    out = np.empty(shape, values.dtype)
    out[...] = values
    return out


def _sum_1(a: Any, g: ndarray) -> Result:
    return _row_sums(a.x)[:, 0], {"x": _copied(g[:, None], a.x.shape)}


def _norm_1(a: Any, g: ndarray) -> Result:
    out = np.vecdot(a.x, a.x)
    np.sqrt(out, out=out)
    return out, {"x": a.x * (g / out)[:, None]}


def _variance(x: ndarray) -> tuple[ndarray, Any]:
    """Return x minus its mean, and the variance, in float64: squares of float32 lose digits, and overflow."""
    centred = x.astype(np.float64)
    centred -= np.add.reduce(centred, None) / x.size
    rows = centred.reshape(-1)
    return centred, np.dot(rows, rows) / (x.size - 1)


def _var(a: Any, g: ndarray) -> Result:
    centred, variance = _variance(a.x)
    centred *= 2 * g / (a.x.size - 1)
    return np.float32(variance), {"x": centred.astype(np.float32)}


def _std(a: Any, g: ndarray) -> Result:
    centred, variance = _variance(a.x)
    centred *= g / (math.sqrt(variance) * (a.x.size - 1))
    return np.float32(math.sqrt(variance)), {"x": centred.astype(np.float32)}


# --- By rows ---


def _softmax(a: Any, g: ndarray) -> Result:
    out = np.exp(a.x)  # does not overflow for these numbers
    out /= _row_sums(out)
    slope = g - np.vecdot(g, out)[:, None]
    slope *= out
    return out, {"x": slope}


def _log_softmax(a: Any, g: ndarray) -> Result:
    out = a.x - _row_maxima(a.x)
    slope = np.exp(out)
    out -= np.log(_row_sums(slope))
    np.exp(out, out=slope)
    slope *= _row_sums(g)
    return out, {"x": np.subtract(g, slope, out=slope)}


def _cross_entropy(a: Any, g: ndarray) -> Result:
    e = a.x - _row_maxima(a.x)
    labels = np.arange(len(e)), a.labels
    scores = e[labels]
    np.exp(e, out=e)
    total = _row_sums(e)
    loss = np.add.reduce(np.log(total[:, 0]) - scores) / len(e)
    e /= total
    e[labels] -= 1
    e *= g / len(e)
    return loss, {"x": e}


def _layer_norm(a: Any, g: ndarray) -> Result:
    out, count = _centred(a.x), a.x.shape[1]
    scale = 1 / np.sqrt(np.vecdot(out, out)[:, None] / count + 1e-5)
    out *= scale
    slope = _centred(g)
    slope -= out * (np.vecdot(slope, out)[:, None] / count)
    slope *= scale
    return out, {"x": slope}


def _centred(x: ndarray) -> ndarray:
    """Return x minus the mean of each row, and minus the rounding error of that mean."""
    weights = np.full(x.shape[1], 1 / x.shape[1], x.dtype)
    out = x - x.dot(weights)[:, None]
    out -= out.dot(weights)[:, None]
    return out


def _scan(function: np.ufunc, x: ndarray, reverse: bool = False) -> ndarray:
    """Accumulate rows, from the end if `reverse`; many of them as columns."""
    if len(x) < 250:
        return function.accumulate(x[:, ::-1], 1)[:, ::-1] if reverse else function.accumulate(x, 1)
    columns = x.T.copy()
    for previous, current in pairwise(columns[::-1] if reverse else columns):
        function(previous, current, out=current)
    return columns.T.copy()


def _cumulative_sums(x: ndarray, reverse: bool = False) -> ndarray:
    return x @ _triangle(x.shape[1], reverse) if 60 <= len(x) < 250 else _scan(np.add, x, reverse)


@cache
def _triangle(n: int, lower: bool) -> ndarray:
    return (np.tril if lower else np.triu)(np.ones((n, n), np.float32))


def _cumsum(a: Any, g: ndarray) -> Result:
    return _cumulative_sums(a.x), {"x": _cumulative_sums(g, reverse=True)}


def _cumprod(a: Any, g: ndarray) -> Result:
    out = _scan(np.multiply, a.positive)
    slope = _cumulative_sums(g * out, reverse=True)
    slope /= a.positive
    return out, {"positive": slope}


def _cummax(a: Any, g: ndarray) -> Result:
    out, slope = _scan(np.maximum, a.x), np.zeros_like(a.x)
    starts = (a.x == out).reshape(-1).nonzero()[0]
    slope.reshape(-1)[starts] = np.add.reduceat(g.reshape(-1), starts)
    return out, {"x": slope}


# --- Moving ---


def _take_along_axis(a: Any, g: ndarray) -> Result:
    flat = a.order + np.arange(0, a.x.size, a.x.shape[1])[:, None]
    slope = np.zeros_like(a.x)
    np.add.at(slope.reshape(-1), flat.reshape(-1), g.reshape(-1))  # an index may occur twice
    return a.x.reshape(-1).take(flat, mode="wrap"), {"x": slope}


def _flip(a: Any, g: ndarray) -> Result:
    return a.x[:, ::-1], {"x": g[:, ::-1].copy()}


def _joined(*names: str, axis: int) -> Limit:
    """Return a limit of `concatenate`, and of one copy for the gradient of each array."""

    def program(a: Any, g: ndarray) -> Result:
        parts = np.split(g, len(names), axis)
        out = np.concatenate([getattr(a, name) for name in names], axis)
        return out, {name: part.copy() for name, part in zip(names, parts, strict=True)}

    return program


def _stack(a: Any, g: ndarray) -> Result:
    return np.stack([a.x, a.y]), {"x": g[0].copy(), "y": g[1].copy()}


def _second_part(a: Any, g: ndarray) -> Result:
    slope = np.zeros_like(a.x)
    slope[:, g.shape[1] :] = g
    return a.x[:, g.shape[1] :], {"x": slope}


# By the names of cases in `ops.py`.
LIMITS: dict[str, Limit] = {
    "x + row": _x_plus_row, "abs": _abs, "p ** 0.5": _sqrt, "relu": _relu, "leaky_relu": _leaky_relu,
    "sigmoid": _sigmoid, "silu": _silu, "elu": _elu, "gelu": _gelu, "gelu, tanh approximation": _gelu_tanh,
    "softplus": _softplus, "sum": _sum, "sum, axis 1": _sum_1, "norm, axis 1": _norm_1, "var": _var, "std": _std,
    "softmax": _softmax, "log_softmax": _log_softmax, "cross_entropy": _cross_entropy, "layer_norm": _layer_norm,
    "cumsum": _cumsum, "cumprod": _cumprod, "cummax": _cummax, "take_along_axis": _take_along_axis, "flip": _flip,
    "concatenate, axis 0": _joined("x", "y", "positive", axis=0),
    "concatenate, axis 1": _joined("x", "y", axis=1), "stack": _stack, "split, second part": _second_part,
}  # fmt: skip
