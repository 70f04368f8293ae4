"""Softmax that skips the maximum where exp does not overflow, and its vjp in place."""

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.fast.reductions import reduce_along
from tinygrad_edu.shared.speed.thresholds import SizeThreshold


def subtract_max(x: ndarray, axis: int) -> ndarray:
    """Return `plain_subtract_max`, in a new array."""
    return np.asarray(x - reduce_along(np.maximum, x, axis)) if x.size else np.array(x)


def softmax_values(x: ndarray, axis: int) -> ndarray:
    """Return exp(x) / sum(exp(x)) along `axis`; for large arrays without the maximum if the sums are in range."""
    if x.size >= _LARGE and x.dtype.char in "fd":
        with np.errstate(over="ignore"):
            e = np.exp(x)
            total = reduce_along(np.add, e, axis)
        # If every sum is at least 1, no quotient exceeds its exponential, so subnormal exponentials cost no accuracy.
        if total.max() < np.inf and (total.min() >= 1 or x.min() > -_SAFE_EXPONENT):
            return np.divide(e, total, out=e)
    e = subtract_max(x, axis)
    np.exp(e, out=e)
    total = reduce_along(np.add, e, axis, dtype=np.float32 if e.dtype == np.float16 else e.dtype)
    return np.asarray(np.divide(e, total, out=e))


# At least 2: for 0-d arrays NumPy returns scalars, which cannot be written into.
_LARGE, _SAFE_EXPONENT = SizeThreshold(4000, least=2), 30.0


def log_softmax_vjp(g: ndarray, out: ndarray, axis: int) -> ndarray:
    """Return the vjp of the logarithm of the softmax, computed in place in one array."""
    if not g.ndim:
        return g - np.exp(out) * np.add.reduce(g, axis, keepdims=True)
    slope = np.exp(out)
    slope *= reduce_along(np.add, g, axis)
    return np.subtract(g, slope, out=slope)


def softmax_vjp(g: ndarray, p: ndarray, axis: int) -> ndarray:
    """Return the vjp of the softmax; for contiguous float32 rows in place, with two passes fewer over memory.

    Not for float64: where p is near 1, g - sum(g * p) suffers from cancellation, and BLAS rounds the sum differently.
    """
    rows = p.ndim and axis in (-1, p.ndim - 1) and g.flags.c_contiguous and p.flags.c_contiguous
    if not rows or p.dtype != np.float32:
        return p * (g - np.add.reduce(g * p, axis=axis, keepdims=True))
    slope = g - np.vecdot(g, p)[..., None]
    slope *= p
    return slope
