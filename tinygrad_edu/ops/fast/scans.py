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
from tinygrad_edu.thresholds import SizeThreshold


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
    """Return `plain_cumsum_values`; for few long rows with a matrix product, three times as fast.

    Each row is split into chunks. Their product with a triangular matrix of ones is the cumulative sum of each chunk;
    the sum of the previous chunks is added.
    """
    n = x.shape[axis]
    if x.dtype.char not in "fd" or n < max(_LONG_ROW, _CHUNK_LENGTH) or x.size > _FEW * n or not _is_last_axis(x, axis):
        return accumulate(np.add, x, axis, reverse)
    if reverse:
        return np.flip(cumsum_values(np.flip(x, axis), axis), axis)
    end = n - n % _CHUNK_LENGTH
    chunks = x[..., :end].reshape(-1, end // _CHUNK_LENGTH, _CHUNK_LENGTH)
    with np.errstate(invalid="ignore", over="ignore"):
        out = product(chunks, _triangle(int(_CHUNK_LENGTH), x.dtype))
        out[:, 1:] += np.add.accumulate(out[:, :, -1], 1)[:, :-1, None]
    if not np.isfinite(out[:, -1, -1]).all():  # 0 * inf and 0 * NaN are NaN
        return accumulate(np.add, x, axis)
    out = out.reshape(*x.shape[:-1], end)
    if end == n:
        return out
    return np.concatenate([out, np.add.accumulate(x[..., end:], -1) + out[..., -1:]], -1)


@cache
def _triangle(n: int, dtype: Any) -> ndarray:
    return np.triu(np.ones((n, n), dtype))


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
        sums = accumulate(np.add, terms, axis, reverse=True)
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


# Rows: minimum to accumulate as columns, and maximum to accumulate with a product.
_MANY, _FEW = SizeThreshold(250, least=2), SizeThreshold(1000)
_LONG_ROW, _CHUNK_LENGTH, _CACHED_SIZE, _MIN_ROWS = map(SizeThreshold, (8000, 32, 2**15, 16))
