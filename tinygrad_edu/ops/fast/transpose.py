"""Transposition of the first axis to the last, through a buffer that stays in the cache.

What is turned is read in columns. Where its rows are some pages apart, all of a column falls into the same few places
of the cache, and each row that is read drives out another one that is not read to its end.
"""

from collections.abc import Callable
from math import gcd

import numpy as np
from numpy import ndarray

from tinygrad_edu.cores.threads import in_parts, shares
from tinygrad_edu.thresholds import SizeThreshold

# So many numbers are turned at a time, in rows that lie by so many further apart than they are long.
_BUFFER_SIZE, _MIN_ROW, _ROW_PADDING = SizeThreshold(2**17), SizeThreshold(64), 20
# The first cache has so many bytes, and places for each line of a page; up to so few rows are turned one by one.
_L1_BYTES, _PAGE_BYTES, _FEW_ROWS = map(SizeThreshold, (2**15, 2**12, 8))
# From so many numbers on threads share them, in so many parts.
_LARGE, _PARTS = map(SizeThreshold, (2**18, 4))


def put_plainly_last(x: ndarray, out: ndarray) -> None:
    """Write (m, k, ...) into (k, ..., m): the first axis becomes the last."""
    out[...] = x.transpose((*range(1, x.ndim), 0))


def put_last(x: ndarray, out: ndarray) -> None:
    """Do as `put_plainly_last`."""
    if not x.size:
        return
    put = _choose_copy(x)
    if x.size < _LARGE:
        put(x, out)
        return
    in_parts(lambda part: put(x[:, part], out[part]), shares(x.shape[1], _PARTS), multiplies=False)


def _choose_copy(x: ndarray) -> Callable[[ndarray, ndarray], None]:
    if x.strides[0] == x.itemsize:
        return _put_as_items
    if len(x) <= _FEW_ROWS:
        return _put_row_by_row
    meeting = len(x) * gcd(x.strides[0], _PAGE_BYTES) > _L1_BYTES
    return _put_through_buffer if meeting else put_plainly_last


def _put_as_items(x: ndarray, out: ndarray) -> None:
    items_of(out)[...] = items_of(x.transpose((*range(1, x.ndim), 0)))


def items_of(x: ndarray) -> ndarray:
    """Return x (..., n) as (...), each n numbers side by side as one: NumPy copies them in half of the time."""
    return x.view(np.dtype((np.void, x.shape[-1] * x.itemsize)))[..., 0]


def _put_row_by_row(x: ndarray, out: ndarray) -> None:
    for some, into in zip(x, out.transpose(out.ndim - 1, *range(out.ndim - 1)), strict=True):
        into[...] = some


def _put_through_buffer(x: ndarray, out: ndarray) -> None:
    length = max(_MIN_ROW, _BUFFER_SIZE // len(x))
    at_a_time = length // x[0, 0].size
    if not at_a_time:
        for each, into in zip(x.swapaxes(0, 1), out, strict=True):
            _put_through_buffer(each, into)
        return
    buffer = np.empty((len(x), length + _ROW_PADDING), x.dtype)
    for start in range(0, x.shape[1], at_a_time):
        part = x[:, start : start + at_a_time]
        near = buffer[:, : part[0].size].reshape(part.shape)
        near[...] = part
        put_plainly_last(near, out[start : start + at_a_time])


def near_by(x: ndarray) -> ndarray:
    """Return a copy of x (m, ...) whose first axis does not meet itself in the cache, so that it may be turned."""
    size = x[:1].size
    copy = np.empty((len(x), size + _ROW_PADDING), x.dtype)[:, :size].reshape(x.shape)
    copy[...] = x
    return copy
