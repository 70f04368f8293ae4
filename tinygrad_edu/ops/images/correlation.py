"""Correlation of images: three ops that are one another's vjps, and two ops with a bias.

`convolution_by_sample` has their batching rules.
"""

from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, op
from tinygrad_edu.ops.fast.images.chwn import samples_first
from tinygrad_edu.ops.fast.images.convolution import select_form, select_images_form
from tinygrad_edu.ops.images.patches import plain_convolution, plain_transposed_convolution
from tinygrad_edu.ops.reductions.reduction import sum
from tinygrad_edu.ops.sliding_windows import Pair, Size, Window, window_of
from tinygrad_edu.shared.speed.plain_mode import faster_than


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
    form = select_form(len(weight), x.shape[1], groups, len(x), window)
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
    form = select_images_form(maps, weight, window, groups)
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
    form = select_form(len(maps), len(images), groups, len(x), window)
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


@faster_than(plain_convolution)
def convolution(x: Any, weight: Any, bias: Any, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Any:
    """Return `plain_convolution`, computed by the fastest form."""
    settings = stride, padding, dilation, groups
    return correlate(x, weight, *settings) if bias is None else affine_maps(x, weight, bias, *settings)


@faster_than(plain_transposed_convolution)
def transposed_convolution(
    x: Any, weight: Any, bias: Any, size: Size, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Any:
    """Return `plain_transposed_convolution`, computed by the fastest form."""
    settings = size, stride, padding, dilation, groups
    return correlate_images(x, weight, *settings) if bias is None else affine_images(x, weight, bias, *settings)
