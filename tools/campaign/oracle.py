"""The oracle: the Jacobian of every tensor of a program, carried forward in NumPy from the values that each op read.

It knows no graph. A Jacobian has a row for each element of the tensor and a column for each element of the leaves; None
stands for that of a constant. What only moves elements is a map from places to places: the op itself, on their numbers.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

COLUMNS = 36  # for the elements of all leaves of a program


class Known(NamedTuple):
    """What is known of an operand: its values when it was read, and its Jacobian."""

    values: Array
    jacobian: Array | None


def logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


# Of each op on one operand, its derivative.
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
# Of each op on two operands, its derivative with respect to each. A tie shares evenly.
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
    """Return the Jacobian of an op that moves the elements of its operands, and sets others, shown as -1, to 0."""
    ends = np.cumsum([x.values.size for x in operands])
    places = move(*(end - x.values.size + _numbers(x) for x, end in zip(operands, ends, strict=True)))
    if all(x.jacobian is None for x in operands):
        return None
    rows = [np.zeros((x.values.size, COLUMNS)) if x.jacobian is None else x.jacobian for x in operands]
    return np.concatenate([*rows, np.zeros((1, COLUMNS))])[np.ravel(places)]


def reduced(x: Known, weights: Array, axis: int | None) -> Array | None:
    """Return the Jacobian of a sum along an axis, given what each element weighs in it."""
    if x.jacobian is None:
        return None
    weighted = (weights.reshape(-1, 1) * x.jacobian).reshape(*x.values.shape, COLUMNS)
    axes = tuple(range(x.values.ndim)) if axis is None else axis
    return np.reshape(weighted.sum(axis=axes), (-1, COLUMNS))


def bilinear(function: Callable[[Array, Array], Array], x: Known, y: Known) -> Array | None:
    """Return the Jacobian of a function that is linear in each of two operands."""
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
