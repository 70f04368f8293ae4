"""Convolution: three ops that are one another's vjps, two ops with a bias, and the choice of the fastest algorithm.

`fast.conv_gemm` computes matrix products with windows, row by row. `fast.depthwise` computes sums for convolutions in
which each channel has its own kernels. `fast.pointwise` computes the gradients of 1x1 convolutions.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, Batch, Mapped, Op, op, shape_of, values_of
from tinygrad_edu.ops.fast import conv_gemm as gemm
from tinygrad_edu.ops.fast.chwn import samples_first, samples_together
from tinygrad_edu.ops.fast.depthwise import depthwise_images, depthwise_kernels, depthwise_maps
from tinygrad_edu.ops.fast.pointwise import can_use_pointwise, pointwise_images, pointwise_kernels
from tinygrad_edu.ops.patches import col2im, im2col, plain_convolution, plain_transposed_convolution
from tinygrad_edu.ops.products import matmul
from tinygrad_edu.ops.reduction import sum
from tinygrad_edu.ops.shape import expand_dims, reshape, swapaxes, transpose
from tinygrad_edu.ops.sliding_windows import Pair, Size, Window, pair, window_of
from tinygrad_edu.plain_mode import faster_than
from tinygrad_edu.thresholds import SizeThreshold


class Form(NamedTuple):
    """Algorithm for the feature maps and for their gradients with respect to images and kernels."""

    maps: Callable[[ndarray, ndarray, Window, int, ndarray | None], ndarray]
    images: Callable[[ndarray, ndarray, Window, int], ndarray]
    kernels: Callable[[ndarray, ndarray, Window, int], ndarray]


_PLAIN = Form(gemm.plain_correlated_maps, gemm.plain_correlated_images, gemm.plain_correlated_kernels)
_GEMM = Form(gemm.correlated_maps, gemm.correlated_images, gemm.correlated_kernels)
_DEPTHWISE = Form(depthwise_maps, depthwise_images, depthwise_kernels)
_POINTWISE = Form(gemm.correlated_maps, pointwise_images, pointwise_kernels)


def _select_form(out: int, c: int, groups: int, window: Window, *arrays: ndarray) -> Form:
    """Return the fastest form for `out` feature maps, `c` input channels and, for gradients, arrays (C, H, W, N)."""
    if not out or not c:
        return _PLAIN
    if groups > 1 and groups == c and out <= 2 * c:
        return _DEPTHWISE
    return _POINTWISE if can_use_pointwise(window, *arrays) else _GEMM


@op(name="conv2d")
def correlate(
    x: Array, weight: Array, /, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Array:
    """Cross-correlate images with kernels: (N, C, H, W), (out, C / groups, kh, kw) -> (N, out, rows, columns).

    maps[y, x] is the sum over i, j of kernel[i, j] * image[stride y + dilation i, stride x + dilation j], and over the
    channels.
    """
    return _correlate(x, weight, None, window_of(x.shape[2:], weight.shape[2:], stride, padding, dilation), groups)


def _correlate(x: Array, weight: Array, bias: Array | None, window: Window, groups: int) -> Array:
    form = _select_form(len(weight), x.shape[1], groups, window)
    return samples_first(form.maps(x.transpose(1, 2, 3, 0), weight, window, groups, bias))


@op(name="conv2d")
def affine_maps(
    x: Array, weight: Array, bias: Array, /, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Array:
    """Return correlate(x, weight) plus a bias (out,), one value per output channel, added in place.

    A separate op for the sum would need another pass over memory and another array.
    """
    window = window_of(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    if np.result_type(x, weight, bias) == np.result_type(x, weight):
        return _correlate(x, weight, bias, window, groups)
    return _correlate(x, weight, None, window, groups) + bias[:, None, None]


@op(name="conv_transpose2d")
def correlate_images(
    maps: Array, weight: Array, /, size: Size, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Return the images of `size` (H, W) with <images, x> = <maps, correlate(x, weight)> for every x.

    (N, out, rows, columns), (out, C / groups, kh, kw) -> (N, C, H, W): PyTorch's transposed convolution. Each image row
    is a sum of kernel rows k times map rows m. For four image rows, three kernel rows and a padding of 1::

        image row             stride 1: four map rows     stride 2: two map rows
        (padding)             k0 m0                       k0 m0
        0                     k1 m0 + k0 m1               k1 m0
        1                     k2 m0 + k1 m1 + k0 m2       k2 m0 + k0 m1
        2                     k2 m1 + k1 m2 + k0 m3       k1 m1
        3                     k2 m2 + k1 m3               k2 m1
        (padding)             k2 m3

    With a stride of 1 the flipped kernel slides over the maps. With a stride of 2, image rows 0, 2, ... use other
    kernel rows than rows 1, 3, ...; for each of the two phases a flipped part of the kernel slides over the maps.

    Examples
    --------
    The digits of a result show which row of the kernel (1, 10, 100) multiplied which row of the maps (1, 2, 3, 4).

    >>> import numpy as np
    >>> kernel, maps = np.array([1, 10, 100]).reshape(1, 1, 3, 1), np.array([1, 2, 3, 4]).reshape(1, 1, 4, 1)
    >>> correlate_images(maps, kernel, (4, 1), 1, (1, 0), 1, 1).ravel()
    array([ 12, 123, 234, 340])
    >>> correlate_images(maps[:, :, :2], kernel, (4, 1), 2, (1, 0), 1, 1).ravel()
    array([ 10, 102,  20, 200])
    """
    window, maps = window_of(size, weight.shape[2:], stride, padding, dilation), maps.transpose(1, 2, 3, 0)
    form = _select_form(len(weight), groups * weight.shape[1], groups, window, maps)
    return samples_first(form.images(maps, weight, window, groups))


@op(name="conv_transpose2d")
def affine_images(
    maps: Array, weight: Array, bias: Array, /, size: Size, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Return correlate_images(maps, weight) plus a bias (C,), one value per channel, added in place."""
    images = correlate_images(maps, weight, size, stride, padding, dilation, groups)
    bias = bias[:, None, None]
    return np.add(images, bias, out=images if np.result_type(images, bias) == images.dtype else None)


@op(name="conv2d")
def correlate_kernels(
    maps: Array, x: Array, /, kernel_size: Size, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Return the kernels with <kernels, weight> = <maps, correlate(x, weight)> for every weight.

    (N, out, rows, columns), (N, C, H, W) -> (out, C / groups, kh, kw)
    """
    window = window_of(x.shape[2:], kernel_size, stride, padding, dilation)
    maps, images = maps.transpose(1, 2, 3, 0), x.transpose(1, 2, 3, 0)
    form = _select_form(len(maps), len(images), groups, window, maps, images)
    return form.kernels(maps, images, window, groups)


# <maps, correlate(x, weight)> is linear in each of its three arguments. Its gradient with respect to one of them is one
# of these ops, applied to the other two; so are the vjps of these ops.
correlate.vjps(
    x=lambda g, x_shape, weight, **window: correlate_images(g, weight, x_shape[2:], **window),
    weight=lambda g, x, weight_shape, **window: correlate_kernels(g, x, weight_shape[2:], **window),
)
correlate_images.vjps(
    maps=lambda g, weight, size, **window: correlate(g, weight, **window),
    weight=lambda g, maps, weight_shape, size, **window: correlate_kernels(maps, g, weight_shape[2:], **window),
)
correlate_kernels.vjps(
    maps=lambda g, x, kernel_size, **window: correlate(x, g, **window),
    x=lambda g, maps, x_shape, kernel_size, **window: correlate_images(maps, g, x_shape[2:], **window),
)
affine_maps.vjps(**correlate.vjp_functions, bias=lambda g: sum(g, axis=(0, 2, 3)))
affine_images.vjps(**correlate_images.vjp_functions, bias=lambda g: sum(g, axis=(0, 2, 3)))


@op(name="conv2d")
def samples_innermost(x: Array) -> Array:
    """Return images (N, C, H, W) with the samples innermost in memory: a view if they are already, else a copy.

    The gradient gets that layout, too. `conv_gemm` needs it for both; without this op each vjp would transpose them.
    """
    return samples_first(samples_together(x.transpose(1, 2, 3, 0)))


samples_innermost.vjps(x=lambda g: samples_innermost(g))

# --- Inside of vmap. Images or maps whose samples share the kernels are one batch. Other kernels are multiplied with the
# columns of `im2col`, one product for each sample.


def _merge_images(batch: Batch) -> Any:
    """Compute maps or images (n, N, ...) of samples that share the kernels; a bias may differ."""
    x, weight, *bias = batch.inputs
    is_shared = not bias or not batch.mapped[2]
    apply = batch.call if is_shared else {affine_maps: correlate, affine_images: correlate_images}[batch.call]
    arguments = (weight, *bias) if is_shared else (weight,)
    if batch.mapped[0]:
        merged = reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:]))
        out = apply(merged, *arguments, **batch.settings)
        out = reshape(out, (*x.shape[:2], *out.shape[1:]))
    else:
        out = expand_dims(apply(x, *arguments, **batch.settings), 0)
    return out if is_shared else _plus_bias(out, batch)


def _plus_bias(out: Any, batch: Batch) -> Any:
    """Add a bias, one value per channel, if there is one."""
    if len(batch.inputs) < 3:
        return out
    return out + reshape(batch.inputs[2], (batch.size if batch.mapped[2] else 1, 1, -1, 1, 1))


def _columns(x: Any, batch: Batch, k: int, kernel_size: Any) -> Any:
    """Return the windows of images as columns of each group: (n or 1, N, groups, C / groups * kh * kw, L)."""
    images, groups = x if batch.mapped[k] else expand_dims(x, 0), batch.settings["groups"]
    n, count, *image = images.shape
    columns = im2col(reshape(images, (n * count, *image)), kernel_size, *_window(batch))
    return reshape(columns, (n, count, groups, columns.shape[1] // groups, columns.shape[2]))


def _pixels(x: Any, batch: Batch) -> Any:
    """Return the pixels of maps, one row per channel of each group: (n or 1, N, groups, out / groups, L)."""
    maps, groups = x if batch.mapped[0] else expand_dims(x, 0), batch.settings["groups"]
    n, count, channels, rows, columns = maps.shape
    return reshape(maps, (n, count, groups, channels // groups, rows * columns))


def _kernels(weight: Any, batch: Batch) -> Any:
    """Return the kernels of each group as rows: (n, 1, groups, out / groups, C / groups * kh * kw)."""
    n, out, *each = weight.shape
    groups = batch.settings["groups"]
    return reshape(weight, (n, 1, groups, out // groups, math.prod(each)))


def _window(batch: Batch) -> tuple[Any, Any, Any]:
    return batch.settings["stride"], batch.settings["padding"], batch.settings["dilation"]


def _maps_of_samples(batch: Batch) -> Any:
    x, weight = batch.inputs[:2]
    if not batch.mapped[1]:
        return _merge_images(batch)
    kernel_size = weight.shape[3:]
    maps = matmul(_kernels(weight, batch), _columns(x, batch, 0, kernel_size))
    size = window_of(x.shape[-2:], kernel_size, *_window(batch)).size
    return _plus_bias(reshape(maps, (*maps.shape[:2], weight.shape[1], *size)), batch)


def _images_of_samples(batch: Batch) -> Any:
    maps, weight = batch.inputs[:2]
    if not batch.mapped[1]:
        return _merge_images(batch)
    columns = matmul(swapaxes(_kernels(weight, batch), -1, -2), _pixels(maps, batch))
    n, count, groups, each, windows = columns.shape
    columns = reshape(columns, (n * count, groups * each, windows))
    images = col2im(columns, batch.settings["size"], weight.shape[3:], *_window(batch))
    return _plus_bias(reshape(images, (n, count, *images.shape[1:])), batch)


def _kernels_of_samples(batch: Batch) -> Any:
    maps, x = batch.inputs
    height, width = pair(batch.settings["kernel_size"], "kernel_size", 1)
    rows, columns = _pixels(maps, batch), _columns(x, batch, 1, (height, width))
    rows, columns = (_merge_images_and_windows(each) for each in (rows, columns))
    kernels = matmul(rows, swapaxes(columns, -1, -2))
    _, groups, out, each = kernels.shape
    return reshape(kernels, (batch.size, groups * out, each // (height * width), height, width))


def _merge_images_and_windows(x: Any) -> Any:
    """Merge the axes N and L: (n, N, groups, rows, L) -> (n, groups, rows, N * L)."""
    n, count, groups, rows, windows = x.shape
    x = x if count == 1 else transpose(x, (0, 2, 3, 1, 4))
    return reshape(x, (n, groups, rows, count * windows))


correlate.batching = affine_maps.batching = _maps_of_samples
correlate_images.batching = affine_images.batching = _images_of_samples
correlate_kernels.batching = _kernels_of_samples
samples_innermost.batching = lambda batch: batch.inputs[0]

# Size from which it pays off to transpose the images and the gradient of the result once, in ops of their own.
_LARGE = SizeThreshold(2**17)


def _apply_innermost(
    apply: Op, x: Any, arguments: tuple[Any, ...], channels: tuple[int, int, int], *window: Any
) -> Any:
    """Apply an op to images and `arguments`, with the images transposed once if the op would transpose each row.

    `channels` are the numbers of output channels, input channels and groups; `window` are the arguments of
    `window_of`.
    """
    if isinstance(x, Mapped):
        return apply(x, *arguments)
    values = values_of(x)
    transposes = values.size >= _LARGE and values.strides[0] != values.itemsize
    if not transposes or _select_form(*channels, window_of(*window), values.transpose(1, 2, 3, 0)) is not _GEMM:
        return apply(x, *arguments)
    return samples_innermost(apply(samples_innermost(x), *arguments))


@faster_than(plain_convolution)
def convolution(x: Any, weight: Any, bias: Any, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Any:
    """Return `plain_convolution`, computed by the fastest form."""
    apply, kernels = (correlate, (weight,)) if bias is None else (affine_maps, (weight, bias))
    (out, _, *kernel_size), settings = shape_of(weight), (stride, padding, dilation)
    channels, arguments = (out, x.shape[1], groups), (*kernels, *settings, groups)
    return _apply_innermost(apply, x, arguments, channels, x.shape[2:], tuple(kernel_size), *settings)


@faster_than(plain_transposed_convolution)
def transposed_convolution(
    x: Any, weight: Any, bias: Any, size: Size, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Any:
    """Return `plain_transposed_convolution`, computed by the fastest form."""
    apply, kernels = (correlate_images, (weight,)) if bias is None else (affine_images, (weight, bias))
    (c, out, *kernel_size), settings = shape_of(weight), (stride, padding, dilation)
    channels, arguments = (c, groups * out, groups), (*kernels, size, *settings, groups)
    return _apply_innermost(apply, x, arguments, channels, size, tuple(kernel_size), *settings)
