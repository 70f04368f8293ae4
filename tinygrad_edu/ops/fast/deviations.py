"""Normalization of small float32 channels in float64, where the rounding error of the mean is negligible.

It takes few calls of NumPy. Arrays are (A, K, B), with K channels, as in `normalization.py`.
"""

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.constant_vectors import equal_weights, nan_if_infinite
from tinygrad_edu.shared.speed.thresholds import SizeThreshold

# Number of elements up to which the copies in float64 stay in the cache.
_SMALL = SizeThreshold(2**15)


def channel_deviations(x: ndarray, eps: float) -> tuple[ndarray, ndarray, ndarray] | None:
    """Return `plain_moments`, the differences of x from the means, (K, A * B), and 1 / sqrt(variance + eps), (K, 1).

    They are float64. Return None if x is large or is not float32. A variance that overflows in float32 is infinite.
    """
    if x.size > _SMALL or x.dtype.char != "f":
        return None
    rows = _as_rows(x)
    moments = np.zeros((3, len(rows)))
    moments[0] = _subtract_mean(rows)
    moments[2] = (np.vecdot(rows, rows) / max(rows.shape[1], 1)).astype(x.dtype)
    std = moments[2][:, None] + eps
    np.sqrt(std, out=std)
    return moments, rows, np.reciprocal(std, out=std)


def deviations_norm(x: ndarray, factor: ndarray, bias: ndarray | None, deviations: ndarray) -> ndarray:
    """Return `plain_channel_norm_values`, given the deviations, and the product of the weight and the scale, (K, 1)."""
    out = deviations * nan_if_infinite(factor)
    if bias is not None:
        out += bias[0]
    return _from_rows(out, x)


def deviations_norm_x(g: ndarray, factor: ndarray, deviations: ndarray, scale: ndarray) -> ndarray:
    """Return `plain_channel_norm_x`, given the results of `channel_deviations`, and the factor as above."""
    rows = _as_rows(g)
    _subtract_mean(rows)
    covariance = np.vecdot(rows, deviations)[:, None]
    rows -= deviations * (covariance * (scale * scale / max(rows.shape[1], 1)))
    rows *= nan_if_infinite(factor)
    return _from_rows(rows, g)


def deviations_norm_weight(g: ndarray, deviations: ndarray, scale: ndarray) -> ndarray:
    """Return `plain_channel_norm_weight`, given the results of `channel_deviations`."""
    rows = _as_rows(g)
    _subtract_mean(rows)  # its product with the deviations is 0 only up to rounding
    slope = np.vecdot(rows, deviations)[:, None] * scale
    return slope.astype(g.dtype)[None]


def _as_rows(x: ndarray) -> ndarray:
    a, k, b = x.shape
    return np.array(x.transpose(1, 0, 2), np.float64, order="C").reshape(k, a * b)


def _from_rows(rows: ndarray, like: ndarray) -> ndarray:
    (a, k, b), out = like.shape, np.empty_like(like)
    out[...] = rows.reshape(k, a, b).transpose(1, 0, 2)
    return out


def _subtract_mean(rows: ndarray) -> ndarray:
    """Subtract the mean of each row in place, and return the means."""
    mean = rows.dot(equal_weights(rows.shape[1], rows.dtype))
    rows -= mean[:, None]
    return mean
