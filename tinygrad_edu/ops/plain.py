"""Reference implementations in plain NumPy, and helpers that they share with the faster ones in the folder ``fast``."""

from __future__ import annotations

import math
from functools import reduce
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.extras import missing_extra
from tinygrad_edu.ops.sliding_windows import Window, windows_by_offset

# --- Elementwise ---


def plain_masked(x: ndarray, mask: Any) -> ndarray:
    """Return x where the mask is True, and 0 elsewhere."""
    return np.where(mask, x, x.dtype.type(0))


def plain_zeroed(x: ndarray, mask: Any) -> ndarray:
    """Return 0 where the mask is True, and x elsewhere."""
    return np.where(mask, x.dtype.type(0), x)


def plain_selected(mask: Any, x: Any, y: Any) -> ndarray:
    """Return x where the mask is True, and y elsewhere."""
    return np.where(mask, x, y)


def plain_power_values(x: Any, y: Any) -> Any:
    """Return x ** y."""
    # NumPy computes the power of a NumPy scalar with another function, and the results may differ in the last digit.
    return np.asarray(x) ** y if isinstance(x, np.generic) else x**y


def plain_sigmoid_values(x: Any) -> Any:
    """Return 1 / (1 + exp(-x)), without overflow for large |x|."""
    e = np.exp(-1.0 * np.abs(x))  # not -np.abs(x), which wraps for unsigned integers
    return np.maximum(e, np.greater_equal(x, 0)) / (1 + e)  # the numerator is 1 for x >= 0


def plain_softplus_values(x: Any) -> Any:
    """Return log(1 + exp(x)), without overflow."""
    return np.logaddexp(0, x)


def plain_logaddexp_values(x: Any, y: Any) -> Any:
    """Return log(exp(x) + exp(y)), without overflow."""
    return np.logaddexp(x, y)


def plain_relu_values(x: ndarray) -> ndarray:
    """Return max(x, 0), and NaN where x is NaN."""
    return np.maximum(x, x.dtype.type(0))


def plain_nonpositive_values(x: ndarray) -> ndarray:
    """Return min(x, 0)."""
    return np.minimum(x, x.dtype.type(0))


def plain_relu_vjp(g: ndarray, out: ndarray) -> ndarray:
    """Return g where the result of relu is not 0, and 0 elsewhere."""
    return np.where(out == 0, g.dtype.type(0), g)


def plain_leaky_relu_values(x: Any, slope: Any) -> ndarray:
    """Return x where it is positive, and slope * x elsewhere."""
    return np.where(np.greater(x, 0), x, np.multiply(slope, x))


def plain_leaky_relu_slope(x: Any, slope: Any) -> ndarray:
    """Return 1 where x is positive, and the slope elsewhere."""
    return np.where(np.greater(x, 0), x.dtype.type(1), slope)


def plain_silu_vjp(g: Any, x: Any, s: Any) -> Any:
    """Return g * s * (1 + x * (1 - s)), where s is sigmoid(x)."""
    return g * (s * (1 + x * (1 - s)))


# The tanh approximation of gelu is x * sigmoid(GELU_LINEAR * x + GELU_CUBIC * x ** 3): D. Hendrycks and K. Gimpel,
# "Gaussian error linear units (GELUs)", 2016.
GELU_LINEAR = 2 * math.sqrt(2 / math.pi)
GELU_CUBIC = GELU_LINEAR * 0.044715


def plain_gelu_tanh_vjp(g: Any, x: Any, s: Any) -> Any:
    """Return g * (s + x * s * (1 - s) * du/dx), where s is sigmoid(u), the gate of the tanh approximation."""
    return g * (s + x * (s * (1 - s)) * (GELU_LINEAR + 3 * GELU_CUBIC * (x * x)))


def plain_tanh_vjp(g: Any, out: Any) -> Any:
    """Return g * (1 - out * out), where out is tanh(x)."""
    return g * (1 - out * out)


# --- Reductions and products ---


def plain_reduce_along(function: np.ufunc, x: Any, axis: Any, keepdims: bool = True, **settings: Any) -> Any:
    """Return ``function.reduce(x, axis)``."""
    return function.reduce(x, axis=axis, keepdims=keepdims, **settings)


def plain_sum_along(x: ndarray, axes: tuple[int, ...] | None, keepdims: bool, dtype: Any) -> Any:
    """Sum x over several axes, or over all."""
    return plain_reduce_along(np.add, x, axes, keepdims, dtype=dtype)


def plain_sum_of_squares(x: ndarray, axes: Any, keepdims: bool) -> Any:
    """Return the sum of x * x over one axis, several, or all."""
    return plain_reduce_along(np.add, x * x, axes, keepdims)


def plain_log_sum(x: ndarray, axis: Any) -> ndarray:
    """Return log(sum(x)) over `axis`, which is kept with length 1. float16 is summed in float32."""
    dtype = np.float32 if x.dtype == np.float16 else x.dtype
    return np.asarray(np.log(np.add.reduce(x, axis, dtype, keepdims=True))).astype(x.dtype, copy=False)


def plain_mean_along(x: Any, axis: Any, keepdims: bool = False) -> Any:
    """Return the mean over `axis`. A 0-d array has the axes 0 and -1, as in NumPy's sum."""
    if np.ndim(x) == 0 and axis in (0, -1):
        axis = None
    return np.mean(x, axis=axis, keepdims=keepdims)


def plain_product(x: ndarray, y: ndarray, out: ndarray | None = None) -> ndarray:
    """Return x @ y for stacks of matrices: (..., m, k), (..., k, n) -> (..., m, n). Write into `out` if given."""
    return np.matmul(x, y, out=out)


def no_division(*arguments: Any) -> None:
    """Return None: the plain vjp of a product does not divide by its factors."""
    return


def plain_linear_values(x: ndarray, weight: ndarray, bias: ndarray | None = None) -> ndarray:
    """Return x @ weight.T + bias: (..., in), (out, in), (out,) -> (..., out)."""
    out = np.matmul(x, weight.T)
    return out if bias is None else out + bias


# --- Softmax ---


def plain_softmax_values(x: ndarray, axis: int) -> ndarray:
    """Return exp(x) / sum(exp(x)) along `axis`."""
    e = np.exp(plain_subtract_max(x, axis))
    total = np.add.reduce(e, axis, np.float32 if e.dtype == np.float16 else e.dtype, keepdims=True)
    return np.asarray(e / total).astype(e.dtype, copy=False)


def plain_subtract_max(x: ndarray, axis: int) -> ndarray:
    """Return x - max(x) along `axis`, so that exp does not overflow. Softmax does not change."""
    return np.asarray(x - np.maximum.reduce(x, axis, keepdims=True, initial=-np.inf))


def plain_softmax_vjp(g: ndarray, p: ndarray, axis: int) -> ndarray:
    """Return p * (g - sum(g * p)) along `axis`, where p is the softmax."""
    return p * (g - np.add.reduce(g * p, axis=axis, keepdims=True))


def plain_log_softmax_vjp(g: ndarray, out: ndarray, axis: int) -> ndarray:
    """Return g - exp(out) * sum(g) along `axis`, where out is the logarithm of the softmax."""
    return g - np.exp(out) * np.add.reduce(g, axis, keepdims=True)


# --- Indices ---


def plain_getitem_values(x: ndarray, index: Any) -> Any:
    """Return x[index]."""
    return x[index]


def plain_flat_indices(indices: ndarray, axis: int, shape: tuple[int, ...]) -> Any:
    """Return the flat indices of the elements that ``take_along_axis`` selects from an array of this shape."""
    grid = (np.arange(n).reshape(-1, *[1] * (len(shape) - 1 - a)) for a, n in enumerate(shape))
    return np.ravel_multi_index([indices if a == axis else i for a, i in enumerate(grid)], shape)


def stable_argsort(x: ndarray, descending: bool) -> ndarray:
    """Return the indices that sort x along its last axis. The sort is stable, and NaN is the largest."""
    if not descending:
        return x.argsort(-1, kind="stable")
    # Reversing the array reverses the order of ties; reversing the result restores it.
    return x.shape[-1] - 1 - x[..., ::-1].argsort(-1, kind="stable")[..., ::-1]


def plain_first_indices(x: ndarray, k: int, descending: bool) -> ndarray:
    """Return the first k of the indices that sort x along its last axis."""
    return stable_argsort(x, descending)[..., :k]


def plain_rank_indices(x: ndarray, ranks: ndarray) -> ndarray:
    """Return the index of the element with each rank along the last axis; for a row with a NaN, the index of a NaN."""
    order = stable_argsort(x, False)
    has_nan = np.isnan(np.take_along_axis(x, order[..., -1:], -1))
    return np.where(has_nan, order[..., -1:], order[..., ranks])


# --- Axes of images ---


def plain_samples_last(x: ndarray, axis: int = 0) -> ndarray:
    """Move the batch axis `axis` to the end: by default (N, C, H, W) -> (C, H, W, N)."""
    return np.moveaxis(x, axis, -1)


def plain_samples_first(x: ndarray, axis: int = 0) -> ndarray:
    """Move the batch axis from the end to `axis`: the inverse of `plain_samples_last`."""
    return np.moveaxis(x, -1, axis)


def plain_im2col_values(x: ndarray, window: Window) -> ndarray:
    """Copy the windows of images into columns: (N, C, H, W) -> (N, C * kh * kw, L)."""
    top, left = (inside.start for inside in window.inside)
    padded = np.pad(x, ((0, 0), (0, 0), (top, top), (left, left)))
    patches = np.stack([padded[:, :, i, j] for i, j in product(*window.taps)], axis=2)
    return patches.reshape(len(x), x.shape[1] * patches.shape[2], window.size[0] * window.size[1])


def plain_col2im_values(columns: ndarray, window: Window) -> ndarray:
    """Sum columns into images: (N, C * kh * kw, L) -> (N, C, H, W)."""
    offsets = list(product(*window.taps))
    n, channels = columns.shape[0], columns.shape[1] // len(offsets)
    patches = columns.reshape(n, channels, len(offsets), *window.size)
    padded = np.zeros((n, channels, *window.padded), columns.dtype)
    for k, (i, j) in enumerate(offsets):
        padded[:, :, i, j] += patches[:, :, k]
    return padded[:, :, *window.inside]


# --- Normalization of channels, (A, K, B) ---


def _channel_mean(x: ndarray) -> ndarray:
    """Return the mean over the first and the last axis: (1, K, 1), float64; 0 if x is empty."""
    return np.asarray(x.sum((0, 2), np.float64, keepdims=True) / max(x.shape[0] * x.shape[2], 1))


def plain_mean_of_products(x: ndarray, y: ndarray) -> ndarray:
    """Return the mean of x * y over the first and the last axis: (1, K, 1), float64; 0 if x is empty."""
    return _channel_mean(x * y)


def plain_moments(x: ndarray) -> ndarray:
    """Return the mean of each channel in the dtype of x, its rounding error, and the variance: (3, K)."""
    mean = _channel_mean(x)
    moments = [mean, mean - mean.astype(x.dtype), _channel_mean((x - mean) ** 2)]
    return np.concatenate(moments)[:, :, 0].astype(x.dtype)


def no_deviations(x: ndarray, eps: float) -> None:
    """Return None: the plain normalization needs only the moments."""


def plain_standardized(x: ndarray, eps: float, moments: ndarray) -> tuple[ndarray, ndarray]:
    """Return (x - mean) * scale in float64, and scale = 1 / sqrt(variance + eps): (A, K, B), (1, K, 1)."""
    mean, error, variance = moments.astype(np.float64)[:, None, :, None]
    scale = 1 / np.sqrt(variance + eps)
    return (x - mean - error) * scale, scale


def nan_if_infinite(factor: ndarray) -> Any:
    """Return the factors of deviations, with NaN in place of infinity.

    A deviation may be a mere rounding error; its product with infinity would be infinite, with a random sign.
    """
    return factor + (factor - factor)


def plain_channel_norm_values(x: ndarray, weight: ndarray, bias: ndarray, eps: float, moments: ndarray) -> ndarray:
    """Return weight * (x - mean) / sqrt(variance + eps) + bias; the weight and the bias are (1, K, 1)."""
    return np.asarray(nan_if_infinite(weight) * plain_standardized(x, eps, moments)[0] + bias).astype(x.dtype)


def plain_channel_norm_x(g: ndarray, x: ndarray, weight: ndarray, eps: float, moments: ndarray) -> ndarray:
    """Return the gradient of x: weight * scale * (g - mean(g) - s * mean(g * s)), where s is x standardized."""
    (s, scale), g = plain_standardized(x, eps, moments), g.astype(np.float64)
    g = g - _channel_mean(g)  # the mean of s is 0 only up to rounding; a large mean of g would amplify that error
    slope = g - s * _channel_mean(g * s)
    return np.asarray(nan_if_infinite(weight * scale) * slope).astype(x.dtype)


def plain_channel_norm_weight(g: ndarray, x: ndarray, eps: float, moments: ndarray) -> ndarray:
    """Return the gradient of the weight: the sum over each channel of g times x standardized, (1, K, 1)."""
    return (g * plain_standardized(x, eps, moments)[0]).sum((0, 2), keepdims=True).astype(g.dtype)


# --- Integrals ---


class Bell(NamedTuple):
    """The integrand scale * exp(rate * x * x), SciPy's name for its integral, and the public function that uses it."""

    scale: float
    rate: float
    name: str
    asker: str


ERF = Bell(2 / math.sqrt(math.pi), -1.0, "erf", "erf")
NORMAL = Bell(1 / math.sqrt(2 * math.pi), -0.5, "ndtr", "gelu(approximate='none')")


def plain_bell_integral(x: Any, bell: Bell) -> Any:
    """Return the integral, computed by SciPy, in the dtype of x if that is floating-point."""
    try:
        from scipy import special
    except ImportError as error:
        raise missing_extra(f"{bell.asker} requires SciPy", "scipy") from error
    x = np.asarray(x)
    out = getattr(special, bell.name)(x if x.dtype.kind == "f" else x.astype(np.float64))
    return out.astype(x.dtype, copy=False) if x.dtype.kind == "f" else out


# --- Max pooling ---


def plain_window_maxima(x: ndarray, window: Window) -> ndarray:
    """Return the maximum of each window of images (C, ..., N)."""
    for axis, taps in enumerate(window.taps, 1):
        before = (slice(None),) * axis
        x = reduce(np.maximum, (x[(*before, pixels)] for pixels in taps))
    return x


def plain_max_mask(x: ndarray, maxima: ndarray, window: Window) -> ndarray:
    """Return a mask of the pixels that are the maximum of their window, or in a window with a NaN.

    Its axes are those of the kernel, followed by those of the maxima.
    """
    return ~(windows_by_offset(x, window) < maxima)


def plain_add_to_chosen(values: ndarray, chosen: ndarray, window: Window) -> ndarray:
    """Return images (C, ..., N): each value is added to the chosen pixels of its window.

    The axes of `chosen` are as in `plain_max_mask`.
    """
    images = np.zeros((len(values), *window.padded, values.shape[-1]), values.dtype)
    pixels = windows_by_offset(images, window)
    for offset in np.ndindex(*map(len, window.taps)):
        pixels[offset] += plain_masked(values, chosen[offset])
    return images
