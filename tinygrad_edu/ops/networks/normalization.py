"""Normalization over axes (batch, layer, group, instance, RMS), unit vectors, and distances."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike

from tinygrad_edu.engine import (
    NOT_COMPUTED,
    Array,
    Mapped,
    MappedCall,
    Precomputed,
    Tensor,
    TensorLike,
    batched,
    composite,
    op,
    shape_of,
    values_of,
    write_all,
)
from tinygrad_edu.errors import DTypeError, MappedValueError, ShapeError
from tinygrad_edu.ops.constant_vectors import equal_weights, nan_if_infinite, vector_of_ones
from tinygrad_edu.ops.elementwise.arithmetic import are_arrays, as_floating, astype
from tinygrad_edu.ops.elementwise.powers import power, rsqrt, square
from tinygrad_edu.ops.elementwise.selection import clip, where
from tinygrad_edu.ops.fast import deviations as small
from tinygrad_edu.ops.fast.networks import normalization as fast
from tinygrad_edu.ops.images.pooling import avg_pool2d
from tinygrad_edu.ops.linear_algebra.norms import vector_norm
from tinygrad_edu.ops.reductions.axes import inverse
from tinygrad_edu.ops.reductions.reduction import sum
from tinygrad_edu.ops.reductions.variance import scale_along
from tinygrad_edu.ops.shapes.shape import broadcast_to, reshape, shaped, transpose
from tinygrad_edu.ops.sliding_windows import per_axis
from tinygrad_edu.ops.tiling.padding import pad
from tinygrad_edu.shared.speed.plain_mode import faster_than
from tinygrad_edu.shared.speed.thresholds import SizeThreshold

__all__ = [
    "batch_norm", "cosine_similarity", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "normalize",
    "pairwise_distance", "renorm", "rms_norm",
]  # fmt: skip

# --- Normalization to mean 0 and variance 1: over axes 0 and 2 of three, or over axis 1 of two ---


def _rows_of_samples(batch: MappedCall) -> Any:
    """Merge the axis of the samples with that of the rows, the axis K of (K, B) or (A, K, B)."""
    batch = batch.spread()
    if batch.inputs[0].ndim == 3:
        n, k, _ = batch.inputs[0].shape
        out = batch.with_inputs(*(reshape(x, (n * k, x.shape[2])) for x in batch.inputs)).on_leading()
        return reshape(out, (n, k, out.shape[1]))
    n, _, k, _ = batch.inputs[0].shape
    merged = (reshape(transpose(x, (1, 0, 2, 3)), (x.shape[1], n * k, x.shape[3])) for x in batch.inputs)
    out = batch.with_inputs(*merged).on_leading()
    return transpose(reshape(out, (len(out), n, k, out.shape[2])), (1, 0, 2, 3))


def _channel_mean(x: ndarray) -> ndarray:
    """Return the mean over the first and the last axis: (1, K, 1), float64; 0 if x is empty."""
    return np.asarray(x.sum((0, 2), np.float64, keepdims=True) / max(x.shape[0] * x.shape[2], 1))


def plain_mean_of_products(x: ndarray, y: ndarray) -> ndarray:
    """Return the mean of x * y over the first and the last axis: (1, K, 1), float64; 0 if x is empty."""
    return _channel_mean(x * y)


mean_of_products = faster_than(plain_mean_of_products)(fast.mean_of_products)


@op(name="normalization", batching=_rows_of_samples)
def mean_product(x: Array, y: Array) -> Array:
    """Return the mean of x * y over the axes A and B: (A, K, B), (A, K, B) -> (1, K, 1); (K, B), (K, B) -> (K, 1)."""
    return _mean_product(x, y)


def _mean_product(x: ndarray, y: ndarray) -> ndarray:
    """Compute `mean_product` of arrays."""
    count = _elements_per_mean(x.shape)
    if count == x.shape[-1] > 0 and x.dtype is y.dtype and x.dtype.char != "e":  # each channel is a row
        return np.vecdot(x, y)[..., None] / count
    mean = mean_of_products(x if x.ndim == 3 else x[None], y)
    return np.asarray(mean if x.ndim == 3 else mean[0], np.result_type(x, y))


def _elements_per_mean(shape: tuple[int, ...]) -> int:
    """Return the number of elements in each mean."""
    return shape[1] if len(shape) == 2 else shape[0] * shape[2]


mean_product.vjps(
    x=lambda g, y, x_shape: g / _elements_per_mean(x_shape) * y,
    y=lambda g, x, y_shape: g / _elements_per_mean(y_shape) * x,
)


@op(name="normalization", batching=_rows_of_samples)
def center(x: Array) -> Array:
    """Return x - mean(x), with axes as in `mean_product`. It is linear, and its own transpose.

    If the numbers are large compared with their deviations, the rounding error of the mean can be as large as a
    deviation. The mean of the differences is therefore subtracted, too.
    """
    return _center(x)


def _center(x: ndarray) -> ndarray:
    """Compute `center` of an array."""
    if x.ndim == 2 and x.shape[1] < _LONG_ROW and x.dtype.char in "fd":
        return _centered_rows(x)
    out = x - _mean_product(x, np.ones(x.shape[-1], x.dtype))
    out -= _mean_product(out, np.ones(x.shape[-1], x.dtype))
    return out


# Rows from this length on are summed by `mean_product`, so that no long vectors are cached.
_LONG_ROW = SizeThreshold(2**12)


def _centered_rows(x: ndarray) -> ndarray:
    """Compute `center` of rows. The sums are products with vectors; one that overflows makes its row NaN."""
    n = x.shape[1]
    mean = x.dot(vector_of_ones(n, x.dtype))
    mean /= max(n, 1)
    out = x - mean[:, None]
    out -= out.dot(equal_weights(n, x.dtype))[:, None]
    return out


center.vjps(x=lambda g: center(g))


@op(name="normalization", batching=_rows_of_samples)
def divide_by_rms(x: Array, /, eps: float) -> Array:
    """Return x / sqrt(mean(x * x) + eps), with axes as in `mean_product`."""
    return np.asarray(x * _reciprocal_rms(x, eps))


def _reciprocal_rms(x: Array, eps: float) -> Array:
    """Return 1 / sqrt(mean(x * x) + eps), in the shape of that mean."""
    mean_square = _mean_product(x, x)
    mean_square += eps
    return np.reciprocal(np.sqrt(mean_square, out=mean_square), out=mean_square)


def _divide_by_rms_x(g: Any, x: Any, out: Any, eps: float) -> Any:
    # Except for eps, the result does not depend on the scale of x: subtract the component of g along the result.
    if not are_arrays(g, x, out):
        return (g - out * mean_product(g, out)) * rsqrt(mean_product(x, x) + eps)
    return _scaled_rejection(g, out, _reciprocal_rms(x, eps))


def _scaled_rejection(g: ndarray, out: ndarray, scale: ndarray) -> ndarray:
    """Return scale * (g - out * mean(g * out))."""
    slope = out * _mean_product(g, out)
    np.subtract(g, slope, out=slope)
    slope *= scale
    return slope


divide_by_rms.vjps(x=_divide_by_rms_x)


def _row_norm_of_samples(batch: MappedCall) -> Any:
    # The rows of all samples are computed again: `computed` has those of one sample.
    return _rows_of_samples(batch._replace(settings={**batch.settings, "computed": NOT_COMPUTED}))


@op(name="normalization", batching=_row_norm_of_samples)
def row_norm(x: Array, /, eps: float, computed: Precomputed = NOT_COMPUTED) -> Array:
    """Return divide_by_rms(center(x)) of rows (K, B). `computed` has the result and its factor, if already computed."""
    return computed["out"] if computed else _row_norm(x, eps)["out"]


def _row_norm(x: ndarray, eps: float) -> Precomputed:
    out = _center(x)
    variance = _mean_product(out, out)
    variance += eps
    scale = np.sqrt(variance)
    scale /= variance  # NaN if the variance overflows, where 1 / sqrt(variance) would be 0
    out *= scale
    return Precomputed(out=out, scale=scale)


def _row_norm_x(g: Any, x: Any, out: Any, eps: float, computed: Precomputed) -> Any:
    g = center(g)  # first: the rounding error of a large mean would remain
    if computed and are_arrays(g, x, out):
        return _scaled_rejection(g, out, computed["scale"])
    return _divide_by_rms_x(g, center(x), out, eps)


row_norm.vjps(x=_row_norm_x)


def _channels_of_samples(batch: MappedCall) -> Any:
    """Merge the axis of the samples with that of the channels, the axis K of (A, K, B)."""
    batch = batch.spread()
    x = batch.inputs[0]
    n, a, k, b = x.shape
    merged = (reshape(transpose(x, (1, 0, 2, 3)), (x.shape[1], n * k, x.shape[3])) for x in batch.inputs)
    out = batch.with_inputs(*merged).on_leading(computed=NOT_COMPUTED)
    return transpose(reshape(out, (a, n, k, b)), (1, 0, 2, 3))


def plain_moments(x: ndarray) -> ndarray:
    """Return the mean of each channel in the dtype of x, its rounding error, and the variance: (3, K)."""
    mean = _channel_mean(x)
    moments = [mean, mean - mean.astype(x.dtype), _channel_mean((x - mean) ** 2)]
    return np.concatenate(moments)[:, :, 0].astype(x.dtype)


moments = faster_than(plain_moments)(fast.moments)


def no_deviations(x: ndarray, eps: float) -> None:
    """Return None: the plain normalization needs only the moments."""


channel_deviations = faster_than(no_deviations)(small.channel_deviations)


def plain_standardized(x: ndarray, eps: float, moments: ndarray) -> tuple[ndarray, ndarray]:
    """Return (x - mean) * scale in float64, and scale = 1 / sqrt(variance + eps): (A, K, B), (1, K, 1)."""
    mean, error, variance = moments.astype(np.float64)[:, None, :, None]
    scale = 1 / np.sqrt(variance + eps)
    return (x - mean - error) * scale, scale


def plain_channel_norm_values(x: ndarray, weight: ndarray, bias: ndarray, eps: float, moments: ndarray) -> ndarray:
    """Return weight * (x - mean) / sqrt(variance + eps) + bias; the weight and the bias are (1, K, 1)."""
    return np.asarray(nan_if_infinite(weight) * plain_standardized(x, eps, moments)[0] + bias).astype(x.dtype)


channel_norm_values = faster_than(plain_channel_norm_values)(fast.channel_norm_values)


def plain_channel_norm_x(g: ndarray, x: ndarray, weight: ndarray, eps: float, moments: ndarray) -> ndarray:
    """Return the gradient of x: weight * scale * (g - mean(g) - s * mean(g * s)), where s is x standardized."""
    (s, scale), g = plain_standardized(x, eps, moments), g.astype(np.float64)
    g = g - _channel_mean(g)  # the mean of s is 0 only up to rounding; a large mean of g would amplify that error
    slope = g - s * _channel_mean(g * s)
    return np.asarray(nan_if_infinite(weight * scale) * slope).astype(x.dtype)


channel_norm_x = faster_than(plain_channel_norm_x)(fast.channel_norm_x)


def plain_channel_norm_weight(g: ndarray, x: ndarray, eps: float, moments: ndarray) -> ndarray:
    """Return the gradient of the weight: the sum over each channel of g times x standardized, (1, K, 1)."""
    return (g * plain_standardized(x, eps, moments)[0]).sum((0, 2), keepdims=True).astype(g.dtype)


channel_norm_weight = faster_than(plain_channel_norm_weight)(fast.channel_norm_weight)


@op(name="normalization", promotes=True, batching=_channels_of_samples)
def channel_norm(x: Array, weight: Array, bias: Array, /, eps: float, computed: Precomputed = NOT_COMPUTED) -> Array:
    """Return weight * divide_by_rms(center(x)) + bias, (A, K, B), (1, K, 1), (1, K, 1) -> (A, K, B), in few passes.

    `computed` is ``_statistics(x, eps)`` if already computed.
    """
    x, computed = _with_statistics(x, np.result_type(x, weight, bias), eps, computed)
    if _is_small(computed):
        return small.deviations_norm(x, weight[0] * computed["scale"], bias, computed["deviations"])
    return channel_norm_values(x, weight, bias, eps, computed["moments"])


def _statistics(x: ndarray, eps: float) -> Precomputed:
    """Return the moments of the channels, and the deviations and the scale of small float32 arrays."""
    found = channel_deviations(x, eps)
    if found is None:
        return Precomputed(moments=moments(x))
    of_channels, deviations, scale = found
    return Precomputed(moments=of_channels, deviations=deviations, scale=scale)


def _with_statistics(x: ndarray, dtype: Any, eps: float, computed: Precomputed) -> tuple[ndarray, Precomputed]:
    """Return x in a dtype, and its statistics, which are computed unless they are given."""
    x = np.asarray(x, dtype)
    return x, computed or _statistics(x, eps)


def _is_small(computed: Precomputed) -> bool:
    return "deviations" in computed.saved_values


def _channel_norm_x(g: Any, x: Any, weight: Any, eps: float, computed: Precomputed) -> Any:
    if not are_arrays(g, x, weight):
        return center(_divide_by_rms_x(g * weight, center(x), divide_by_rms(center(x), eps), eps))
    x, computed = _with_statistics(x, g.dtype, eps, computed)
    if _is_small(computed):
        return small.deviations_norm_x(g, weight[0] * computed["scale"], computed["deviations"], computed["scale"])
    return channel_norm_x(g, x, weight, eps, computed["moments"])


def _channel_norm_weight(g: Any, x: Any, eps: float, computed: Precomputed) -> Any:
    if not are_arrays(g, x):
        return sum(g * divide_by_rms(center(x), eps), (0, 2), keepdims=True)
    x, computed = _with_statistics(x, g.dtype, eps, computed)
    if _is_small(computed):
        return small.deviations_norm_weight(g, computed["deviations"], computed["scale"])
    return channel_norm_weight(g, x, eps, computed["moments"])


def _channel_norm_bias(g: Any) -> Any:
    if not are_arrays(g):
        return sum(g, (0, 2), keepdims=True)
    return np.asarray(mean_of_products(g, np.ones(g.shape[2], g.dtype)) * _elements_per_mean(g.shape), g.dtype)


channel_norm.vjps(x=_channel_norm_x, weight=_channel_norm_weight, bias=_channel_norm_bias)


@op(name="normalization", batching=_channels_of_samples)
def channel_norm_without_affine(x: Array, /, eps: float, computed: Precomputed = NOT_COMPUTED) -> Array:
    """Return divide_by_rms(center(x)) of channels (A, K, B): `channel_norm` with the weight 1 and the bias 0."""
    if _is_small(computed):
        return small.deviations_norm(x, computed["scale"], None, computed["deviations"])
    return channel_norm.forward(x, _weight_of_1(x), np.zeros((1, x.shape[1], 1), x.dtype), eps, computed)


def _weight_of_1(x: Any) -> ndarray:
    return vector_of_ones(x.shape[1], x.dtype).reshape(1, -1, 1)


channel_norm_without_affine.vjps(x=lambda g, x, eps, computed: _channel_norm_x(g, x, _weight_of_1(x), eps, computed))


def _normalize_channels(eps: float, computed: Precomputed, x: Any, weight: Any = None, bias: Any = None) -> Any:
    """Return `channel_norm` with the default weight 1 and bias 0."""
    if weight is None and bias is None:
        return channel_norm_without_affine(x, eps, computed)
    weight = _weight_of_1(x) if weight is None else weight
    return channel_norm(x, weight, np.zeros((1, x.shape[1], 1), x.dtype) if bias is None else bias, eps, computed)


@batched("first", inputs=1)
def normalize_rows(x: Any, eps: float) -> Any:
    """Return `row_norm`, and save the result and its factor for the vjp.

    A row whose sum or variance overflows becomes NaN, so that divergence is visible.
    """
    return row_norm(x, eps, _row_norm(values_of(x), eps))


def _call_in_shape(shape: tuple[int, ...], axes: tuple[int, ...] | None, function: Callable[[Any], Any], x: Any) -> Any:
    """Apply a function to x transposed and reshaped, then undo both. Squares could overflow in float16: use float32."""
    if x.dtype == np.float16:
        return astype(_call_in_shape(shape, axes, function, astype(x, np.float32)), np.float16)
    x = as_floating(x)
    if axes is None or axes == tuple(range(x.ndim)):
        return function(x) if x.shape == shape else reshape(function(reshape(x, shape)), x.shape)
    x = transpose(x, axes)
    return transpose(reshape(function(reshape(x, shape)), x.shape), inverse(axes))


def _rows_shape(name: str, x: Any, normalized_shape: int | Sequence[int], **affine: Any) -> tuple[int, int]:
    """Return the shape of x with the axes of `normalized_shape` merged into one axis, and those before into another.

    Raise if x, weight or bias do not match `normalized_shape`.
    """
    shape = tuple(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    before = x.shape[: -len(shape)]
    if not shape or x.shape != before + shape:
        raise ShapeError(f"{name}: the last axes of x must have normalized_shape {shape}, got {x.shape}.")
    for argument, value in affine.items():
        if value is not None and shape_of(value) != shape:
            raise ShapeError(f"{name}: {argument} must have shape {shape}, got {shape_of(value)}.")
    return math.prod(before), math.prod(x.shape[len(before) :])


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _expand_channels(name: str, x: Any, **values: Any) -> list[Any]:
    """Reshape values (C,) to broadcast with x (N, C, ...), or raise if they do not match; keep None."""
    if x.ndim < 2:
        raise ShapeError(f"{name}: x must have shape (N, C, ...), got {x.shape}.")
    for argument, value in values.items():
        if value is not None and shape_of(value) != x.shape[1:2]:
            raise ShapeError(f"{name}: {argument} must have shape ({x.shape[1]},), got {shape_of(value)}.")
    shape = (x.shape[1], *[1] * (x.ndim - 2))
    return [None if value is None else reshape(value, shape) for value in values.values()]


@composite("layer_norm")
def layer_norm(
    x: TensorLike, normalized_shape: int | Sequence[int], weight: TensorLike | None = None,
    bias: TensorLike | None = None, eps: float = 1e-5,
) -> Tensor | Array:  # fmt: skip
    """Normalize x to mean 0 and variance 1 over its last axes, then multiply by a weight and add a bias.

    Parameters
    ----------
    x : (..., *normalized_shape)
    normalized_shape : int or sequence of int
    weight, bias : (*normalized_shape), optional
    eps : float, default 1e-5
        Added to the variance.

    Returns
    -------
    Tensor or ndarray, shape of x
        A row whose sum or variance overflows is NaN, and so is its gradient. float16 is computed in float32.

    Raises
    ------
    ShapeError
        If the shapes do not match.
    """
    x = shaped(x)
    shape = _rows_shape("layer_norm", x, normalized_shape, weight=weight, bias=bias)
    return _affine(_call_in_shape(shape, None, lambda rows: normalize_rows(rows, eps), x), weight, bias)


def rms_norm(
    x: TensorLike, normalized_shape: int | Sequence[int], weight: TensorLike | None = None, eps: float | None = None
) -> Tensor | Array:
    """Divide x by its root mean square over its last axes, then multiply by a weight.

    `eps` is added to the mean square; its default is the machine epsilon of the dtype. Shapes are as in `layer_norm`.
    """
    x = shaped(x)
    shape = _rows_shape("rms_norm", x, normalized_shape, weight=weight)
    eps = float(np.finfo(x.dtype if x.dtype.kind == "f" else np.float32).eps) if eps is None else eps
    return _affine(_call_in_shape(shape, None, lambda rows: divide_by_rms(rows, eps), x), weight, None)


def group_norm(
    x: TensorLike, num_groups: int, weight: TensorLike | None = None, bias: TensorLike | None = None, eps: float = 1e-5
) -> Tensor | Array:
    """Normalize x to mean 0 and variance 1 over groups of channels, then multiply by a weight and add a bias.

    Parameters
    ----------
    x : (N, C, ...)
    num_groups : int
        Must divide C.
    weight, bias : (C,), optional
    eps : float, default 1e-5
        Added to the variance.

    Returns
    -------
    Tensor or ndarray, shape of x
        A group whose sum or variance overflows is NaN, and so is its gradient. float16 is computed in float32.

    Raises
    ------
    ShapeError
        If the shapes do not match.
    """
    x = shaped(x)
    weight, bias = _expand_channels("group_norm", x, weight=weight, bias=bias)
    n, c = x.shape[:2]
    if num_groups < 1 or c % num_groups:
        raise ShapeError(f"group_norm: num_groups must divide the {c} channels, got {num_groups}.")
    rows = (n * num_groups, c // num_groups * math.prod(x.shape[2:]))
    return _affine(_call_in_shape(rows, None, lambda rows: normalize_rows(rows, eps), x), weight, bias)


def batch_norm(
    x: TensorLike, running_mean: ArrayLike | None, running_var: ArrayLike | None, weight: TensorLike | None = None,
    bias: TensorLike | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor | Array:  # fmt: skip
    """Normalize each channel of x to mean 0 and variance 1, then multiply by a weight and add a bias.

    In training, normalize with the mean and variance of the batch, and update the running statistics in place, unless
    they are None: (1 - momentum) * running + momentum * batch, with the unbiased variance. Otherwise normalize with the
    running statistics.

    Parameters
    ----------
    x : (N, C, ...)
    running_mean, running_var : (C,) arrays, or Tensors that require no gradient; or None in training
    weight, bias : (C,), optional
    training : bool, default False
    momentum : float, default 0.1
        Weight of the batch in the running statistics.
    eps : float, default 1e-5
        Constant added to the variance.

    Raises
    ------
    ShapeError, DTypeError, ValueError
        If the shapes do not match, or a running statistic requires a gradient, or is None outside training.
    """
    x = shaped(x)
    _check_running("batch_norm", x, running_mean, running_var, training)
    if not training:
        return normalize_by_running(x, running_mean, running_var, weight, bias, eps)
    weight, bias = _expand_channels("batch_norm", x, weight=weight, bias=bias)
    if x.size == x.shape[1]:
        raise ShapeError(f"batch_norm: in training each channel must have more than one value, got x {x.shape}.")
    affine_after = None, None
    if x.dtype == np.float16:  # scaled after the cast back to float16
        affine_after, weight, bias = (weight, bias), None, None

    def on_rows(rows: Any) -> Any:
        affine = [value if value is None else reshape(value, (1, -1, 1)) for value in (weight, bias)]
        return _normalize_channels(eps, _update_running(rows, running_mean, running_var, momentum, eps), rows, *affine)

    return _affine(_call_in_shape(*_channel_layout(x), on_rows, x), *affine_after)


def _channel_layout(x: Any) -> tuple[tuple[int, int, int], tuple[int, ...]]:
    """Return a shape (A, C, B) for x (N, C, ...), and the order of the axes of x to reshape to it.

    B is innermost in memory: all samples of a channel in the batch-last layout and for small images, else one image.
    """
    axes, (n, c, *sizes) = tuple(range(x.ndim)), x.shape
    if not isinstance(x, Mapped) and values_of(x).transpose(*axes[1:], 0).flags.c_contiguous:
        return (math.prod(sizes[:1]), c, math.prod(sizes[1:]) * n), (*axes[2:3], 1, *axes[3:], 0)
    length = math.prod(sizes)
    if x.size >= _LARGE and 1 < length < _SHORT_ROW:  # a copy in which each channel is one row
        return (1, c, n * length), (1, 0, *axes[2:])
    return (n, c, length), axes


# Rows shorter than this are copied, if there are many of them: NumPy's inner loops are then as long as a channel.
_SHORT_ROW, _LARGE = map(SizeThreshold, (128, 2**15))


@composite("instance_norm")
def instance_norm(
    x: TensorLike, running_mean: ArrayLike | None = None, running_var: ArrayLike | None = None,
    weight: TensorLike | None = None, bias: TensorLike | None = None, use_input_stats: bool = True,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor | Array:  # fmt: skip
    """Normalize each channel of each sample to mean 0 and variance 1, then multiply by a weight and add a bias.

    It applies `batch_norm` to each sample separately, with `use_input_stats` as `training`. The running statistics are
    updated with the averages over the samples.
    """
    x = shaped(x)
    _check_running("instance_norm", x, running_mean, running_var, use_input_stats)
    if not use_input_stats:
        return normalize_by_running(x, running_mean, running_var, weight, bias, eps)
    weight, bias = _expand_channels("instance_norm", x, weight=weight, bias=bias)
    n, c, length = x.shape[0], x.shape[1], math.prod(x.shape[2:])
    if length == 1:
        raise ShapeError(f"instance_norm: each channel must have more than one value, got x of shape {x.shape}.")

    def on_rows(rows: Any) -> Any:
        return _normalize_channels(eps, _update_running(rows, running_mean, running_var, momentum, eps), rows)

    return _affine(_call_in_shape((1, n * c, length), None, on_rows, x), weight, bias)


def _check_running(name: str, x: Any, running_mean: Any, running_var: Any, from_input: bool) -> None:
    for argument, value in (("running_mean", running_mean), ("running_var", running_var)):
        if value is None and not from_input:
            raise ValueError(f"{name}: {argument} must be given if the statistics are not computed from x, got None.")
        if getattr(value, "requires_grad", False):
            raise DTypeError(f"{name}: {argument} is not differentiable, but requires a gradient; detach() it.")
        if value is not None and shape_of(value) != x.shape[1:2]:
            raise ShapeError(
                f"{name}: {argument} must have shape (C,) for x (N, C, ...), got {shape_of(value)} for {x.shape}."
            )
        dtype = getattr(value, "dtype", type(value))
        if value is not None and from_input and getattr(dtype, "kind", "") != "f":
            raise DTypeError(
                f"{name}: {argument} is updated in place, so it must be a floating-point array or Tensor, got "
                f"{dtype.__name__ if isinstance(dtype, type) else dtype}."
            )


@composite("batch_norm")
def normalize_by_running(x: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Normalize each channel with running statistics (C,), then multiply by a weight and add a bias, (C,) or None."""
    dtype = x.dtype if x.dtype.kind == "f" else np.float32
    mean, var = (values_of(shaped(running)) for running in (running_mean, running_var))
    mean, var, weight, bias = _expand_channels("batch_norm", x, mean=mean, var=var, weight=weight, bias=bias)
    return _affine((x - mean.astype(dtype)) / np.sqrt(var + eps).astype(dtype), weight, bias)


def _update_running(x: Any, running_mean: Any, running_var: Any, momentum: float, eps: float) -> Precomputed:
    """Update the running statistics of C channels in place, and return the statistics of x, (A, K, B).

    They move towards the mean and the unbiased variance of x, averaged over the K / C samples. Return none inside of
    `vmap`, where the statistics are computed later.
    """
    if isinstance(x, Mapped):
        if running_mean is None and running_var is None:
            return NOT_COMPUTED
        raise MappedValueError(
            "normalization in training writes its running statistics, which all samples share. Call eval(), or "
            "make the layer without running statistics."
        )
    computed = _statistics(values_of(x), eps)
    if x.size and not (running_mean is None and running_var is None):
        mean, mean_error, variance = computed["moments"]
        count = x.shape[0] * x.shape[2]
        unbiased_var = variance * (count / max(count - 1, 1))
        _move_running([(running_mean, mean + mean_error), (running_var, unbiased_var)], momentum)
    return computed


def _move_running(pairs: Sequence[tuple[Any, ndarray]], momentum: float) -> None:
    """Move each running statistic that is not None towards that of the batch, in place."""
    updates = []
    for running, statistic in pairs:
        if running is not None:
            batch_statistic = statistic.reshape(-1, *shape_of(running)).mean(0)
            updates.append((running, (1 - momentum) * np.asarray(values_of(running)) + momentum * batch_statistic))
    write_all([running for running, _ in updates], [statistic for _, statistic in updates])


def local_response_norm(
    x: TensorLike, size: int, alpha: float = 0.0001, beta: float = 0.75, k: float = 1.0
) -> Tensor | Array:
    """Return x / (k + alpha * mean(x * x)) ** beta, with the mean over `size` neighbouring channels.

    Channels beyond the first and the last count as 0. For an even size, the extra channel comes first.

    Parameters
    ----------
    x : (N, C, ...) array_like
    size : int
        Number of channels in the mean, at least 1. It may exceed C.
    alpha : float, default 1e-4
        Factor of the mean of the squares.
    beta : float, default 0.75
        The exponent.
    k : float, default 1.0
        Constant added to alpha times that mean.

    Returns
    -------
    Tensor or ndarray, shape of x

    Raises
    ------
    ShapeError, DTypeError, ValueError
        If x has fewer than 3 axes, or `size` is not an integer >= 1.
    """
    x, (size,) = shaped(x), per_axis(size, "local_response_norm: size", 1, 1)
    if x.ndim < 3:
        raise ShapeError(f"local_response_norm: x must have at least 3 axes (N, C, ...), got shape {x.shape}.")
    n, c = x.shape[:2]
    squares = reshape(square(x), (n, 1, c, math.prod(x.shape[2:])))
    before, after = min(size // 2, c), min((size - 1) // 2, c)  # no channels beyond
    width = before + 1 + after
    averages = avg_pool2d(pad(squares, ((0, 0), (0, 0), (before, after), (0, 0))), (width, 1), 1)
    return x / power(reshape(averages, x.shape) * (alpha * (width / size)) + k, beta)


# --- Unit vectors and distances ---


@batched("axis")
def normalize(x: TensorLike, p: float = 2.0, axis: Any = 1, eps: float = 1e-12) -> Tensor | Array:
    """Return x divided by the larger of its p-norm over `axis` and `eps`. The derivative of the norm at 0 is 0."""
    x = shaped(x)
    if x.dtype == np.float16:  # eps is 0 in float16
        return astype(normalize(astype(x, np.float32), p, axis, eps), np.float16)
    length = vector_norm(x, axis=axis, keepdims=True, ord=p)
    large = np.isinf(values_of(length))
    if large.any():
        x = x / np.where(large, scale_along(values_of(x), axis), 1)
        length = vector_norm(x, axis=axis, keepdims=True, ord=p)
    return x / clip(length, eps)


def renorm(x: TensorLike, p: float, axis: int, maxnorm: float) -> Tensor | Array:
    """Return x with each slice along `axis` scaled down to the p-norm `maxnorm`, if its norm is larger.

    As in PyTorch, the factor is maxnorm / (norm + 1e-7).

    Parameters
    ----------
    x : array_like, of at least 2 axes
    p : float
        The order of the norm, as in `linalg.vector_norm`.
    axis : int
        The axis of the slices.
    maxnorm : float
        The greatest norm of a slice, >= 0.

    Examples
    --------
    >>> import numpy as np
    >>> renorm(np.array([[3.0, 4.0], [0.0, 1.0]]), 2, 0, 2.0).round(6)
    array([[1.2, 1.6],
           [0. , 1. ]])
    """
    x = as_floating(x)
    if x.ndim < 2 or maxnorm < 0:
        raise ValueError(f"renorm: expected at least 2 axes and maxnorm >= 0, got shape {x.shape} and {maxnorm}.")
    axis = np.lib.array_utils.normalize_axis_index(axis, x.ndim)
    length = vector_norm(x, axis=tuple(a for a in range(x.ndim) if a != axis), keepdims=True, ord=p)
    return where(values_of(length) > maxnorm, x * (maxnorm / (length + 1e-7)), x)


def cosine_similarity(x1: TensorLike, x2: TensorLike, axis: int = 1, eps: float = 1e-8) -> Tensor | Array:
    """Return the cosine of the angle between vectors along `axis`: the dot product of the unit vectors.

    The shapes broadcast. A norm less than `eps` counts as `eps`.
    """
    x1, x2 = shaped(x1), shaped(x2)
    if x1.ndim == x2.ndim == 0:  # scalars are vectors of one element, as in PyTorch
        x1, x2 = reshape(x1, (1,)), reshape(x2, (1,))
    shape = np.broadcast_shapes(x1.shape, x2.shape)
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(f"cosine_similarity: axis {axis} is out of bounds for shapes {x1.shape} and {x2.shape}.")
    axis = axis - len(shape) if axis >= 0 else axis  # a negative axis is valid for both
    vectors = (x if x.ndim >= -axis and x.shape[axis] == shape[axis] else broadcast_to(x, shape) for x in (x1, x2))
    unit1, unit2 = (normalize(x, 2.0, axis, eps) for x in vectors)
    return sum(unit1 * unit2, axis)


def pairwise_distance(
    x1: TensorLike, x2: TensorLike, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False
) -> Tensor | Array:
    """Return the p-norm of x1 - x2 + eps over the last axis. The shapes broadcast."""
    return vector_norm(shaped(x1) - shaped(x2) + eps, axis=-1, keepdims=keepdims, ord=p)
