"""The oracle: forward-mode Jacobians in NumPy of all tensors of a program, from the values that each op read.

It uses no graph. A Jacobian has a row per element of the tensor and a column per element of all leaves; it is None for
a constant. For an op that only moves elements, the oracle applies the op to the indices of the elements.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

COLUMNS = 36  # maximum number of elements of all leaves of a program


class Known(NamedTuple):
    """Values of an operand when it was read, and its Jacobian."""

    values: Array
    jacobian: Array | None


def logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


# Derivatives of unary ops.
UNARY: dict[str, Callable[[Array], Array]] = {
    "sin": np.cos,
    "cos": lambda x: -np.sin(x),
    "tanh": lambda x: 1 / np.cosh(x) ** 2,
    "exp": np.exp,
    "square": lambda x: 2 * x,
    "sigmoid": lambda x: logistic(x) * logistic(-x),
    "negative": lambda x: -np.ones_like(x),
    "abs": np.sign,
    "relu": lambda x: (x > 0) * 1.0,
}
# Derivatives of binary ops with respect to both operands. Ties share equally.
BINARY: dict[str, Callable[[Array, Array], tuple[Any, Any]]] = {
    "add": lambda x, y: (1.0, 1.0),
    "subtract": lambda x, y: (1.0, -1.0),
    "multiply": lambda x, y: (y, x),
    "divide": lambda x, y: (1 / y, -x / y**2),
    "maximum": lambda x, y: (np.heaviside(x - y, 0.5), np.heaviside(y - x, 0.5)),
    "minimum": lambda x, y: (np.heaviside(y - x, 0.5), np.heaviside(x - y, 0.5)),
}


def elementwise(operands: Sequence[Known], derivatives: Sequence[Any]) -> Array | None:
    """Return the Jacobian of an op that broadcasts its operands, given the derivative with respect to each."""
    shape = np.broadcast_shapes(*(np.shape(x.values) for x in operands))
    parts = [
        np.broadcast_to(derivative, shape).reshape(-1, 1) * x.jacobian[_rows(x, shape)]
        for x, derivative in zip(operands, derivatives, strict=True)
        if x.jacobian is not None
    ]
    return np.sum(parts, axis=0) if parts else None


def moved(operands: Sequence[Known], move: Callable[..., Any]) -> Array | None:
    """Return the Jacobian of an op that moves elements of its operands; index -1 marks elements set to 0."""
    ends = np.cumsum([x.values.size for x in operands])
    places = move(*(end - x.values.size + _numbers(x) for x, end in zip(operands, ends, strict=True)))
    if all(x.jacobian is None for x in operands):
        return None
    rows = [np.zeros((x.values.size, COLUMNS)) if x.jacobian is None else x.jacobian for x in operands]
    return np.concatenate([*rows, np.zeros((1, COLUMNS))])[np.ravel(places)]


def reduced(x: Known, weights: Array, axis: int | None) -> Array | None:
    """Return the Jacobian of a weighted sum along an axis."""
    if x.jacobian is None:
        return None
    weighted = (weights.reshape(-1, 1) * x.jacobian).reshape(*x.values.shape, COLUMNS)
    axes = tuple(range(x.values.ndim)) if axis is None else axis
    return np.reshape(weighted.sum(axis=axes), (-1, COLUMNS))


def bilinear(function: Callable[[Array, Array], Array], x: Known, y: Known) -> Array | None:
    """Return the Jacobian of a bilinear function."""
    parts = []
    if x.jacobian is not None:
        parts.append([function(column.reshape(x.values.shape), y.values) for column in x.jacobian.T])
    if y.jacobian is not None:
        parts.append([function(x.values, column.reshape(y.values.shape)) for column in y.jacobian.T])
    return np.sum([np.reshape(part, (COLUMNS, -1)).T for part in parts], axis=0) if parts else None


def softmax(x: Array, axis: int | None = None) -> Array:
    exponentials = np.exp(x - x.max(axis=axis, keepdims=True))
    shares: Array = exponentials / exponentials.sum(axis=axis, keepdims=True)
    return shares


def _numbers(x: Known) -> Array:
    return np.arange(x.values.size).reshape(x.values.shape)


def _rows(x: Known, shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(_numbers(x), shape).ravel()
