"""Normalization of channels in few passes over memory: some channels at a time, which stay in the cache.

All arrays are (A, K, B), and each of the K channels is normalized separately. The mean that is subtracted is rounded to
the dtype. If it is large compared with the deviations, the differences have a nonzero mean: its rounding error. That
error is computed, too, and subtracted in the same pass that adds the bias.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.constant_vectors import nan_if_infinite
from tinygrad_edu.shared.speed.threads import even_slices, map_parts
from tinygrad_edu.shared.speed.thresholds import SizeThreshold

# Bytes of an array in a part: a few arrays of that size fit into the third-level cache.
_PART_BYTES = SizeThreshold(2**21)
# Number of elements from which threads share the parts; below, synchronizing takes longer than computing.
_LARGE = SizeThreshold(2**20)


def mean_of_products(x: ndarray, y: ndarray) -> ndarray:
    """Return the mean of x * y over the first and the last axis: (1, K, 1), float64."""
    # BLAS on each row is faster than x * y; the sum over rows in float64 has no large rounding error.
    rows = np.vecdot(x, y) if x.shape[2] != 1 else (x * y)[..., 0]
    return np.add.reduce(rows, 0, np.float64, keepdims=True)[..., None] / max(x.shape[0] * x.shape[2], 1)


def _channel_mean(x: ndarray) -> ndarray:
    return mean_of_products(x, np.ones(x.shape[2], x.dtype))


def _for_each_part(function: Callable[[slice], None], x: ndarray) -> None:
    if x.nbytes < _PART_BYTES:
        function(slice(None))
        return
    map_parts(function, even_slices(x.shape[1], 1 + x.nbytes // _PART_BYTES), large=x.size >= _LARGE)


def moments(x: ndarray) -> ndarray:
    """Return `plain_moments`, computed part by part."""
    out = np.empty((3, x.shape[1]), x.dtype)

    def fill(part: slice) -> None:
        mean = _channel_mean(x[:, part]).astype(x.dtype)
        centred = x[:, part] - mean
        mean_error = _channel_mean(centred)
        variance = np.maximum(mean_of_products(centred, centred) - mean_error * mean_error, 0)
        out[:, part] = mean[0, :, 0], mean_error[0, :, 0], variance[0, :, 0]

    _for_each_part(fill, x)
    return out


def _unpack_moments(moments: ndarray, eps: float, dtype: Any) -> tuple[ndarray, ndarray, ndarray]:
    """Return the mean, its rounding error, and 1 / sqrt(variance + eps): each (1, K, 1)."""
    mean, mean_error, variance = moments[:, None, :, None]
    wide = np.result_type(dtype, np.float64)  # a small eps is subnormal in float16
    return mean.astype(dtype), mean_error, 1 / np.sqrt(variance.astype(wide) + eps)


def channel_norm_values(x: ndarray, weight: ndarray, bias: ndarray, eps: float, moments: ndarray) -> ndarray:
    """Return `plain_channel_norm_values`, given the moments of x."""
    mean, mean_error, scale = _unpack_moments(moments, eps, x.dtype)
    scale = nan_if_infinite(weight * scale)
    shift = np.asarray(bias - mean_error * scale, x.dtype)
    scale, out = np.asarray(scale, x.dtype), np.empty_like(x)

    def fill(part: slice) -> None:
        part_out = np.subtract(x[:, part], mean[:, part], out=out[:, part])
        part_out *= scale[:, part]
        part_out += shift[:, part]

    _for_each_part(fill, x)
    return out


def channel_norm_x(g: ndarray, x: ndarray, weight: ndarray, eps: float, moments: ndarray) -> ndarray:
    """Return the gradient of x: scale * (g - mean(g) - unit * mean(g * unit)), where unit is x standardized.

    It is a linear combination of g and x, each minus its rounded mean, plus a constant per channel.
    """
    if x.dtype == np.float16:  # the factors may overflow in float16
        g, x, weight = (array.astype(np.float32) for array in (g, x, weight))
        return channel_norm_x(g, x, weight, eps, moments).astype(np.float16)
    mean, mean_error, scale = _unpack_moments(moments, eps, x.dtype)
    out = np.empty_like(x)

    def fill(part: slice) -> None:
        centred = np.subtract(x[:, part], mean[:, part], out=out[:, part])
        factor = nan_if_infinite(weight[:, part] * scale[:, part])
        centred_g = g[:, part] - np.asarray(_channel_mean(g[:, part]), g.dtype)
        g_mean_error = _channel_mean(centred_g)
        covariance = mean_of_products(centred_g, centred) - g_mean_error * mean_error[:, part]
        slope = -factor * scale[:, part] ** 2 * covariance
        centred_g *= np.asarray(factor, x.dtype)
        centred *= np.asarray(slope, x.dtype)
        centred += centred_g
        centred -= np.asarray(factor * g_mean_error + slope * mean_error[:, part], x.dtype)

    _for_each_part(fill, x)
    return out


def channel_norm_weight(g: ndarray, x: ndarray, eps: float, moments: ndarray) -> ndarray:
    """Return the gradient of the weight: the sum over each channel of g * unit, (1, K, 1)."""
    mean, mean_error, scale = _unpack_moments(moments, eps, x.dtype)
    out = np.empty(mean.shape, g.dtype)

    def fill(part: slice) -> None:
        mean_product = mean_of_products(g[:, part], x[:, part] - mean[:, part])
        mean_product -= _channel_mean(g[:, part]) * mean_error[:, part]
        out[:, part] = mean_product * scale[:, part] * (x.shape[0] * x.shape[2])

    _for_each_part(fill, x)
    return out
