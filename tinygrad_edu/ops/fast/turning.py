"""The first axis made the last, faster: by way of a buffer that is near by.

What is turned is read in columns. Where its rows are some pages apart, all of a column falls into the same few places
of the cache, and each row that is read drives out another one that is not read to its end.
"""

import numpy as np
from numpy import ndarray

from tinygrad_edu.cores.threads import in_parts, shares

# So many numbers are turned at a time, in rows that lie by so many further apart than they are long.
_AT_A_TIME, _APART = 2**16, 20
# Rows that are a multiple of so many bytes apart meet in the cache, where there are more than so many of them.
_MEETING, _FEW = 2048, 8
# From so many numbers on threads share them, in so many parts.
_LARGE, _PARTS = 2**18, 4


def put_plainly_last(x: ndarray, out: ndarray) -> None:
    """Write (m, k, ...) into (k, ..., m): the first axis becomes the last."""
    out[...] = x.transpose((*range(1, x.ndim), 0))


def put_last(x: ndarray, out: ndarray) -> None:
    """Do as `put_plainly_last`."""
    if not x.size:
        return
    meeting = len(x) > _FEW and x.strides[0] % _MEETING == 0 and x.strides[-1] == x.itemsize
    put = _put_by_way_of_a_buffer if meeting else put_plainly_last
    if x.size < _LARGE:
        put(x, out)
        return
    in_parts(lambda part: put(x[:, part], out[part]), shares(x.shape[1], _PARTS), multiplies=False)


def _put_by_way_of_a_buffer(x: ndarray, out: ndarray) -> None:
    length = max(64, _AT_A_TIME // len(x))
    at_a_time = length // x[0, 0].size
    if not at_a_time:
        for each, into in zip(x.swapaxes(0, 1), out, strict=True):
            _put_by_way_of_a_buffer(each, into)
        return
    buffer = np.empty((len(x), length + _APART), x.dtype)
    for start in range(0, x.shape[1], at_a_time):
        part = x[:, start : start + at_a_time]
        near = buffer[:, : part[0].size].reshape(part.shape)
        near[...] = part
        put_plainly_last(near, out[start : start + at_a_time])


def channels_last(maps: ndarray) -> ndarray:
    """Return maps (out, rows, columns, N) as (rows, columns, N, out), one block of memory."""
    found = np.empty((*maps.shape[1:], len(maps)), maps.dtype)
    if maps.strides[3] < maps.strides[2]:
        put_last(maps, found)
        return found
    for n in range(maps.shape[3]):  # all of a sample is near by
        found[:, :, n] = maps[..., n].transpose(1, 2, 0)
    return found


def near_by(x: ndarray) -> ndarray:
    """Return a copy of x (m, ...) whose first axis does not meet itself in the cache, so that it may be turned."""
    size = x[:1].size
    copy = np.empty((len(x), size + _APART), x.dtype)[:, :size].reshape(x.shape)
    copy[...] = x
    return copy
