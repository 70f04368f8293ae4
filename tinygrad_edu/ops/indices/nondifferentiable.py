"""Non-differentiable functions, such as argmax, any, nonzero and isclose. They return plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_edu.core.arrays import Axis, numpy_axis
from tinygrad_edu.engine import Array, batched, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.errors.checks import integer
from tinygrad_edu.ops.ranks import stable_argsort

__all__ = [
    "all", "any", "argmax", "argmin", "argsort", "count_nonzero", "digitize", "flatnonzero", "isclose", "isfinite",
    "isinf", "isnan", "logical_and", "logical_not", "logical_or", "logical_xor", "nonzero", "one_hot", "searchsorted",
    "tril_indices", "triu_indices",
]  # fmt: skip


def argmax(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array | np.intp:
    """Return the index of the first maximum along `axis`, or in the flattened x if `axis` is None."""
    return np.argmax(values_of(x), axis, keepdims=keepdims)


def argmin(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array | np.intp:
    """Return the index of the first minimum along `axis`, or in the flattened x if `axis` is None."""
    return np.argmin(values_of(x), axis, keepdims=keepdims)


def any(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array | np.bool:
    """Return whether any element over `axis` is nonzero."""
    return np.any(values_of(x), numpy_axis(axis), keepdims=keepdims)


def all(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array | np.bool:
    """Return whether all elements over `axis` are nonzero."""
    return np.all(values_of(x), numpy_axis(axis), keepdims=keepdims)


def count_nonzero(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array | np.intp:
    """Return the number of nonzero elements over `axis`."""
    return np.count_nonzero(values_of(x), numpy_axis(axis), keepdims=keepdims)


def nonzero(x: ArrayLike) -> tuple[Array, ...]:
    """Return the indices of the nonzero elements, one array per axis; ``x[nonzero(x)]`` are these elements."""
    return np.nonzero(values_of(x))


def flatnonzero(x: ArrayLike) -> Array:
    """Return the indices of the nonzero elements of the flattened x."""
    return np.flatnonzero(values_of(x))


@batched("along")
def argsort(
    x: ArrayLike, axis: int | None = -1, descending: bool = False, stable: bool | None = None, kind: str | None = None
) -> Array:
    """Return the indices that sort x along `axis`, or the flattened x if `axis` is None.

    The sort is always stable; `stable` and `kind` are accepted for compatibility with NumPy and ignored. NaN counts as
    larger than every number: it sorts last in ascending order, first in descending order.
    """
    if descending not in (True, False):
        raise DTypeError(f"argsort: descending must be True or False, got {descending!r}; pass kind by keyword.")
    values = np.asarray(values_of(x))
    values, along = (values.ravel(), -1) if axis is None else (np.atleast_1d(values), axis)
    return stable_argsort(values.swapaxes(along, -1), descending).swapaxes(along, -1)


def searchsorted(x: ArrayLike, v: ArrayLike, side: str = "left", sorter: Any = None) -> Array:
    """Return the indices at which to insert v into a sorted 1-d x: before equal elements, or after for side="right"."""
    return np.searchsorted(*map(values_of, (x, v)), side=side, sorter=values_of(sorter))  # type: ignore[call-overload]


def digitize(x: ArrayLike, bins: ArrayLike, right: bool = False) -> Array | np.intp:
    """Return the index of the bin of each element of x, for increasing or decreasing 1-d edges `bins`.

    Index i means ``bins[i - 1] <= x < bins[i]``, or ``bins[i - 1] < x <= bins[i]`` if `right`.
    """
    return np.digitize(values_of(x), values_of(bins), right)


def tril_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Array, Array]:
    """Return the rows and the columns of the elements on and below the k-th diagonal of an (n, m) matrix."""
    return np.tril_indices(n, k, m)


def triu_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Array, Array]:
    """Return the rows and the columns of the elements on and above the k-th diagonal of an (n, m) matrix."""
    return np.triu_indices(n, k, m)


@batched(lambda batch: NotImplemented if batch.settings["num_classes"] in (None, -1) else batch.on_leading())
def one_hot(labels: ArrayLike, num_classes: int | None = None, dtype: DTypeLike = np.int64) -> Array:
    """Return a row for each label, with a 1 at the index of the label and 0 elsewhere.

    The default dtype is int64, as in PyTorch. Targets of a cross entropy need ``dtype=np.float32``.

    Parameters
    ----------
    labels : array_like of int, of any shape
    num_classes : int, optional
        The length of the rows. The default, or -1 as in PyTorch, is the largest label plus one.
    dtype : dtype, default int64
        The dtype of the rows.

    Returns
    -------
    ndarray of `dtype`, shape (*labels.shape, num_classes)
    """
    labels = np.asarray(values_of(labels))
    if labels.dtype.kind not in "iu":
        raise DTypeError(f"one_hot: labels must be integers, got {labels.dtype}.")
    if num_classes is None or num_classes == -1:
        if not labels.size:
            raise ShapeError("one_hot: cannot infer the number of classes from no labels; give num_classes.")
        num_classes = int(labels.max()) + 1
    num_classes = integer("one_hot: num_classes", num_classes, 1)
    if labels.size and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(
            f"one_hot: labels must be from 0 to {num_classes - 1} for {num_classes} classes, "
            f"got labels from {labels.min()} to {labels.max()}."
        )
    return (labels[..., None] == np.arange(num_classes)).astype(dtype)


def isnan(x: ArrayLike) -> Array:
    """Return elementwise whether x is NaN."""
    return np.isnan(values_of(x))


def isinf(x: ArrayLike) -> Array:
    """Return elementwise whether x is positive or negative infinity."""
    return np.isinf(values_of(x))


def isfinite(x: ArrayLike) -> Array:
    """Return elementwise whether x is neither infinite nor NaN."""
    return np.isfinite(values_of(x))


def isclose(x: ArrayLike, y: ArrayLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Array:
    """Return elementwise whether |x - y| <= atol + rtol * |y|; y is the reference value.

    Parameters
    ----------
    x, y : array_like
    rtol : float, default 1e-5
        Relative tolerance.
    atol : float, default 1e-8
        Absolute tolerance.
    equal_nan : bool, default False
        Whether two NaNs count as close.
    """
    return np.isclose(values_of(x), values_of(y), values_of(rtol), values_of(atol), equal_nan)


def logical_and(x: ArrayLike, y: ArrayLike) -> Array:
    """Return elementwise whether both x and y are nonzero."""
    return np.logical_and(values_of(x), values_of(y))


def logical_or(x: ArrayLike, y: ArrayLike) -> Array:
    """Return elementwise whether x or y is nonzero."""
    return np.logical_or(values_of(x), values_of(y))


def logical_xor(x: ArrayLike, y: ArrayLike) -> Array:
    """Return elementwise whether exactly one of x and y is nonzero."""
    return np.logical_xor(values_of(x), values_of(y))


def logical_not(x: ArrayLike) -> Array:
    """Return elementwise whether x is 0."""
    return np.logical_not(values_of(x))
