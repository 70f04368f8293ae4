"""Convolution and its transpose: three ops that are each other's derivatives, two with a bias, one for the layout.

Row by row they are matrix products of windows, which `fast.rows` computes, or where each channel has kernels of its
own, sums, which `fast.depthwise` does; on the way back `fast.pointwise` multiplies single pixels as they lie. The plain
twins in `fast.rows` say in a line each what.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, op, shape_of, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.fast.depthwise import depthwise_images, depthwise_kernels, depthwise_maps
from tinygrad_edu.ops.fast.layout import samples_first, samples_together
from tinygrad_edu.ops.fast.pointwise import lie_by_samples, pointwise_images, pointwise_kernels
from tinygrad_edu.ops.fast.rows import (
    correlated_images,
    correlated_kernels,
    correlated_maps,
    plain_correlated_images,
    plain_correlated_kernels,
    plain_correlated_maps,
)
from tinygrad_edu.ops.padding import pad
from tinygrad_edu.ops.reduction import sum
from tinygrad_edu.ops.shape import expand_dims, squeeze
from tinygrad_edu.ops.sliding import Pair, Row, Size, Window, pair, row, window
from tinygrad_edu.ops.windows import batch_of, require_axes, unbatched
from tinygrad_edu.thresholds import SizeThreshold

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"]


class Form(NamedTuple):
    """What computes maps, images and kernels of each other."""

    maps: Callable[[ndarray, ndarray, Window, int, ndarray | None], ndarray]
    images: Callable[[ndarray, ndarray, Window, int], ndarray]
    kernels: Callable[[ndarray, ndarray, Window, int], ndarray]


_OF_NOTHING = Form(plain_correlated_maps, plain_correlated_images, plain_correlated_kernels)
_BY_ROWS = Form(correlated_maps, correlated_images, correlated_kernels)
_BY_CHANNELS = Form(depthwise_maps, depthwise_images, depthwise_kernels)
_BY_SAMPLES = Form(correlated_maps, pointwise_images, pointwise_kernels)


def _form(out: int, c: int, groups: int, laid: Window, *arrays: ndarray) -> Form:
    """Return what is fastest for so many maps of so many channels, and for gradients of arrays (C, H, W, N)."""
    if not out or not c:
        return _OF_NOTHING
    if groups > 1 and groups == c and out <= 2 * c:
        return _BY_CHANNELS
    return _BY_SAMPLES if lie_by_samples(laid, *arrays) else _BY_ROWS


@op
def correlate(
    x: Array, weight: Array, /, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Array:
    """Return how well each kernel fits each window: (N, C, H, W), (out, C / groups, kh, kw) -> (N, out, rows, columns).

    Of one channel, maps[y, x] is the sum over i, j of kernel[i, j] * image[stride y + dilation i, stride x + dilation
    j], and with several the sum of that over the channels.
    """
    return _maps(x, weight, None, window(x.shape[2:], weight.shape[2:], stride, padding, dilation), groups)


def _maps(x: Array, weight: Array, bias: Array | None, laid: Window, groups: int) -> Array:
    form = _form(len(weight), x.shape[1], groups, laid)
    return samples_first(form.maps(x.transpose(1, 2, 3, 0), weight, laid, groups, bias))


@op
def affine_maps(
    x: Array, weight: Array, bias: Array, /, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Array:
    """Return correlate(x, weight) plus a bias (out,), a number for each map. It is added to the maps themselves.

    An op for the sum would be a pass more over memory, and an array.
    """
    laid = window(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    if np.result_type(x, weight, bias) == np.result_type(x, weight):
        return _maps(x, weight, bias, laid, groups)
    return _maps(x, weight, None, laid, groups) + bias[:, None, None]


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

    >>> import numpy as np
    >>> kernel, maps = np.array([1, 10, 100]).reshape(1, 1, 3, 1), np.array([1, 2, 3, 4]).reshape(1, 1, 4, 1)
    >>> correlate_images(maps, kernel, (4, 1), 1, (1, 0), 1, 1).ravel()
    array([ 12, 123, 234, 340])
    >>> correlate_images(maps[:, :, :2], kernel, (4, 1), 2, (1, 0), 1, 1).ravel()
    array([ 10, 102,  20, 200])
    """
    laid, maps = window(size, weight.shape[2:], stride, padding, dilation), maps.transpose(1, 2, 3, 0)
    form = _form(len(weight), groups * weight.shape[1], groups, laid, maps)
    return samples_first(form.images(maps, weight, laid, groups))


@op
def affine_images(
    maps: Array, weight: Array, bias: Array, /, size: Size, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Return correlate_images(maps, weight) plus a bias (C,), a number for each channel, added in place."""
    images = correlate_images(maps, weight, size, stride, padding, dilation, groups)
    bias = bias[:, None, None]
    return np.add(images, bias, out=images if np.result_type(images, bias) == images.dtype else None)


@op
def correlate_kernels(
    maps: Array, x: Array, /, kernel_size: Size, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Return the kernels for which <kernels, weight> = <maps, correlate(x, weight)> whatever weight is.

    (N, out, rows, columns), (N, C, H, W) -> (out, C / groups, kh, kw)
    """
    laid = window(x.shape[2:], kernel_size, stride, padding, dilation)
    maps, images = maps.transpose(1, 2, 3, 0), x.transpose(1, 2, 3, 0)
    form = _form(len(maps), len(images), groups, laid, maps, images)
    return form.kernels(maps, images, laid, groups)


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
affine_maps.vjps(**correlate.functions, bias=lambda g: sum(g, axis=(0, 2, 3)))
affine_images.vjps(**correlate_images.functions, bias=lambda g: sum(g, axis=(0, 2, 3)))


@op
def samples_innermost(x: Array) -> Array:
    """Return images (N, C, H, W), in memory with all samples of a pixel side by side: a view of those that lie so.

    Its derivative lies so, too. What is computed row by row wants both so; else each rule turns them for itself.
    """
    return samples_first(samples_together(x.transpose(1, 2, 3, 0)))


samples_innermost.vjps(x=lambda g: samples_innermost(g))

# From so many numbers on it is worth two ops that images, and the gradient of the result, are turned only once.
_LARGE = SizeThreshold(2**17)


def _turned_once(compute: Callable[[Any], Any], x: Any, channels: tuple[int, int, int], *laid: Any) -> Any:
    """Return what an op computes of images: where they would be turned row by row, of images that were turned before.

    `channels` are those of the maps, those of the images, and how many groups; `laid` is what `window` takes.
    """
    values = values_of(x)
    apart = values.size >= _LARGE and values.strides[0] != values.itemsize
    if not apart or _form(*channels, window(*laid), values.transpose(1, 2, 3, 0)) is not _BY_ROWS:
        return compute(x)
    return samples_innermost(compute(samples_innermost(x)))


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Any:
    """Return the cross-correlation of images with kernels, plus a bias: `correlate`, with its inputs checked.

    Parameters
    ----------
    x : (N, C, H, W), or (C, H, W) of one image
    weight : (out, C / groups, kh, kw)
    bias : (out,), optional
    stride, dilation : int or pair of int
    padding : int, pair of int, "valid" or "same"
        "valid" is none. "same" is as much as keeps the size, for a stride of 1; of an odd number the larger half is
        at the bottom and the right, as in PyTorch.
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
    x, alone = batch_of("conv2d", "x", x, 4)
    return unbatched(_convolved("conv2d", x, weight, bias, stride, padding, dilation, groups), alone)


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Row = 1,
    padding: Row | str = 0,
    dilation: Row = 1,
    groups: int = 1,
) -> Any:
    """Return the cross-correlation of rows with kernels, plus a bias: `conv2d` of images with a height of 1.

    Shapes (N, C, L) or (C, L), (out, C / groups, k), (out,) -> (N, out, columns) or (out, columns); the settings are
    those of `conv2d`, each a whole number, alone or in a tuple.
    """
    x, alone = batch_of("conv1d", "x", x, 3)
    require_axes("conv1d", "weight", weight, 3)
    around = padding if isinstance(padding, str) else row(padding, "padding", 0)
    window = row(stride, "stride", 1), around, row(dilation, "dilation", 1)
    maps = _convolved("conv1d", expand_dims(x, 2), expand_dims(weight, 2), bias, *window, groups)
    return unbatched(squeeze(maps, 2), alone)


def _convolved(
    name: str, x: Any, weight: Any, bias: Any, stride: Pair, padding: Pair | str, dilation: Pair, groups: int
) -> Any:
    c, (out, per_group) = x.shape[1], require_axes(name, "weight", weight, 4)[:2]
    if groups < 1 or c % groups or out % groups or per_group * groups != c:
        raise ShapeError(
            f"{name}: images with {c} channels and weight {shape_of(weight)} in {groups} groups: the weight needs "
            f"{c} / groups channels on its second axis, and groups must divide {c} and {out}."
        )
    _check_bias(name, bias, out)
    if isinstance(padding, str):
        x, padding = _padded_by_name(name, x, shape_of(weight)[2:], stride, padding, dilation)

    def compute(x: Any) -> Any:
        if bias is None:
            return correlate(x, weight, stride, padding, dilation, groups)
        return affine_maps(x, weight, bias, stride, padding, dilation, groups)

    return _turned_once(compute, x, (out, c, groups), x.shape[2:], shape_of(weight)[2:], stride, padding, dilation)


def _padded_by_name(
    name: str, x: Any, kernel_size: tuple[int, ...], stride: Pair, padding: str, dilation: Pair
) -> tuple[Any, Size]:
    """Return images, with a border where the two sides differ, and the padding that "same" or "valid" stands for."""
    if padding == "valid":
        return x, (0, 0)
    if padding != "same" or pair(stride, "stride", 1) != (1, 1):
        raise ShapeError(
            f"{name}: padding is a whole number, a pair of them, 'valid', or, with a stride of 1, 'same', not "
            f"{padding!r} with the stride {stride}."
        )
    (th, tw), (dh, dw) = kernel_size, pair(dilation, "dilation", 1)
    th, tw = dh * (th - 1), dw * (tw - 1)
    if th % 2 or tw % 2:
        x = pad(x, ((0, 0), (0, 0), (0, th % 2), (0, tw % 2)))
    return x, (th // 2, tw // 2)


def _check_bias(name: str, bias: Any, out: int) -> None:
    if bias is not None and shape_of(bias) != (out,):
        raise ShapeError(f"{name}: bias of shape {shape_of(bias)} for {out} channels of the result; it needs ({out},).")


def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
) -> Any:
    """Return the transposed convolution: each pixel of x adds its multiple of the kernels to a window of the result.

    It is the gradient of `conv2d` with respect to its images, `correlate_images`, so the weight has the axes that it
    has there: its first is that of the channels of x.

    Parameters
    ----------
    x : (N, C, H, W), or (C, H, W) of one image
    weight : (C, out / groups, kh, kw)
    bias : (out,), optional
    stride, padding, dilation : int or pair of int
        Those of the convolution that it is the transpose of: the padding is cut off from the result.
    output_padding : int or pair of int
        How many rows and columns to add at the bottom and the right; less than the stride, or than the dilation.
    groups : int

    Returns
    -------
    (N, out, rows, columns)
        stride (size - 1) + dilation (kernel - 1) + 1 - 2 padding + output_padding in each direction.

    Raises
    ------
    ShapeError
        Where channels, groups, kernel or bias do not fit, or nothing would be left.
    """
    x, alone = batch_of("conv_transpose2d", "x", x, 4)
    window = stride, padding, output_padding, dilation
    return unbatched(_transposed("conv_transpose2d", x, weight, bias, groups, *window), alone)


def conv_transpose1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Row = 1,
    padding: Row = 0,
    output_padding: Row = 0,
    groups: int = 1,
    dilation: Row = 1,
) -> Any:
    """Return the transposed convolution of rows: `conv_transpose2d` of images with a height of 1.

    Shapes (N, C, L) or (C, L), (C, out / groups, k), (out,) -> (N, out, columns) or (out, columns).
    """
    x, alone = batch_of("conv_transpose1d", "x", x, 3)
    require_axes("conv_transpose1d", "weight", weight, 3)
    given = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation}
    window = (row(value, name, int(name in ("stride", "dilation"))) for name, value in given.items())
    images = _transposed("conv_transpose1d", expand_dims(x, 2), expand_dims(weight, 2), bias, groups, *window)
    return unbatched(squeeze(images, 2), alone)


def _transposed(name: str, x: Any, weight: Any, bias: Any, groups: int, *window: Pair) -> Any:
    """Return `conv_transpose2d` of a batch; `window` is the stride, the padding, the output padding, the dilation."""
    c, (into, per_group, *kernel_size) = x.shape[1], require_axes(name, "weight", weight, 4)
    if groups < 1 or c % groups or into != c:
        raise ShapeError(
            f"{name}: images with {c} channels and weight {shape_of(weight)} in {groups} groups: the weight needs {c} "
            f"on its first axis, and groups must divide it."
        )
    _check_bias(name, bias, per_group * groups)
    s, p, extra, d = (pair(v, n, int(n in ("stride", "dilation"))) for v, n in zip(window, _TRANSPOSED, strict=True))
    if any(e >= max(both) for e, *both in zip(extra, s, d, strict=True)):
        raise ShapeError(f"{name}: output_padding {extra} must be less than the stride {s}, or than the dilation {d}.")
    each = zip(x.shape[2:], kernel_size, s, p, extra, d, strict=True)
    h, w = ((n - 1) * s + d * (k - 1) + 1 - 2 * p + e for n, k, s, p, e, d in each)
    if h < 1 or w < 1:
        raise ShapeError(f"{name}: the padding {p} leaves nothing of the result, whose size would be {h}x{w}.")
    if extra[0] >= s[0] or extra[1] >= s[1]:  # room for more pixels, which are 0
        x = pad(x, ((0, 0), (0, 0), (0, extra[0] // s[0]), (0, extra[1] // s[1])))

    def compute(x: Any) -> Any:
        if bias is None:
            return correlate_images(x, weight, (h, w), s, p, d, groups)
        return affine_images(x, weight, bias, (h, w), s, p, d, groups)

    return _turned_once(compute, x, (c, groups * per_group, groups), (h, w), tuple(kernel_size), s, p, d)


_TRANSPOSED = "stride", "padding", "output_padding", "dilation"
