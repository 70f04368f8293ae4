"""Softmax and its derivative, faster: without a maximum where no number is large, and with sums by BLAS."""

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.fast.reductions import reduction_along
from tinygrad_edu.thresholds import SizeThreshold


def shifted(x: ndarray, axis: int) -> ndarray:
    """Move the greatest element to 0, in a new array: softmax does not change, and nothing overflows."""
    return np.asarray(x - reduction_along(np.maximum, x, axis, initial=-np.inf))


def plain_softmax_values(x: ndarray, axis: int) -> ndarray:
    """Return exp(x) / sum(exp(x)) along `axis`."""
    e = shifted(x, axis)
    return _shares(np.exp(e, out=e), axis)


def softmax_values(x: ndarray, axis: int) -> ndarray:
    """Return `plain_softmax_values`; of numbers near 0, which do not overflow, as they are."""
    if x.size < _LARGE or x.dtype.char not in "fd" or not (x.min() > -_NEAR and x.max() < _NEAR):
        return plain_softmax_values(x, axis)
    return _shares(np.exp(x), axis)


def _shares(e: ndarray, axis: int) -> Any:
    total = reduction_along(np.add, e, axis, dtype=np.float32 if e.dtype == np.float16 else e.dtype)
    return np.divide(e, total, out=e)


# At least 2: NumPy returns a number, which cannot be written into, for an array of no dimensions.
_LARGE, _NEAR = SizeThreshold(4000, least=2), 30.0


def plain_log_softmax_slope(g: ndarray, out: ndarray, axis: int) -> ndarray:
    """Return g - exp(out) * sum(g) along `axis`."""
    return g - np.exp(out) * np.add.reduce(g, axis, keepdims=True)


def log_softmax_slope(g: ndarray, out: ndarray, axis: int) -> ndarray:
    """Return `plain_log_softmax_slope`, in one array."""
    if not g.ndim:
        return plain_log_softmax_slope(g, out, axis)
    slope = np.exp(out)
    slope *= reduction_along(np.add, g, axis)
    return np.subtract(g, slope, out=slope)


def plain_softmax_slope(g: ndarray, p: ndarray, axis: int) -> ndarray:
    """Return p * (g - sum(g * p)) along `axis`."""
    return p * (g - np.add.reduce(g * p, axis=axis, keepdims=True))


def softmax_slope(g: ndarray, p: ndarray, axis: int) -> ndarray:
    """Return `plain_softmax_slope`; of float32 rows in memory with two passes less, in place.

    Where p is near 1 what is left are the last digits of the sum, and BLAS rounds it otherwise: float64 is for digits.
    """
    rows = p.ndim and axis in (-1, p.ndim - 1) and g.flags.c_contiguous and p.flags.c_contiguous
    if not rows or p.dtype != np.float32:
        return plain_softmax_slope(g, p, axis)
    slope = g - np.vecdot(g, p)[..., None]
    slope *= p
    return slope
