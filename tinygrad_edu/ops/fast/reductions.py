"""Reductions of short rows: NumPy takes some forty nanoseconds to begin a row, as long as for 100 numbers in it.

And sums over several axes, which it makes in thrice the time that BLAS takes for rows of them.
"""

from functools import cache
from math import prod
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_edu.ops.plain import no_division, plain_log_sum, plain_mean_along, plain_reduce_along, plain_sum_along
from tinygrad_edu.plain_mode import faster_than
from tinygrad_edu.thresholds import SizeThreshold, plan


@faster_than(plain_reduce_along)
def reduce_along(function: np.ufunc, x: Any, axis: Any, keepdims: bool = True, **settings: Any) -> Any:
    """Return `plain_reduce_along`; of many short rows that of a copy in which they are columns.

    Sums of rows that are not so short are products with ones, which BLAS adds up in more places side by side; and the
    greatest of each is found faster by `reduceat`, which begins a row in half the time.
    """
    large = isinstance(x, ndarray) and x.size >= _LARGE and x.flags.c_contiguous
    if large and axis.__class__ is int and axis in (-1, x.ndim - 1) and x.shape[-1] <= _MIDDLE:
        n, shape = x.shape[-1], (*x.shape[:-1], *[1] * keepdims)
        rows = x.reshape(-1, n)
        halves = function is np.add and (settings.get("dtype") or x.dtype) == np.float16
        if n <= _SHORT and not halves:  # NumPy adds a row of float16 in float32, but rounds each step of a column
            found = function.reduce(np.ascontiguousarray(rows.T), axis=0, **settings)
            return _fix_signed_zeros(function, found, rows, settings).reshape(shape)
        usual = x.dtype.char in "fd" and settings.get("dtype") in (None, x.dtype)
        if usual and function is np.add and "initial" not in settings:
            return np.vecdot(x, _ones(n, x.dtype)).reshape(shape)
        if usual and function in (np.maximum, np.minimum):
            found = function.reduceat(x.reshape(-1), np.arange(0, x.size, n))
            function(found, settings.get("initial", found), out=found)
            return _fix_signed_zeros(function, found, rows, settings).reshape(shape)
    return plain_reduce_along(function, x, axis, keepdims, **settings)


def _fix_signed_zeros(function: np.ufunc, found: ndarray, rows: ndarray, settings: dict[str, Any]) -> ndarray:
    """Replace the results of rows with both 0 and -0: which one NumPy finds depends on the layout."""
    if function is np.add or rows.dtype.kind != "f":
        return found
    zeros = np.flatnonzero(found == 0)
    tied = rows[zeros]
    if ((tied == 0) & (np.signbit(tied) != np.signbit(found[zeros])[:, None])).any():
        found[zeros] = plain_reduce_along(function, tied, -1, False, **settings)
    return found


@cache
def _ones(n: int, dtype: Any) -> ndarray:
    return np.ones(n, dtype)


@faster_than(plain_sum_along)
def sum_along(x: ndarray, axes: tuple[int, ...], keepdims: bool, dtype: Any) -> Any:
    """Return `plain_sum_along`. Axes that form one block of memory, as those of maps, are added as rows of it."""
    reduced = normalize_axis_tuple(axes, x.ndim)
    kept = [a for a in range(x.ndim) if a not in reduced]
    turned = x.transpose(*kept, *sorted(reduced, key=x.strides.__getitem__, reverse=True))
    usual = x.size >= _LARGE and x.dtype.char in "fd" and dtype in (None, x.dtype) and turned.flags.c_contiguous
    each = _row_length(prod(x.shape[a] for a in reduced)) if usual else None
    if each is None:
        return plain_sum_along(x, axes, keepdims, dtype)
    sums = np.vecdot(turned.reshape(-1, each), _ones(each, x.dtype)).reshape(*turned.shape[: len(kept)], -1)
    shape = [n if a in kept else 1 for a, n in enumerate(x.shape) if keepdims or a in kept]
    return np.add.reduce(sums, -1).reshape(shape)[()]


@plan
def _row_length(count: int) -> int | None:
    """Return the longest divisor of `count` that is a row length; None if all are too short."""
    return next((n for n in range(min(count, _MIDDLE), 4 * _SHORT, -1) if count % n == 0), None)


# In a row of up to so many numbers BLAS adds no more of them one after the other than NumPy does.
_SHORT, _MIDDLE = map(SizeThreshold, (24, 1000))
_LARGE = SizeThreshold(4000, least=2)  # a number has no rows


@faster_than(plain_mean_along)
def mean_along(x: Any, axis: Any, keepdims: bool = False) -> Any:
    """Return `plain_mean_along`, of which NumPy's own, which is written in Python, takes up to four times as long."""
    if x.__class__ is not ndarray or x.dtype.char not in "fd" or not x.size:
        return plain_mean_along(x, axis, keepdims)
    total = plain_reduce_along(np.add, x, axis, keepdims)
    return total / (x.size // total.size)


@faster_than(plain_log_sum)
def log_sum(x: ndarray, axis: Any) -> ndarray:
    """Return `plain_log_sum`."""
    dtype = np.float32 if x.dtype == np.float16 else x.dtype
    return np.asarray(np.log(reduce_along(np.add, x, axis, dtype=dtype))).astype(x.dtype, copy=False)


@faster_than(no_division)
def other_factors(x: ndarray, product: ndarray) -> ndarray | None:
    """Return for each factor the product of the others: the `product` of all divided by it.

    None where one is 0 or near it, or out of range: then it is made without dividing.
    """
    size, limits = np.abs(product), np.finfo(x.dtype)
    usual = limits.tiny / limits.eps < size.min(initial=np.inf) and size.max(initial=0) < np.inf
    return product / x if usual and x.dtype != np.float16 else None
