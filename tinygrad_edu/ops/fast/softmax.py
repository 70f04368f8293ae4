"""The derivative of a softmax, faster where its rows lie in memory: a call of BLAS for the sum of each."""

import numpy as np
from numpy import ndarray


def plain_softmax_slope(g: ndarray, p: ndarray, axis: int) -> ndarray:
    """Return p * (g - sum(g * p)) along `axis`."""
    return p * (g - np.add.reduce(g * p, axis=axis, keepdims=True))


def softmax_slope(g: ndarray, p: ndarray, axis: int) -> ndarray:
    """Return `plain_softmax_slope`; of float32 rows in memory with two passes less, in place.

    Where p is near 1 what is left are the last digits of the sum, and BLAS rounds it otherwise: float64 is for digits.
    """
    if axis not in (-1, p.ndim - 1) or p.dtype != np.float32 or not (g.flags.c_contiguous and p.flags.c_contiguous):
        return plain_softmax_slope(g, p, axis)
    slope = g - np.vecdot(g, p)[..., None]
    slope *= p
    return slope
