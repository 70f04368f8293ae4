"""Accumulation along an axis, faster where many are made side by side: each step is one operation on all of them."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_edu.ops.fast.products import product
from tinygrad_edu.thresholds import SizeThreshold


def plain_accumulated(function: np.ufunc, x: ndarray, axis: int) -> Any:
    """Return for each place along `axis` what the function makes of all elements up to it, one after the other."""
    return function.accumulate(x, axis)


def accumulated(function: np.ufunc, x: ndarray, axis: int) -> Any:
    """Return `plain_accumulated`; of many at once in a half to a tenth of the time, with the same bits."""
    if x.size < _MANY * max(x.shape[normalize_axis_index(axis, x.ndim)], 1):
        return plain_accumulated(function, x, axis)
    steps = in_columns(x, axis)
    for before, step in pairwise(steps):
        function(before, step, out=step)
    return from_columns(steps, axis)


def plain_summed_up(x: ndarray, axis: int) -> Any:
    """Return the sums of all elements up to each along `axis`."""
    return np.add.accumulate(x, axis)


def summed_up(x: ndarray, axis: int) -> Any:
    """Return `plain_summed_up`; of few long rows in a third of the time, with a product.

    Each row is cut in short ones. Times a triangle of ones they are the sums in each, to which those before are added.
    """
    n = x.shape[axis]
    if x.dtype.char not in "fd" or n < max(_LONG, _SHORT) or x.size > _FEW * n or not _is_row(x, axis):
        return accumulated(np.add, x, axis)
    cut = n - n % _SHORT
    pieces = x[..., :cut].reshape(-1, cut // _SHORT, _SHORT)
    with np.errstate(invalid="ignore", over="ignore"):
        out = product(pieces, np.triu(np.ones((_SHORT, _SHORT), x.dtype)))
        out[:, 1:] += np.add.accumulate(out[:, :, -1], 1)[:, :-1, None]
    if not np.isfinite(out[:, -1, -1]).all():  # an infinite number or a NaN, of which 0 times is a NaN
        return accumulated(np.add, x, axis)
    out = out.reshape(*x.shape[:-1], cut)
    if cut == n:
        return out
    return np.concatenate([out, np.add.accumulate(x[..., cut:], -1) + out[..., -1:]], -1)


def _is_row(x: ndarray, axis: int) -> bool:
    return axis in (-1, x.ndim - 1)


def cumprod_slope(g: ndarray, x: ndarray, products: ndarray, axis: int) -> ndarray | None:
    """Return the gradient of x of its `products` along `axis`: the sums of g * products from the end, divided by x.

    None where one is 0 or near it, or something is out of range: then it is made without dividing.
    """
    if not x.size or x.dtype == np.float16:
        return None
    limits = np.finfo(x.dtype)
    size = np.abs(products)
    if not (limits.tiny / limits.eps < size.min() and size.max() < np.inf):
        return None
    with np.errstate(over="ignore"):
        parts = g * products
        if np.count_nonzero(np.abs(parts, out=size) < limits.tiny) != np.count_nonzero(g == 0):
            return None
        sums = accumulated(np.add, np.flip(parts, axis), axis)
    return np.flip(sums, axis) / x if np.isfinite(sums).all() else None


# --- Rows turned into columns and back ---


def plain_in_columns(x: ndarray, axis: int, dtype: Any = None) -> ndarray:
    """Return a copy of x with `axis` put first, in memory, too."""
    return np.array(np.moveaxis(x, axis, 0), dtype, order="C")


def in_columns(x: ndarray, axis: int, dtype: Any = None) -> ndarray:
    """Return `plain_in_columns`; of the last axis in half the time, some rows at a time."""
    if not _is_last(x, axis):
        return plain_in_columns(x, axis, dtype)
    out = np.empty((x.shape[-1], *x.shape[:-1]), x.dtype if dtype is None else dtype)
    rows, columns = x.reshape(-1, x.shape[-1]), out.reshape(x.shape[-1], -1)
    for some in _some(rows):
        columns[:, some] = rows[some].T
    return out


def plain_from_columns(columns: ndarray, axis: int) -> ndarray:
    """Undo `plain_in_columns`: return a copy with the first axis put at `axis`."""
    return np.ascontiguousarray(np.moveaxis(columns, 0, axis))


def from_columns(columns: ndarray, axis: int) -> ndarray:
    """Return `plain_from_columns`; for the last axis in half the time."""
    if not _is_last(columns, axis):
        return plain_from_columns(columns, axis)
    out = np.empty((*columns.shape[1:], len(columns)), columns.dtype)
    rows, columns = out.reshape(-1, len(columns)), columns.reshape(len(columns), -1)
    for some in _some(rows):
        rows[some] = columns[:, some].T
    return out


def _is_last(x: ndarray, axis: int) -> bool:
    return _is_row(x, axis) and x.ndim > 1 and x.size > 0


def _some(rows: ndarray) -> list[slice]:
    each = max(_FEWEST, _NEAR // rows.shape[1])
    return [slice(start, start + each) for start in range(0, len(rows), each)]


# Rows: so many are accumulated as columns, and so few long ones with a product.
_MANY, _FEW = SizeThreshold(250, least=2), SizeThreshold(1000)
_LONG, _SHORT, _NEAR, _FEWEST = map(SizeThreshold, (20_000, 32, 2**15, 16))
