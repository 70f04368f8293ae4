"""Max pooling and average pooling over sequences, images and volumes."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import RULES, Array, MappedCall, Tensor, TensorLike, batched, composite, op, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.elementwise.selection import extremes, keep, plain_masked
from tinygrad_edu.ops.fast.images import pooling as fast
from tinygrad_edu.ops.fast.images.chwn import samples_first, samples_last
from tinygrad_edu.ops.images.patches import batch_of, im2col, unbatched
from tinygrad_edu.ops.reductions.reduction import mean
from tinygrad_edu.ops.shapes.shape import expand_dims, reshape, squeeze
from tinygrad_edu.ops.sliding_windows import (
    Pair,
    Row,
    Size,
    Sizes,
    Triple,
    Window,
    per_axis,
    require_listable,
    window_of,
    windows_by_offset,
)
from tinygrad_edu.ops.tiling.padding import pad
from tinygrad_edu.shared.speed.plain_mode import faster_than

__all__ = ["avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d"]

Border = tuple[Size, ...]  # for images (top, bottom), (left, right)
PoolWindows = tuple[Sizes, Sizes, Border, Sizes]  # kernel, stride, border, dilation


def plain_window_maxima(x: ndarray, window: Window) -> ndarray:
    """Return the maximum of each window of images (C, ..., N)."""
    return np.maximum.reduce(windows_by_offset(x, window), tuple(range(len(window.taps))))


window_maxima = faster_than(plain_window_maxima)(fast.window_maxima)


def plain_max_mask(x: ndarray, maxima: ndarray, window: Window) -> ndarray:
    """Return a mask of the pixels that are the maximum of their window, or in a window with a NaN.

    Its axes are those of the kernel, followed by those of the maxima.
    """
    return ~(windows_by_offset(x, window) < maxima)


max_mask = faster_than(plain_max_mask)(fast.max_mask)


def plain_add_to_chosen(values: ndarray, chosen: ndarray, window: Window) -> ndarray:
    """Return images (C, ..., N): each value is added to the chosen pixels of its window.

    The axes of `chosen` are as in `plain_max_mask`.
    """
    images = np.zeros((len(values), *window.padded, values.shape[-1]), values.dtype)
    pixels = windows_by_offset(images, window)
    for offset in np.ndindex(*map(len, window.taps)):
        pixels[offset] += plain_masked(values, chosen[offset])
    return images


add_to_chosen = faster_than(plain_add_to_chosen)(fast.add_to_chosen)


@op(name="max_pool", batching="first")
def window_max(
    x: Array, /, kernel_size: int | Sizes, stride: int | Sizes, border: Border = (), dilation: int | Sizes = 1
) -> Array:
    """Return the maximum of each window: (N, C, H, W) -> (N, C, rows, columns), and likewise for other axes.

    `border` is the number of padding pixels before and after each axis. They have the minimum value of the dtype and
    receive no gradient, even in a window without other pixels.
    """
    out = samples_first(window_maxima(samples_last(x), window_of(x.shape[2:], kernel_size, stride, 0, dilation)))
    return out.copy("K") if np.may_share_memory(out, x) else out  # a window of one pixel


def _chosen_of_samples(batch: MappedCall) -> Any:
    """Merge the axis of the samples with the batch, which shares one mask (kh, kw, N, ...)."""
    chosen = batch.settings["chosen"]
    axes = chosen.ndim // 2 - 1
    kernel, (n, *maps) = chosen.shape[:axes], chosen.shape[axes:]
    repeated = np.broadcast_to(np.expand_dims(chosen, axes), (*kernel, batch.size, n, *maps))
    merged = repeated.reshape(*kernel, batch.size * n, *maps)
    return RULES["first"](batch._replace(settings={**batch.settings, "chosen": merged}))


@op(name="max_pool", batching=_chosen_of_samples)
def distribute_to_chosen(
    values: Array, /, chosen: Array, size: Sizes, kernel_size: int | Sizes, stride: int | Sizes,
    dilation: int | Sizes = 1,
) -> Array:  # fmt: skip
    """Distribute each value evenly to the chosen pixels of its window: (N, C, rows, columns) -> (N, C, H, W).

    `chosen` is a mask (kh, kw, N, C, rows, columns) over the pixels of each window.
    """
    window, axes = window_of(size, kernel_size, stride, 0, dilation), len(size)
    values, chosen = samples_last(values), samples_last(chosen, axis=axes)
    share = (values / _count_chosen(chosen, axes)).astype(values.dtype, copy=False)
    return samples_first(add_to_chosen(share, chosen, window))


@op(name="max_pool", batching=_chosen_of_samples)
def mean_of_chosen(
    images: Array, /, chosen: Array, kernel_size: int | Sizes, stride: int | Sizes, dilation: int | Sizes = 1
) -> Array:
    """Return the mean of the chosen pixels of each window, or 0 if none: the transpose of `distribute_to_chosen`."""
    window, axes = window_of(images.shape[2:], kernel_size, stride, 0, dilation), images.ndim - 2
    pixels, chosen = windows_by_offset(samples_last(images), window), samples_last(chosen, axis=axes)
    total = np.add.reduce(keep(pixels, chosen), axis=tuple(range(axes)))
    return samples_first((total / _count_chosen(chosen, axes)).astype(images.dtype, copy=False))


def _image_mask(size: Sizes, border: Border) -> ndarray:
    """Return a mask (1, H, W, 1) of the pixels inside the border."""
    inside = np.zeros((1, *size, 1), bool)
    inside[:, *(slice(before, length - after) for length, (before, after) in zip(size, border, strict=True))] = True
    return inside


def _count_chosen(chosen: ndarray, axes: int) -> ndarray:
    """Count the chosen pixels of each window, at least 1. The small integer dtype keeps float32 / count in float32."""
    size = math.prod(chosen.shape[:axes])
    pixels = chosen.reshape(size, *chosen.shape[axes:])
    count = np.add.reduce(pixels, axis=0, dtype=np.min_scalar_type(size))
    return np.maximum(count, 1, out=count)


def _max_mask(x: ndarray, out: ndarray, window: Window, border: Border) -> ndarray:
    """Return a mask (kh, kw, N, C, rows, columns) of the pixels that are the maximum of their window."""
    chosen = max_mask(samples_last(x), samples_last(out), window)
    if any(map(any, border)) and not np.all(out > extremes(out.dtype)[0]):  # the border has this value
        chosen &= windows_by_offset(_image_mask(x.shape[2:], border), window)
    return samples_first(chosen, axis=x.ndim - 2)


def _window_max_x(g: Any, x: Any, out: Any, kernel_size: Any, stride: Any, border: Border, dilation: Any) -> Any:
    window = window_of(x.shape[2:], kernel_size, stride, 0, dilation)
    chosen = _max_mask(values_of(x), values_of(out), window, border)
    return distribute_to_chosen(g, chosen, x.shape[2:], kernel_size, stride, dilation)


window_max.vjps(x=_window_max_x)
distribute_to_chosen.vjps(values=lambda g, chosen, size, **window: mean_of_chosen(g, chosen, **window))
mean_of_chosen.vjps(
    images=lambda g, images_shape, chosen, **window: distribute_to_chosen(g, chosen, images_shape[2:], **window)
)


def max_pool2d(
    x: TensorLike, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, dilation: Pair = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Tensor | Array | tuple[Tensor | Array, Array]:  # fmt: skip
    """Return the maximum of each window: (N, C, H, W) -> (N, C, rows, columns). Ties share the gradient evenly.

    Parameters
    ----------
    x : (N, C, H, W), or (C, H, W) for a single image
    kernel_size : int or pair of int
        Size of the windows.
    stride : int or pair of int, optional
        Step between windows. Default: `kernel_size`.
    padding : int or pair of int, default 0
        Padding of both sides, at most half of the window. It is never the maximum.
    dilation : int or pair of int, default 1
        Step between the elements of a window.
    ceil_mode : bool, default False
        Whether to keep a last window that is partly outside, if it begins inside the image or its top or left padding.
        By default the remainder is dropped.
    return_indices : bool, default False
        Whether to also return the int64 index of each maximum in its flattened image; for ties, the first.

    Raises
    ------
    ShapeError
        If the window does not fit into the padded image.
    """
    return _max_pool("max_pool2d", 2, x, return_indices, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d(
    x: TensorLike, kernel_size: Row, stride: Row | None = None, padding: Row = 0, dilation: Row = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Tensor | Array | tuple[Tensor | Array, Array]:  # fmt: skip
    """Return the maximum of each window of sequences, as `max_pool2d`: (N, C, L) -> (N, C, columns).

    A single sample is (C, L) -> (C, columns).
    """
    return _max_pool("max_pool1d", 1, x, return_indices, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(
    x: TensorLike, kernel_size: Triple, stride: Triple | None = None, padding: Triple = 0, dilation: Triple = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Tensor | Array | tuple[Tensor | Array, Array]:  # fmt: skip
    """Return the maximum of each window of volumes, as `max_pool2d`: (N, C, D, H, W) -> (N, C, planes, rows, columns).

    All voxels of a window that have its maximum share the gradient evenly. A single sample has no N.
    """
    return _max_pool("max_pool3d", 3, x, return_indices, kernel_size, stride, padding, dilation, ceil_mode)


def _max_pool(name: str, axes: int, x: Any, return_indices: bool, *settings: Any) -> Any:
    """Pool a batch or a single sample; `settings` are the kernel size to `ceil_mode`."""
    x, is_single = batch_of(name, "x", x, axes + 2)
    out, indices = maxima(x, _resolve_settings(name, x.shape[2:], *settings), return_indices)
    out = unbatched(out, is_single)
    return (out, indices[0] if is_single else indices) if return_indices else out


@batched("first", inputs=1)
def maxima(x: Any, windows: PoolWindows, return_indices: bool) -> tuple[Any, Any]:
    """Return the maximum of each window, and the indices or None."""
    kernel, stride, border, dilation = windows
    padded = _pad_border(x, border, extremes(x.dtype)[0])
    out = window_max(padded, kernel, stride, border, dilation)
    if not return_indices:
        return out, None
    window = window_of(padded.shape[2:], kernel, stride, 0, dilation)
    chosen = _max_mask(values_of(padded), values_of(out), window, border)
    return out, _max_indices(chosen, window, border, x.shape[2:])


def _max_indices(chosen: ndarray, window: Window, border: Border, lengths: Sizes) -> ndarray:
    """Return the flat index of the first chosen pixel of each window in its image."""
    axes = len(lengths)
    kernel, maps = chosen.shape[:axes], chosen.shape[axes:]
    offsets = np.unravel_index(np.argmax(chosen.reshape(math.prod(kernel), *maps), axis=0), kernel)
    starts = (np.arange(n) * s - before for n, s, (before, _) in zip(window.size, window.stride, border, strict=True))
    index: Any = 0
    for start, offset, d, n in zip(np.ix_(*starts), offsets, window.dilation, lengths, strict=True):
        index = index * n + start + offset * d
    return index


def avg_pool2d(
    x: TensorLike, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor | Array:  # fmt: skip
    """Return the mean of each window: (N, C, H, W) -> (N, C, rows, columns).

    Parameters
    ----------
    x : (N, C, H, W), or (C, H, W) for a single image
    kernel_size : int or pair of int
        Size of the windows.
    stride : int or pair of int, optional
        Step between windows. Default: `kernel_size`.
    padding : int or pair of int, default 0
        Zero padding of both sides, at most half of the window.
    ceil_mode : bool, default False
        As in `max_pool2d`. Pixels of the last window beyond the padding are not counted.
    count_include_pad : bool, default True
        Whether to count the padding pixels.
    divisor_override : int, optional
        Divisor of the sum of each window, instead of the number of its pixels.

    Raises
    ------
    ShapeError
        If the window does not fit into the padded image.
    """
    divisor = count_include_pad, divisor_override
    return _avg_pool("avg_pool2d", 2, x, kernel_size, stride, padding, ceil_mode, *divisor)


def avg_pool1d(
    x: TensorLike, kernel_size: Row, stride: Row | None = None, padding: Row = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor | Array:  # fmt: skip
    """Return the mean of each window of sequences, as `avg_pool2d`: (N, C, L) -> (N, C, columns).

    A single sample is (C, L) -> (C, columns).
    """
    divisor = count_include_pad, divisor_override
    return _avg_pool("avg_pool1d", 1, x, kernel_size, stride, padding, ceil_mode, *divisor)


def avg_pool3d(
    x: TensorLike, kernel_size: Triple, stride: Triple | None = None, padding: Triple = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor | Array:  # fmt: skip
    """Return the mean of each window of volumes, as `avg_pool2d`: (N, C, D, H, W) -> (N, C, planes, rows, columns).

    A single sample has no N.
    """
    divisor = count_include_pad, divisor_override
    return _avg_pool("avg_pool3d", 3, x, kernel_size, stride, padding, ceil_mode, *divisor)


def _avg_pool(
    name: str, axes: int, x: Any, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
    count_include_pad: bool, divisor: int | None,
) -> Any:  # fmt: skip
    x, is_single = batch_of(name, "x", x, axes + 2)
    kernel, stride, border, _ = _resolve_settings(name, x.shape[2:], kernel_size, stride, padding, 1, ceil_mode)
    out = window_means(_pad_border(x, border, 0), kernel, stride)
    if divisor is not None:
        if not divisor:
            raise ValueError(f"{name}: divisor_override must not be 0.")
        out = out * (math.prod(kernel) / divisor)
    elif any(map(any, border)):
        outside = per_axis(padding if count_include_pad else 0, "padding", 0, axes)  # padding pixels that count
        spans = zip(out.shape[2:], kernel, stride, x.shape[2:], border, outside, strict=True)
        counts = reduce(np.multiply.outer, (_window_counts(*span) for span in spans))
        out = out * np.asarray(math.prod(kernel) / counts, out.dtype)
    return unbatched(out, is_single)


@composite("avg_pool")
def window_means(x: Any, kernel: Any, stride: Any) -> Any:
    """Return the mean of each window; in volumes, the means along the depth and then in the planes."""
    n, c, *size = x.shape
    if len(size) == 1:
        return squeeze(window_means(expand_dims(x, 2), (1, *kernel), (1, *stride)), 2)
    if len(size) == 3:
        depth, area = size[0], size[1] * size[2]
        planes = window_means(reshape(x, (n, c, depth, area)), (kernel[0], 1), (stride[0], 1))
        means = window_means(reshape(planes, (n, c * planes.shape[2], *size[1:])), kernel[1:], stride[1:])
        return reshape(means, (n, c, planes.shape[2], *means.shape[2:]))
    window = window_of(x.shape[2:], kernel, stride, 0, 1)
    return mean(reshape(im2col(x, kernel, stride), (n, c, math.prod(kernel), *window.size)), 2)


def _window_counts(windows: int, kernel: int, stride: int, length: int, border: Size, outside: int) -> ndarray:
    """Return the number of pixels of each window that count along an axis: at most `outside` beyond the image."""
    start = np.arange(windows) * stride - border[0]
    return np.minimum(start + kernel, length + outside) - np.maximum(start, -outside)


def _resolve_settings(
    name: str, size: Sizes, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> PoolWindows:
    """Return the kernel, stride, border and dilation for each axis, or raise if the window does not fit."""
    axes = len(size)
    kernel, d = per_axis(kernel_size, "kernel_size", 1, axes), per_axis(dilation, "dilation", 1, axes)
    p = per_axis(padding, "padding", 0, axes)
    s = kernel if not stride and stride != 0 else per_axis(stride, "stride", 1, axes)  # PyTorch accepts () for None
    if any(2 * p > d * (k - 1) + 1 for k, p, d in zip(kernel, p, d, strict=True)):
        of_padding, of_kernel, of_dilation = ("x".join(map(str, each)) for each in (p, kernel, d))
        raise ShapeError(
            f"{name}: padding must be at most half of the window, got padding {of_padding} for kernel_size "
            f"{of_kernel} (dilation {of_dilation})."
        )
    if ceil_mode or any(p):  # in these cases the image is padded before the windows are computed
        require_listable(kernel)
    if not ceil_mode:
        return kernel, s, tuple((n, n) for n in p), d
    return kernel, s, tuple(map(_ceil_mode_border, size, kernel, s, p, d)), d


def _ceil_mode_border(length: int, k: int, s: int, p: int, d: int) -> Size:
    """Return the border before and after for ceil_mode; it completes each window that begins inside the image."""
    reach = d * (k - 1) + 1
    count = -(-(length + 2 * p - reach) // s) + 1
    if (count - 1) * s >= length + p:
        count -= 1
    return p, max(p, (count - 1) * s + reach - length - p)


def _pad_border(x: Any, border: Border, value: float) -> Any:
    """Pad images with a constant."""
    return pad(x, ((0, 0), (0, 0), *border), constant_values=value) if any(map(any, border)) else x
