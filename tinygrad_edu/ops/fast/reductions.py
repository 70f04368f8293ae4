"""Reductions of short rows: NumPy takes some forty nanoseconds to begin a row, as long as for 100 numbers in it."""

from functools import cache
from typing import Any

import numpy as np
from numpy import ndarray


def plain_reduction_along(function: np.ufunc, x: Any, axis: Any, keepdims: bool = True, **settings: Any) -> Any:
    """Return the reduction of x over `axis`."""
    return function.reduce(x, axis=axis, keepdims=keepdims, **settings)


def reduction_along(function: np.ufunc, x: Any, axis: Any, keepdims: bool = True, **settings: Any) -> Any:
    """Return `plain_reduction_along`; of many short rows that of a copy in which they are columns.

    Sums of rows that are not so short are products with ones, which BLAS adds up in more places side by side; and
    NumPy finds the place of the greatest faster than the greatest.
    """
    large = isinstance(x, ndarray) and x.size >= _LARGE and x.flags.c_contiguous
    if large and axis.__class__ is int and axis in (-1, x.ndim - 1) and x.shape[-1] <= _MIDDLE:
        n, shape = x.shape[-1], (*x.shape[:-1], *[1] * keepdims)
        if n <= _SHORT:
            columns = np.ascontiguousarray(x.reshape(-1, n).T)
            return function.reduce(columns, axis=0, **settings).reshape(shape)
        usual = x.dtype.char in "fd" and settings.get("dtype") in (None, x.dtype)
        if usual and function is np.add and "initial" not in settings:
            return np.vecdot(x, _ones(n, x.dtype)).reshape(shape)
        if usual and function in _PLACES:
            found = x.reshape(-1).take(_PLACES[function](x, -1).reshape(-1) + np.arange(0, x.size, n))
            return function(found, settings.get("initial", found), out=found).reshape(shape)
    return plain_reduction_along(function, x, axis, keepdims, **settings)


_PLACES = {np.maximum: np.argmax, np.minimum: np.argmin}


@cache
def _ones(n: int, dtype: Any) -> ndarray:
    return np.ones(n, dtype)


# In a row of up to so many numbers BLAS adds no more of them one after the other than NumPy does.
_SHORT, _MIDDLE, _LARGE = 24, 1000, 4000


def plain_mean_along(x: Any, axis: Any, keepdims: bool = False) -> Any:
    """Return the mean over `axis`."""
    return np.mean(x, axis=axis, keepdims=keepdims)


def mean_along(x: Any, axis: Any, keepdims: bool = False) -> Any:
    """Return `plain_mean_along`, of which NumPy's own, which is written in Python, takes up to four times as long."""
    if x.__class__ is not ndarray or x.dtype.char not in "fd" or not x.size:
        return plain_mean_along(x, axis, keepdims)
    total = np.add.reduce(x, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]
    return total / (x.size // total.size)


def other_factors(x: ndarray, product: ndarray) -> ndarray | None:
    """Return for each factor the product of the others: the `product` of all divided by it.

    None where one is 0 or near it, or out of range: then it is made without dividing.
    """
    size, limits = np.abs(product), np.finfo(x.dtype)
    usual = limits.tiny / limits.eps < size.min(initial=np.inf) and size.max(initial=0) < np.inf
    return product / x if usual and x.dtype != np.float16 else None
