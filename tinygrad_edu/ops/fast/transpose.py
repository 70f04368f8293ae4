"""Copies that move the first axis to the end, through a buffer that stays in the cache.

Transposing reads columns. If the row stride is a multiple of the page size, all elements of a column map to the same
few cache sets, and each row evicts others before they are fully read.
"""

from collections.abc import Callable
from math import gcd

import numpy as np
from numpy import ndarray

from tinygrad_edu.shared.speed.threads import even_slices, map_parts
from tinygrad_edu.shared.speed.thresholds import SizeThreshold

# Elements of the buffer; minimum length of its rows, and their padding.
_BUFFER_SIZE, _MIN_ROW, _ROW_PADDING = SizeThreshold(2**17), SizeThreshold(64), 20
# Bytes of the first-level cache and of a page; number of rows up to which rows are copied one by one.
_L1_BYTES, _PAGE_BYTES, _FEW_ROWS = map(SizeThreshold, (2**15, 2**12, 8))
# Number of elements from which threads share the copy, and number of parts.
_LARGE, _PARTS = map(SizeThreshold, (2**18, 4))


def plain_put_last(x: ndarray, out: ndarray) -> None:
    """Write x (m, k, ...) into `out` (k, ..., m): move the first axis to the end."""
    out[...] = x.transpose((*range(1, x.ndim), 0))


def put_last(x: ndarray, out: ndarray) -> None:
    """Write as `plain_put_last`, with the fastest kind of copy."""
    if not x.size:
        return
    put = _choose_copy(x)
    if x.size < _LARGE:
        put(x, out)
        return
    map_parts(lambda part: put(x[:, part], out[part]), even_slices(x.shape[1], _PARTS), multiplies=False)


def _choose_copy(x: ndarray) -> Callable[[ndarray, ndarray], None]:
    if x.strides[0] == x.itemsize:
        return _put_as_items
    if len(x) <= _FEW_ROWS:
        return _put_row_by_row
    has_conflicts = len(x) * gcd(x.strides[0], _PAGE_BYTES) > _L1_BYTES
    return _put_through_buffer if has_conflicts else plain_put_last


def _put_as_items(x: ndarray, out: ndarray) -> None:
    items_of(out)[...] = items_of(x.transpose((*range(1, x.ndim), 0)))


def items_of(x: ndarray) -> ndarray:
    """Return a view of x (..., n) as (...) items of n elements, which NumPy copies in half the time."""
    return x.view(np.dtype((np.void, x.shape[-1] * x.itemsize)))[..., 0]


def _put_row_by_row(x: ndarray, out: ndarray) -> None:
    for row, target in zip(x, out.transpose(out.ndim - 1, *range(out.ndim - 1)), strict=True):
        target[...] = row


def _put_through_buffer(x: ndarray, out: ndarray) -> None:
    length = max(_MIN_ROW, _BUFFER_SIZE // len(x))
    columns_at_a_time = length // x[0, 0].size
    if not columns_at_a_time:
        for row, target in zip(x.swapaxes(0, 1), out, strict=True):
            _put_through_buffer(row, target)
        return
    buffer = np.empty((len(x), length + _ROW_PADDING), x.dtype)
    for start in range(0, x.shape[1], columns_at_a_time):
        part = x[:, start : start + columns_at_a_time]
        buffered = buffer[:, : part[0].size].reshape(part.shape)
        buffered[...] = part
        plain_put_last(buffered, out[start : start + columns_at_a_time])


def padded_copy(x: ndarray) -> ndarray:
    """Return a copy of x (m, ...) with padded rows, which can be transposed without cache conflicts."""
    size = x[:1].size
    copy = np.empty((len(x), size + _ROW_PADDING), x.dtype)[:, :size].reshape(x.shape)
    copy[...] = x
    return copy
