"""The softmax of rows and its derivative, some rows at a time, which stay in the cache until they are done."""

from collections.abc import Iterator

import numpy as np
from numpy import ndarray

# So many elements of each of three arrays fit into a core's cache.
_PART = 2**16


def plain_softmax(x: ndarray, axis: int) -> ndarray:
    """Return exp(x) / sum(exp(x)) along `axis`, with the greatest element moved to 0, so that nothing overflows."""
    e = np.exp(x - np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf))
    total = np.add.reduce(e, axis=axis, keepdims=True, dtype=np.result_type(e.dtype, np.float32))
    return np.divide(e, total).astype(e.dtype, copy=False)


def softmax_of_rows(x: ndarray, axis: int) -> ndarray:
    """Return `plain_softmax`; of long rows in memory in parts, each in place."""
    if not _are_rows(axis, x):
        return plain_softmax(x, axis)
    out = np.empty_like(x)
    for some, e in _parts(x, out):
        np.subtract(some, np.maximum.reduce(some, axis=1, keepdims=True, initial=-np.inf), out=e)
        np.exp(e, out=e)
        np.divide(e, np.add.reduce(e, axis=1, keepdims=True, dtype=np.result_type(e.dtype, np.float32)), out=e)
    return out


def plain_softmax_slope(g: ndarray, out: ndarray, axis: int) -> ndarray:
    """Return out * (g - sum(g * out)), the derivative of a softmax `out` times g."""
    return out * (g - np.add.reduce(g * out, axis=axis, keepdims=True))


def softmax_slope(g: ndarray, out: ndarray, axis: int) -> ndarray:
    """Return `plain_softmax_slope`; of rows in memory in parts, with a call of BLAS for each sum."""
    if not _are_rows(axis, g, out) or out.dtype == np.float16:
        return plain_softmax_slope(g, out, axis)
    found = np.empty_like(out)
    for some, p, slope in _parts(g, out, found):
        np.subtract(some, np.vecdot(some, p)[:, None], out=slope)
        slope *= p
    return found


def _are_rows(axis: int, *arrays: ndarray) -> bool:
    """Whether the elements along an axis lie side by side in memory, row after row, in all of the arrays."""
    x = arrays[0]
    if not x.size or axis not in (-1, x.ndim - 1) or not x.ndim:
        return False
    return all(a.flags.c_contiguous and a.dtype == x.dtype for a in arrays)


def _parts(*arrays: ndarray) -> Iterator[list[ndarray]]:
    """Cut arrays into some rows at a time, as views (rows, length)."""
    length = arrays[0].shape[-1]
    rows = [a.reshape(-1, length) for a in arrays]
    each = max(1, _PART // length)
    return ([a[start : start + each] for a in rows] for start in range(0, len(rows[0]), each))
