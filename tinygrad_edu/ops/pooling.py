"""Max pooling and average pooling over images and sequences."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import RULES, Array, MappedCall, Tensor, TensorLike, batched, op, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.fast.chwn import samples_first, samples_last
from tinygrad_edu.ops.padding import pad
from tinygrad_edu.ops.patches import batch_of, im2col, unbatched
from tinygrad_edu.ops.reduction import mean
from tinygrad_edu.ops.selection import extremes, keep
from tinygrad_edu.ops.shape import expand_dims, reshape, squeeze
from tinygrad_edu.ops.sliding_windows import Pair, Row, Size, Window, pair, require_listable, row, window_of, windows_of

__all__ = ["avg_pool1d", "avg_pool2d", "max_pool1d", "max_pool2d"]

Border = tuple[Size, Size]  # (top, bottom), (left, right)
PoolWindows = tuple[Size, Size, Border, Size]  # kernel, stride, border, dilation


@op(name="max_pool2d", batching="first")
def window_max(
    x: Array, /, kernel_size: Pair, stride: Pair, border: Border = ((0, 0), (0, 0)), dilation: Pair = 1
) -> Array:
    """Return the maximum of each window: (N, C, H, W) -> (N, C, rows, columns).

    `border` is the number of padding pixels at the top and bottom, and at the left and right. They have the minimum
    value of the dtype and receive no gradient, even in a window without other pixels.
    """
    window = window_of(x.shape[2:], kernel_size, stride, 0, dilation)
    images = samples_last(x)
    column_max = reduce(np.maximum, (images[:, pixels] for pixels in window.rows))
    out = samples_first(reduce(np.maximum, (column_max[:, :, pixels] for pixels in window.columns)))
    return out.copy("K") if np.may_share_memory(out, x) else out  # a window of one pixel


def _chosen_of_samples(batch: MappedCall) -> Any:
    """Merge the axis of the samples with the batch, which shares one mask (kh, kw, N, ...)."""
    chosen = batch.settings["chosen"]
    repeated = np.broadcast_to(chosen[:, :, None], (*chosen.shape[:2], batch.size, *chosen.shape[2:]))
    merged = repeated.reshape((*chosen.shape[:2], batch.size * chosen.shape[2], *chosen.shape[3:]))
    return RULES["first"](batch._replace(settings={**batch.settings, "chosen": merged}))


@op(name="max_pool2d", batching=_chosen_of_samples)
def distribute_to_chosen(
    values: Array, /, chosen: Array, size: Size, kernel_size: Pair, stride: Pair, dilation: Pair = 1
) -> Array:
    """Distribute each value evenly to the chosen pixels of its window: (N, C, rows, columns) -> (N, C, H, W).

    `chosen` is a mask (kh, kw, N, C, rows, columns) over the pixels of each window.
    """
    window = window_of(size, kernel_size, stride, 0, dilation)
    values, chosen = samples_last(values), samples_last(chosen, axis=2)
    shares = keep((values / _count_chosen(chosen)).astype(values.dtype, copy=False), chosen)
    images = np.zeros((len(values), *size, values.shape[-1]), values.dtype)
    pixels = _windows_by_offset(images, window)
    if window.overlap:
        for offset in np.ndindex(chosen.shape[:2]):
            pixels[offset] += shares[offset]
    else:
        pixels[...] = shares
    return samples_first(images)


@op(name="max_pool2d", batching=_chosen_of_samples)
def mean_of_chosen(images: Array, /, chosen: Array, kernel_size: Pair, stride: Pair, dilation: Pair = 1) -> Array:
    """Return the mean of the chosen pixels of each window, or 0 if none: the transpose of `distribute_to_chosen`."""
    pixels = _windows_by_offset(samples_last(images), window_of(images.shape[2:], kernel_size, stride, 0, dilation))
    chosen = samples_last(chosen, axis=2)
    total = np.add.reduce(keep(pixels, chosen), axis=(0, 1))
    return samples_first((total / _count_chosen(chosen)).astype(images.dtype, copy=False))


def _windows_by_offset(x: ndarray, window: Window) -> ndarray:
    """Return a view of the windows of images (C, H, W, N), kernel axes first: (kh, kw, C, rows, columns, N)."""
    return windows_of(x, window).transpose(1, 2, 0, 3, 4, 5)


def _image_mask(size: Size, border: Border) -> ndarray:
    """Return a mask (1, H, W, 1) of the pixels inside the border."""
    inside = np.zeros((1, *size, 1), bool)
    (top, bottom), (left, right) = border
    inside[:, top : size[0] - bottom, left : size[1] - right] = True
    return inside


def _count_chosen(chosen: ndarray) -> ndarray:
    """Count the chosen pixels of each window, at least 1. The small integer dtype keeps float32 / count in float32."""
    size = math.prod(chosen.shape[:2])
    pixels = chosen.reshape(size, *chosen.shape[2:])
    count = np.add.reduce(pixels, axis=0, dtype=np.min_scalar_type(size))
    return np.maximum(count, 1, out=count)


def _max_mask(x: ndarray, out: ndarray, window: Window, border: Border) -> ndarray:
    """Return a mask (kh, kw, C, rows, columns, N) of the pixels that are the maximum of their window."""
    pixels = _windows_by_offset(samples_last(x), window)
    chosen = np.less(pixels, samples_last(out), out=np.empty(pixels.shape, bool))
    np.logical_not(chosen, out=chosen)  # which selects each pixel of a window with a NaN
    if any(map(any, border)):
        chosen &= _windows_by_offset(_image_mask(x.shape[2:], border), window)
    return chosen


def _window_max_x(g: Any, x: Any, out: Any, kernel_size: Pair, stride: Pair, border: Border, dilation: Pair) -> Any:
    window = window_of(x.shape[2:], kernel_size, stride, 0, dilation)
    chosen = samples_first(_max_mask(values_of(x), values_of(out), window, border), axis=2)
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
    x, is_single = batch_of("max_pool2d", "x", x, 4)
    windows = _resolve_settings("max_pool2d", x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    out, indices = _max_pool(x, windows, return_indices)
    out = unbatched(out, is_single)
    return (out, indices[0] if is_single else indices) if return_indices else out


def max_pool1d(
    x: TensorLike, kernel_size: Row, stride: Row | None = None, padding: Row = 0, dilation: Row = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Tensor | Array | tuple[Tensor | Array, Array]:  # fmt: skip
    """Return the maximum of each window of sequences: `max_pool2d` of images of height 1.

    (N, C, L) -> (N, C, columns), or (C, L) -> (C, columns).
    """
    x, is_single = batch_of("max_pool1d", "x", x, 3)
    settings = _as_2d_settings(kernel_size, stride, padding)
    images: Any = expand_dims(x, 2)
    windows = _resolve_settings("max_pool1d", images.shape[2:], *settings, row(dilation, "dilation", 1), ceil_mode)
    out, indices = _max_pool(images, windows, return_indices)
    out = unbatched(squeeze(out, 2), is_single)
    return (out, indices[0, :, 0] if is_single else indices[:, :, 0]) if return_indices else out


def _as_2d_settings(kernel_size: Row, stride: Row | None, padding: Row) -> tuple[Size, Size | None, Size]:
    kernel = row(kernel_size, "kernel_size", 1)
    return kernel, None if stride is None else row(stride, "stride", 1), row(padding, "padding", 0)


@batched("first", inputs=1)
def _max_pool(x: Any, windows: PoolWindows, return_indices: bool) -> tuple[Any, Any]:
    """Return the maximum of each window, and the indices or None."""
    kernel, stride, border, dilation = windows
    padded = _pad_border(x, border, extremes(x.dtype)[0])
    out = window_max(padded, kernel, stride, border, dilation)
    if not return_indices:
        return out, None
    window = window_of(padded.shape[2:], kernel, stride, 0, dilation)
    chosen = samples_first(_max_mask(values_of(padded), values_of(out), window, border), axis=2)
    return out, _max_indices(chosen, window, border, x.shape[3])


def _max_indices(chosen: ndarray, window: Window, border: Border, width: int) -> ndarray:
    """Return the flat index of the first chosen pixel of each window in its image."""
    kh, kw, *maps = chosen.shape
    i, j = np.divmod(np.argmax(chosen.reshape(kh * kw, *maps), axis=0), kw)
    rows, columns = (np.arange(n) * s for n, s in zip(window.size, window.stride, strict=True))
    down = rows[:, None] + i * window.dilation[0] - border[0][0]
    return down * width + columns + j * window.dilation[1] - border[1][0]


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
    x, is_single = batch_of("avg_pool2d", "x", x, 4)
    windows = _resolve_settings("avg_pool2d", x.shape[2:], kernel_size, stride, padding, 1, ceil_mode)
    divisor_settings = count_include_pad, divisor_override
    return unbatched(_avg_pool(x, pair(padding, "padding", 0), windows, *divisor_settings), is_single)


def avg_pool1d(
    x: TensorLike, kernel_size: Row, stride: Row | None = None, padding: Row = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor | Array:  # fmt: skip
    """Return the mean of each window of sequences: `avg_pool2d` of images of height 1.

    (N, C, L) -> (N, C, columns), or (C, L) -> (C, columns).
    """
    x, is_single = batch_of("avg_pool1d", "x", x, 3)
    settings = _as_2d_settings(kernel_size, stride, padding)
    images: Any = expand_dims(x, 2)
    windows = _resolve_settings("avg_pool1d", images.shape[2:], *settings, 1, ceil_mode)
    out = _avg_pool(images, settings[2], windows, count_include_pad, divisor_override)
    return unbatched(squeeze(out, 2), is_single)


def _avg_pool(x: Any, padding: Size, windows: PoolWindows, count_include_pad: bool, divisor: int | None) -> Any:
    (kh, kw), stride, border, _ = windows
    padded = _pad_border(x, border, 0)
    n, c, *size = padded.shape
    window = window_of((size[0], size[1]), (kh, kw), stride, 0, 1)
    out = mean(reshape(im2col(padded, (kh, kw), stride), (n, c, kh * kw, *window.size)), 2)
    if divisor is not None:
        if not divisor:
            raise ValueError("avg_pool: divisor_override must not be 0.")
        return out * (kh * kw / divisor)
    outside = padding if count_include_pad else (0, 0)  # number of padding pixels that count
    if any(max(edges) > o for edges, o in zip(border, outside, strict=True)):
        spans = zip(window.size, (kh, kw), window.stride, x.shape[2:], border, outside, strict=True)
        rows, columns = (_window_counts(*span) for span in spans)
        return out * np.asarray(kh * kw / (rows[:, None] * columns), out.dtype)
    return out


def _window_counts(windows: int, kernel: int, stride: int, length: int, border: Size, outside: int) -> ndarray:
    """Return the number of pixels of each window that count along an axis: at most `outside` beyond the image."""
    start = np.arange(windows) * stride - border[0]
    return np.minimum(start + kernel, length + outside) - np.maximum(start, -outside)


def _resolve_settings(
    name: str, size: Size, kernel_size: Pair, stride: Pair | None, padding: Pair, dilation: Pair, ceil_mode: bool
) -> PoolWindows:
    """Return the kernel, stride, border and dilation as pairs, or raise if the window does not fit."""
    kernel, d, p = pair(kernel_size, "kernel_size", 1), pair(dilation, "dilation", 1), pair(padding, "padding", 0)
    s = kernel if not stride and stride != 0 else pair(stride, "stride", 1)  # PyTorch accepts () for None
    if any(2 * p > d * (k - 1) + 1 for k, p, d in zip(kernel, p, d, strict=True)):
        raise ShapeError(
            f"{name}: padding must be at most half of the window, got padding {p[0]}x{p[1]} for kernel_size "
            f"{kernel[0]}x{kernel[1]} (dilation {d[0]}x{d[1]})."
        )
    if ceil_mode or any(p):  # in these cases the image is padded before the windows are computed
        require_listable(kernel)
    if not ceil_mode:
        return kernel, s, ((p[0], p[0]), (p[1], p[1])), d
    top, left = (_ceil_mode_border(*settings) for settings in zip(size, kernel, s, p, d, strict=True))
    return kernel, s, (top, left), d


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
