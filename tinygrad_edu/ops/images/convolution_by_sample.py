"""Convolutions in which each sample of `vmap` has kernels of its own: three ops that are one another's vjps.

Inside of ``vmap(grad(f))`` the samples have equal kernels, but gradients of their own. An array of equal kernels has
the stride 0 along the samples; then images and maps are computed as one batch, as in `convolution`.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, MappedCall, Op, op
from tinygrad_edu.ops.images.correlation import (
    affine_images,
    affine_maps,
    convolution,
    correlate,
    correlate_images,
    correlate_kernels,
    transposed_convolution,
)
from tinygrad_edu.ops.shapes.shape import expand_dims, reshape
from tinygrad_edu.ops.sliding_windows import Pair, Size, Window, pair, view_of, window_of
from tinygrad_edu.shared.speed.thresholds import SizeThreshold

# Elements of columns that stay in the cache until they are multiplied.
_CACHED_SIZE = SizeThreshold(2**18)


def _equal(weight: ndarray) -> bool:
    """Return whether the kernels of all samples are one array in memory."""
    return weight.strides[0] == 0


def _merged(x: ndarray) -> ndarray:
    """Merge the axis of the samples with the batch: (n, N, ...) -> (n * N, ...)."""
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


@op(name="conv2d", batching="first")
def correlate_by_sample(x: Array, weight: Array, /, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Array:
    """Correlate images with kernels: (n, N, C, H, W), (n, out, C / groups, kh, kw) -> (n, N, out, rows, columns)."""
    n, count = x.shape[:2]
    if _equal(weight):
        maps: Any = convolution(_merged(x), weight[0], None, stride, padding, dilation, groups)
        return maps.reshape(n, count, *maps.shape[1:])
    window = window_of(x.shape[3:], weight.shape[3:], stride, padding, dilation)
    kernels, length = _kernels(weight, groups), math.prod(window.size)
    maps = np.empty((n, count, groups, kernels.shape[3], length), np.result_type(x, weight))
    for part in _chunks(n, length * groups * kernels.shape[4] * count):
        np.matmul(kernels[part], _columns(x[part], window, groups), out=maps[part])
    return maps.reshape(n, count, weight.shape[1], *window.size)


@op(name="conv_transpose2d", batching="first")
def images_by_sample(
    maps: Array, weight: Array, /, size: Size, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Return the images with <images, x> = <maps, correlate_by_sample(x, weight)> for every x: (n, N, C, H, W)."""
    n, count = maps.shape[:2]
    if _equal(weight):
        images: Any = transposed_convolution(_merged(maps), weight[0], None, size, stride, padding, dilation, groups)
        return images.reshape(n, count, *images.shape[1:])
    window = window_of(size, weight.shape[3:], stride, padding, dilation)
    columns = np.matmul(_kernels(weight, groups).swapaxes(-1, -2), _pixels(maps, groups))
    windows = columns.reshape(n, count, groups * weight.shape[2], len(window.rows), len(window.columns), *window.size)
    padded = np.zeros((*windows.shape[:3], *window.padded), windows.dtype)
    for i, rows in enumerate(window.rows):
        for j, each in enumerate(window.columns):
            padded[..., rows, each] += windows[:, :, :, i, j]
    return padded[..., *window.inside]


@op(name="conv2d", batching="first")
def kernels_by_sample(
    maps: Array, x: Array, /, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Return the kernels with <kernels, weight> = <maps, correlate_by_sample(x, weight)> for every weight."""
    height, width = pair(kernel_size, "kernel_size", 1)
    window = window_of(x.shape[3:], (height, width), stride, padding, dilation)
    maps, x = np.ascontiguousarray(maps), np.ascontiguousarray(x)
    (n, _, out), each = maps.shape[:3], x.shape[2] // groups * height * width
    kernels = np.empty((n, groups, out // groups, each), np.result_type(maps, x))
    for part in _chunks(n, math.prod(window.size) * groups * each * x.shape[1]):
        rows, columns = _one_image(_pixels(maps[part], groups)), _one_image(_columns(x[part], window, groups))
        np.matmul(rows, columns.swapaxes(-1, -2), out=kernels[part])
    return kernels.reshape(n, out, x.shape[2] // groups, height, width)


def _chunks(n: int, size: int) -> Iterator[slice]:
    """Yield slices of the samples, so that the columns of a slice, `size` elements per sample, stay in the cache."""
    count = max(1, _CACHED_SIZE // max(size, 1))
    return (slice(start, start + count) for start in range(0, n, count))


correlate_by_sample.vjps(
    x=lambda g, x_shape, weight, **window: images_by_sample(g, weight, x_shape[3:], **window),
    weight=lambda g, x, weight_shape, **window: kernels_by_sample(g, x, weight_shape[3:], **window),
)
images_by_sample.vjps(
    maps=lambda g, weight, size, **window: correlate_by_sample(g, weight, **window),
    weight=lambda g, maps, weight_shape, size, **window: kernels_by_sample(maps, g, weight_shape[3:], **window),
)
kernels_by_sample.vjps(
    maps=lambda g, x, kernel_size, **window: correlate_by_sample(x, g, **window),
    x=lambda g, maps, x_shape, kernel_size, **window: images_by_sample(maps, g, x_shape[3:], **window),
)


def _kernels(weight: ndarray, groups: int) -> ndarray:
    """Return the kernels of each group as rows: (n, 1, groups, out / groups, C / groups * kh * kw)."""
    n, out = weight.shape[:2]
    return weight.reshape(n, 1, groups, out // groups, -1)


def _pixels(maps: ndarray, groups: int) -> ndarray:
    """Return the pixels of each map as a row: (n, N, groups, out / groups, L)."""
    n, count, out, rows, columns = maps.shape
    return np.ascontiguousarray(maps).reshape(n, count, groups, out // groups, rows * columns)


def _columns(x: ndarray, window: Window, groups: int) -> ndarray:
    """Copy the windows of images into columns: (n, N, groups, C / groups * kh * kw, L), for BLAS contiguous."""
    n, count, c = x.shape[:3]
    padded = np.zeros((n * count, c, *window.padded), x.dtype)
    padded[..., *window.inside] = _merged(x)
    image, channel, row, column = padded.strides
    (si, sj), (di, dj), kernel = window.stride, window.dilation, (len(window.rows), len(window.columns))
    strides = (image, channel, di * row, dj * column, si * row, sj * column)
    windows = view_of(padded, (n * count, c, *kernel, *window.size), strides)
    return windows.reshape(n, count, groups, c // groups * kernel[0] * kernel[1], window.size[0] * window.size[1])


def _one_image(x: ndarray) -> ndarray:
    """Merge the axes N and L: (n, N, groups, rows, L) -> (n, groups, rows, N * L)."""
    n, count, groups, rows, length = x.shape
    return (x if count == 1 else x.transpose(0, 2, 3, 1, 4)).reshape(n, groups, rows, count * length)


# --- Batching rules of the ops in `correlation` ---


def _merge_images(batch: MappedCall) -> Any:
    """Compute the maps or images of samples that share the kernels as one batch; a bias may differ."""
    x, weight, *bias = batch.inputs
    is_shared = not bias or not batch.mapped[2]
    without_bias = correlate if batch.call is affine_maps else correlate_images
    apply: Callable[..., Any] = batch.call if is_shared else without_bias
    arguments = (weight, *bias) if is_shared else (weight,)
    if batch.mapped[0]:
        out = apply(reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:])), *arguments, **batch.settings)
        out = reshape(out, (*x.shape[:2], *out.shape[1:]))
    else:
        out = expand_dims(apply(x, *arguments, **batch.settings), 0)
    return out if is_shared else _plus_bias(out, batch)


def _plus_bias(out: Any, batch: MappedCall) -> Any:
    """Add a bias, one value per channel, if there is one."""
    if len(batch.inputs) < 3:
        return out
    return out + reshape(batch.inputs[2], (batch.size if batch.mapped[2] else 1, 1, -1, 1, 1))


def _by_sample(apply: Op) -> Callable[[MappedCall], Any]:
    """Return a batching rule: `apply` computes the samples if each has kernels of its own."""

    def rule(batch: MappedCall) -> Any:
        if not batch.mapped[1]:
            return _merge_images(batch)
        x, weight = batch._replace(inputs=batch.inputs[:2], mapped=batch.mapped[:2]).spread().inputs
        return _plus_bias(apply(x, weight, **batch.settings), batch)

    return rule


correlate.batching = affine_maps.batching = _by_sample(correlate_by_sample)
correlate_images.batching = affine_images.batching = _by_sample(images_by_sample)
correlate_kernels.batching = lambda batch: kernels_by_sample(*batch.spread().inputs, **batch.settings)
