"""Functions without a derivative: argmax, any, nonzero, comparisons. They return plain arrays."""

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu._checks import integer
from tinygrad_edu.engine import values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.ops.axes import Axis, plain_axes
from tinygrad_edu.ops.plain import stable_argsort

__all__ = [
    "all", "any", "argmax", "argmin", "argsort", "count_nonzero", "flatnonzero", "isclose", "isfinite", "isinf",
    "isnan", "logical_and", "logical_not", "logical_or", "logical_xor", "nonzero", "one_hot", "searchsorted",
]  # fmt: skip


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the position of the greatest element along `axis`, or in x flattened; of equal ones, the first."""
    return np.argmax(values_of(x), axis, keepdims=keepdims)


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the position of the smallest element along `axis`, or in x flattened; of equal ones, the first."""
    return np.argmin(values_of(x), axis, keepdims=keepdims)


def any(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return whether an element over `axis` is not 0."""
    return np.any(values_of(x), plain_axes(axis), keepdims=keepdims)


def all(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return whether no element over `axis` is 0."""
    return np.all(values_of(x), plain_axes(axis), keepdims=keepdims)


def count_nonzero(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return how many elements over `axis` are not 0."""
    return np.count_nonzero(values_of(x), plain_axes(axis), keepdims=keepdims)


def nonzero(x: Any) -> tuple[ndarray, ...]:
    """Return where x is not 0: for each axis an array of positions. ``x[nonzero(x)]`` are those elements."""
    return np.nonzero(values_of(x))


def flatnonzero(x: Any) -> ndarray:
    """Return the positions, in x flattened, of what is not 0."""
    return np.flatnonzero(values_of(x))


def argsort(
    x: Any, axis: int | None = -1, descending: bool = False, stable: bool | None = None, kind: str | None = None
) -> ndarray:
    """Return the positions that sort x along `axis`, or x flattened if it is None.

    Equal elements keep their order, whatever `stable` and `kind` say: those are NumPy's, and of no effect. A NaN is
    greater than every number: ascending it comes last, and descending first.
    """
    if descending not in (True, False):
        raise DTypeError(f"argsort: descending is True or False, not {descending!r}; kind goes by its name.")
    values = np.asarray(values_of(x))
    values, along = (values.ravel(), -1) if axis is None else (np.atleast_1d(values), axis)
    return stable_argsort(values.swapaxes(along, -1), descending).swapaxes(along, -1)


def searchsorted(x: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Return where in x, one sorted axis, to put each element of v; before equal ones, or after them: side="right"."""
    return np.searchsorted(*map(values_of, (x, v)), side=side, sorter=values_of(sorter))  # type: ignore[call-overload]


def one_hot(labels: Any, num_classes: int | None = None, dtype: Any = np.int64) -> ndarray:
    """Return a row for each label, with a 1 at the index of the label and 0 elsewhere.

    The default dtype is an integer one, as in PyTorch. Targets of a cross entropy need ``dtype=np.float32``.

    Parameters
    ----------
    labels : array_like of int, of any shape
    num_classes : int, optional
        The length of the rows. The default, or -1 as in PyTorch, is the largest label plus one.
    dtype : dtype
        The dtype of the rows.

    Returns
    -------
    ndarray of `dtype`, shape (*labels.shape, num_classes)
    """
    places = np.asarray(values_of(labels))
    if places.dtype.kind not in "iu":
        raise DTypeError(f"one_hot: labels must be integers, got {places.dtype}.")
    if num_classes is None or num_classes == -1:
        if not places.size:
            raise ShapeError("one_hot: there are no labels to infer the number of classes from; give num_classes.")
        num_classes = int(places.max()) + 1
    num_classes = integer("one_hot: num_classes", num_classes, 1)
    if places.size and not 0 <= places.min() <= places.max() < num_classes:
        raise ValueError(
            f"one_hot: {num_classes} classes have labels from 0 to {num_classes - 1}; "
            f"these are from {places.min()} to {places.max()}."
        )
    return (places[..., None] == np.arange(num_classes)).astype(dtype)


def isnan(x: Any) -> Any:
    """Return where x is NaN."""
    return np.isnan(values_of(x))


def isinf(x: Any) -> Any:
    """Return where x is infinite, of either sign."""
    return np.isinf(values_of(x))


def isfinite(x: Any) -> Any:
    """Return where x is neither infinite nor NaN."""
    return np.isfinite(values_of(x))


def isclose(x: Any, y: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Return where |x - y| <= atol + rtol * |y|: y is what x is compared with.

    Parameters
    ----------
    x, y : array_like
    rtol, atol : float
        What may be between them, as a part of y and as it is.
    equal_nan : bool
        Whether two NaN count as close.
    """
    return np.isclose(values_of(x), values_of(y), rtol, atol, equal_nan)


def logical_and(x: Any, y: Any) -> Any:
    """Return where neither x nor y is 0."""
    return np.logical_and(values_of(x), values_of(y))


def logical_or(x: Any, y: Any) -> Any:
    """Return where x or y is not 0."""
    return np.logical_or(values_of(x), values_of(y))


def logical_xor(x: Any, y: Any) -> Any:
    """Return where one of x and y is 0, and the other is not."""
    return np.logical_xor(values_of(x), values_of(y))


def logical_not(x: Any) -> Any:
    """Return where x is 0."""
    return np.logical_not(values_of(x))
