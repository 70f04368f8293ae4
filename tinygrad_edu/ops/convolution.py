"""Convolution: three ops that are each other's derivatives.

Row by row they are matrix products of windows, which `fast.rows` computes; its plain twins say in a line each what.
"""

from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, op
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.fast.rows import correlated_images, correlated_kernels, correlated_maps
from tinygrad_edu.ops.shape import reshape
from tinygrad_edu.ops.windows import Pair, Size, bordered, four_axes, samples_first, samples_last, window

__all__ = ["conv2d"]


@op
def correlate(
    x: Array, weight: Array, /, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Array:
    """Return how well each kernel fits each window: (N, C, H, W), (out, C / groups, kh, kw) -> (N, out, rows, columns).

    Of one channel, maps[y, x] is the sum over i, j of kernel[i, j] * image[stride y + dilation i, stride x + dilation
    j], and with several the sum of that over the channels.
    """
    laid = window(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    return samples_first(correlated_maps(bordered(x, laid), weight, laid, groups))


@op
def correlate_images(
    maps: Array, weight: Array, /, size: Size, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Return the images of `size` (H, W) for which <images, x> = <maps, correlate(x, weight)> whatever x is.

    (N, out, rows, columns), (out, C / groups, kh, kw) -> (N, C, H, W): PyTorch's transposed convolution. Which rows
    of a kernel k meet which rows of the maps m, for images of four rows, a kernel of three, and a padding of 1::

        rows of the images    stride 1: four maps         stride 2: two maps
        (padding)             k0 m0                       k0 m0
        0                     k1 m0 + k0 m1               k1 m0
        1                     k2 m0 + k1 m1 + k0 m2       k2 m0 + k0 m1
        2                     k2 m1 + k1 m2 + k0 m3       k1 m1
        3                     k2 m2 + k1 m3               k2 m1
        (padding)             k2 m3

    With a stride of 1 the kernel slides over the maps upside down. With a stride of 2, rows 1, 3, ... meet other rows
    of it than rows 0, 2, ..., and each of the two kinds slides by itself.

    Examples
    --------
    The digits of a number tell which row of the kernel (1, 10, 100) met which row of the maps (1, 2, 3, 4).

    >>> kernel, maps = np.array([1, 10, 100]).reshape(1, 1, 3, 1), np.array([1, 2, 3, 4]).reshape(1, 1, 4, 1)
    >>> correlate_images(maps, kernel, (4, 1), 1, (1, 0), 1, 1).ravel()
    array([ 12, 123, 234, 340])
    >>> correlate_images(maps[:, :, :2], kernel, (4, 1), 2, (1, 0), 1, 1).ravel()
    array([ 10, 102,  20, 200])
    """
    laid = window(size, weight.shape[2:], stride, padding, dilation)
    return samples_first(correlated_images(maps.transpose(1, 2, 3, 0), weight, laid, groups))


@op
def correlate_kernels(
    maps: Array, x: Array, /, kernel_size: Size, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Return the kernels for which <kernels, weight> = <maps, correlate(x, weight)> whatever weight is.

    (N, out, rows, columns), (N, C, H, W) -> (out, C / groups, kh, kw)
    """
    laid = window(x.shape[2:], kernel_size, stride, padding, dilation)
    return correlated_kernels(samples_last(maps), bordered(x, laid), laid, groups)


# <maps, correlate(x, weight)> is linear in each of the three, so its derivative with respect to any one of them is a
# function of the other two, one of these ops; and that is so again for the derivatives of those.
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


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Any:
    """Return the cross-correlation of images with kernels, plus a bias: `correlate`, with its inputs checked.

    Parameters
    ----------
    x : (N, C, H, W)
    weight : (out, C / groups, kh, kw)
    bias : (out,), optional
    stride, padding, dilation : int or pair of int
    groups : int
        The channels are cut into so many groups, each with kernels of its own.

    Returns
    -------
    (N, out, rows, columns)
        (size + 2 padding - dilation (kernel - 1) - 1) // stride + 1 in each direction: a remainder is dropped.

    Raises
    ------
    ShapeError
        Where channels, groups, kernel or bias do not fit.
    """
    c = four_axes("x", x)[1]
    out, per_group, _, _ = four_axes("weight", weight)
    if groups < 1 or c % groups or out % groups or per_group * groups != c:
        raise ShapeError(
            f"conv2d: images with {c} channels and weight {weight.shape} in {groups} groups: the weight needs the "
            f"shape (out, {c} / groups, kh, kw), and groups must divide {c} and {out}."
        )
    if bias is not None and np.shape(bias) != (out,):
        raise ShapeError(f"conv2d: bias of shape {np.shape(bias)} for {out} kernels; it needs ({out},).")
    maps = correlate(x, weight, stride, padding, dilation, groups)
    return maps if bias is None else maps + reshape(bias, (out, 1, 1))
