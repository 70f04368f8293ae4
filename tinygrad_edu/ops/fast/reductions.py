"""Reductions of short rows: NumPy takes some forty nanoseconds to begin a row, as long as for 100 numbers in it."""

from typing import Any

import numpy as np
from numpy import ndarray


def plain_reduction_along(function: np.ufunc, x: Any, axis: Any, keepdims: bool = True, **settings: Any) -> Any:
    """Return the reduction of x over `axis`."""
    return function.reduce(x, axis=axis, keepdims=keepdims, **settings)


def reduction_along(function: np.ufunc, x: Any, axis: Any, keepdims: bool = True, **settings: Any) -> Any:
    """Return `plain_reduction_along`; of many short rows that of a copy in which they are columns."""
    large = isinstance(x, ndarray) and x.size >= _LARGE and x.flags.c_contiguous
    if large and axis in (-1, x.ndim - 1) and x.shape[-1] <= _SHORT:
        columns = np.ascontiguousarray(x.reshape(-1, x.shape[-1]).T)
        return function.reduce(columns, axis=0, **settings).reshape(*x.shape[:-1], *[1] * keepdims)
    return plain_reduction_along(function, x, axis, keepdims, **settings)


_SHORT, _LARGE = 24, 4000


def other_factors(x: ndarray, product: ndarray) -> ndarray | None:
    """Return for each factor the product of the others: the `product` of all divided by it.

    None where one is 0 or near it, or out of range: then it is made without dividing.
    """
    size, limits = np.abs(product), np.finfo(x.dtype)
    usual = limits.tiny / limits.eps < size.min(initial=np.inf) and size.max(initial=0) < np.inf
    return product / x if usual and x.dtype != np.float16 else None
