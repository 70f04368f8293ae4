"""Cumulative operations on many rows at once: each step is one operation on all rows."""

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_edu.ops.fast.products import product
from tinygrad_edu.ops.plain import axis_back, no_division, plain_accumulate, plain_axis_first, plain_cumsum_values
from tinygrad_edu.plain_mode import faster_than
from tinygrad_edu.thresholds import SizeThreshold, plan


@faster_than(plain_accumulate)
def accumulate(function: np.ufunc, x: ndarray, axis: int, reverse: bool = False) -> Any:
    """Return `plain_accumulate`; for many rows two to ten times as fast, with the same bits."""
    if x.size < _MANY * max(x.shape[normalize_axis_index(axis, x.ndim)], 1):
        return plain_accumulate(function, x, axis, reverse)
    steps = axis_first(x, axis)
    for previous, current in pairwise(steps[::-1] if reverse else steps):
        function(previous, current, out=current)
    return axis_back(steps, axis)


@faster_than(plain_cumsum_values)
def cumsum_values(x: ndarray, axis: int, reverse: bool = False) -> Any:
    """Return `plain_cumsum_values`; for few rows with a matrix product, in half the time or less.

    Each row is split into chunks. Their product with a triangular matrix of ones is the cumulative sum of each chunk;
    the sum of the chunks before it, or after it if `reverse`, is added.
    """
    n = x.shape[axis]
    is_large = x.size >= _LARGE and n >= 2 * _CHUNK_LENGTH and (x.size < _FEW * n or n >= _LONG_ROW)
    if not is_large or x.dtype.char not in "fd" or not _is_last_axis(x, axis):
        return accumulate(np.add, x, axis, reverse)
    length = _chunk_length(n)
    padded = x if n % length == 0 else _append_zeros(x, -n % length)
    out = np.empty(padded.shape, x.dtype)
    sums = out.reshape(x.size // n, -1, length)
    with np.errstate(invalid="ignore", over="ignore"):
        product(padded.reshape(-1, length), _triangle(length, reverse, x.dtype), out.reshape(-1, length))
        if reverse:
            sums[:, :-1] += np.add.accumulate(sums[:, :0:-1, 0], 1)[:, ::-1, None]
        else:
            sums[:, 1:] += np.add.accumulate(sums[:, :-1, -1], 1)[:, :, None]
    if not np.isfinite(sums[:, 0, 0] if reverse else sums[:, -1, -1]).all():  # 0 * inf and 0 * NaN are NaN
        return accumulate(np.add, x, axis, reverse)
    return out if padded is x else out[..., :n].copy()


@plan
def _chunk_length(n: int) -> int:
    """Return the length of the chunks of a row: a divisor near `_CHUNK_LENGTH` if possible."""
    divisors = (k for k in range(-(-_CHUNK_LENGTH // 2), 2 * _CHUNK_LENGTH + 1) if n % k == 0)
    return min(divisors, key=lambda k: abs(k - _CHUNK_LENGTH), default=int(_CHUNK_LENGTH))


def _append_zeros(x: ndarray, count: int) -> ndarray:
    out = np.zeros((*x.shape[:-1], x.shape[-1] + count), x.dtype)
    out[..., :-count] = x
    return out


@cache
def _triangle(n: int, lower: bool, dtype: Any) -> ndarray:
    return (np.tril if lower else np.triu)(np.ones((n, n), dtype))


def _is_last_axis(x: ndarray, axis: int) -> bool:
    return axis in (-1, x.ndim - 1)


@faster_than(no_division)
def cumprod_vjp(g: ndarray, x: ndarray, products: ndarray, axis: int) -> ndarray | None:
    """Return the vjp of cumprod: the cumulative sum of g * products from the end of `axis`, divided by x.

    Return None if a product is near 0 or a value is out of range; the caller then computes it without dividing.
    """
    if not x.size or x.dtype == np.float16:
        return None
    limits = np.finfo(x.dtype)
    size = np.abs(products)
    if not (limits.tiny / limits.eps < size.min() and size.max() < np.inf):
        return None
    with np.errstate(over="ignore"):
        terms = g * products
        if np.count_nonzero(np.abs(terms, out=size) < limits.tiny) != np.count_nonzero(g == 0):
            return None
        sums = cumsum_values(terms, axis, reverse=True)
    return sums / x if np.isfinite(sums).all() else None


# --- Rows to columns ---


@faster_than(plain_axis_first)
def axis_first(x: ndarray, axis: int, dtype: Any = None) -> ndarray:
    """Return `plain_axis_first`; for the last axis in half the time, some rows at a time."""
    if not _needs_transpose(x, axis):
        return plain_axis_first(x, axis, dtype)
    out = np.empty((x.shape[-1], *x.shape[:-1]), x.dtype if dtype is None else dtype)
    rows, columns = x.reshape(-1, x.shape[-1]), out.reshape(x.shape[-1], -1)
    for chunk in _row_chunks(rows):
        columns[:, chunk] = rows[chunk].T
    return out


def _needs_transpose(x: ndarray, axis: int) -> bool:
    return _is_last_axis(x, axis) and x.ndim > 1 and x.size > 0


def _row_chunks(rows: ndarray) -> list[slice]:
    length = max(_MIN_ROWS, _CACHED_SIZE // rows.shape[1])
    return [slice(start, start + length) for start in range(0, len(rows), length)]


# Minimum number of rows to accumulate as columns. Minimum size for sums with a product: of fewer rows, or longer ones.
_MANY, _LARGE = SizeThreshold(250, least=2), SizeThreshold(6000)
_FEW, _LONG_ROW, _CHUNK_LENGTH, _CACHED_SIZE, _MIN_ROWS = map(SizeThreshold, (500, 1000, 32, 2**15, 16))
