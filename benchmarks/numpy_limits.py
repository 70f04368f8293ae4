"""NumPy calls that an op and its gradient need: their time is a limit for a framework on NumPy.

Each function makes these calls once, without an engine, given the inputs and a cotangent. The calls are the fewest that
we know, and write into existing arrays where they can. Results of other calls are not computed, so a limit is a bound
for the time, not an implementation.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

Limit = Callable[[Any, ndarray], Any]


def _exponentials(count: int, passes: int) -> Limit:
    """Return a limit of some exponential functions of x and some passes over arrays of its size."""

    def calls(a: Any, g: ndarray) -> None:
        out = np.empty_like(a.x)
        for _ in range(count):
            np.exp(a.x, out=out)
        for _ in range(passes):
            np.multiply(out, g, out=out)

    return calls


def _copies(join: Callable[[list[ndarray]], ndarray], *names: str) -> Limit:
    """Return a limit of joining arrays, and of one copy for the gradient of each."""

    def calls(a: Any, g: ndarray) -> None:
        parts = [getattr(a, name) for name in names]
        join(parts)
        for part in parts:
            part.copy()

    return calls


def _x_plus_row(a: Any, g: ndarray) -> None:
    np.add(a.x, a.row)
    g.copy()
    np.add.reduce(g, 0)


def _abs(a: Any, g: ndarray) -> None:
    np.abs(a.x)
    slope = np.sign(a.x)
    np.multiply(slope, g, out=slope)


def _sqrt(a: Any, g: ndarray) -> None:
    out = np.sqrt(a.positive)
    slope = np.divide(0.5, out)
    np.multiply(slope, g, out=slope)


def _relu(a: Any, g: ndarray) -> None:
    np.clip(a.x, 0, np.inf)
    np.multiply(g, np.greater(a.x, 0))


def _leaky_relu(a: Any, g: ndarray) -> None:
    out = np.multiply(a.x, 0.01)
    np.maximum(out, a.x, out=out)
    np.multiply(g, np.greater(a.x, 0))


def _gelu(a: Any, g: ndarray) -> None:
    bell = np.exp(a.x)
    area = np.zeros(2**16).take(a.x.astype(np.intp), mode="wrap")  # NumPy has no error function
    area += bell
    slope = area.astype(np.float32)
    for _ in range(4):
        np.multiply(slope, g, out=slope)
    np.exp(a.x, out=bell)


def _softplus(a: Any, g: ndarray) -> None:
    out = np.exp(a.x)
    np.log1p(out, out=out)
    np.exp(a.x, out=out)
    np.add(out, 1, out=out)
    np.divide(g, out, out=out)


def _sum(a: Any, g: ndarray) -> None:
    np.add.reduce(a.x, None)
    np.full(a.x.shape, g)


def _var(a: Any, g: ndarray) -> None:
    centred = a.x.astype(np.float64)  # squares of float32 lose digits, and overflow
    centred -= np.add.reduce(centred, None)
    np.vdot(centred, centred)
    np.multiply(centred, g, out=centred)
    centred.astype(np.float32)


def _log_softmax(a: Any, g: ndarray) -> None:
    out = a.x - np.maximum.reduce(a.x, 1, keepdims=True)
    np.add.reduce(np.exp(out), 1)
    out -= 1
    slope = np.exp(out)
    slope *= np.add.reduce(g, 1, keepdims=True)
    np.subtract(g, slope, out=slope)


def _cross_entropy(a: Any, g: ndarray) -> None:
    out = a.x - np.maximum.reduce(a.x, 1, keepdims=True)
    np.exp(out, out=out)
    total = np.add.reduce(out, 1, keepdims=True)
    np.multiply(out, 1 / total, out=out)


def _layer_norm(a: Any, g: ndarray) -> None:
    centred = a.x - np.add.reduce(a.x, 1, keepdims=True)
    scale = np.vecdot(centred, centred)[:, None]
    out = centred * scale
    slope = out * np.vecdot(g, out)[:, None]
    np.subtract(g, slope, out=slope)
    slope -= np.add.reduce(slope, 1, keepdims=True)
    slope *= scale


def _cumsum(a: Any, g: ndarray) -> None:
    np.add.accumulate(a.x, 1)
    np.add.accumulate(g, 1)


def _cummax(a: Any, g: ndarray) -> None:
    np.maximum.accumulate(a.x, 1)
    np.add.accumulate(g, 1)


def _take_along_axis(a: Any, g: ndarray) -> None:
    np.take_along_axis(a.x, a.order, 1)
    np.put_along_axis(np.zeros_like(a.x), a.order, g, 1)


def _second_part(a: Any, g: ndarray) -> None:
    np.zeros_like(a.x)[:, g.shape[1] :] = g


# By the names of cases in `ops.py`.
LIMITS: dict[str, Limit] = {
    "x + row": _x_plus_row, "abs": _abs, "p ** 0.5": _sqrt, "relu": _relu, "leaky_relu": _leaky_relu,
    "sigmoid": _exponentials(1, 4), "silu": _exponentials(1, 7), "elu": _exponentials(2, 3),
    "gelu": _gelu, "gelu, tanh approximation": _exponentials(2, 8), "softplus": _softplus,
    "sum": _sum, "var": _var, "std": _var, "log_softmax": _log_softmax, "cross_entropy": _cross_entropy,
    "layer_norm": _layer_norm, "cumsum": _cumsum, "cummax": _cummax, "take_along_axis": _take_along_axis,
    "concatenate, axis 0": _copies(np.concatenate, "x", "y", "positive"),
    "concatenate, axis 1": _copies(lambda parts: np.concatenate(parts, 1), "x", "y"),
    "stack": _copies(np.stack, "x", "y"), "split, second part": _second_part,
}  # fmt: skip
