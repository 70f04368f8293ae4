"""Pooling: the greatest pixel of each window over images, and the mean."""

import math
from functools import reduce
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, op, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.choosing import keep
from tinygrad_edu.ops.padding import pad
from tinygrad_edu.ops.reduction import mean
from tinygrad_edu.ops.shape import reshape
from tinygrad_edu.ops.windows import (
    Pair,
    Size,
    Window,
    four_axes,
    im2col,
    pair,
    samples_first,
    samples_last,
    window,
    windows_of,
)

__all__ = ["avg_pool2d", "max_pool2d"]


@op
def greatest(x: Array, /, kernel_size: Pair, stride: Pair, border: Size = (0, 0)) -> Array:
    """Return the greatest pixel of each window: (N, C, H, W) -> (N, C, rows, columns).

    `border` says how many pixels at either end, vertically and horizontally, are none of the image's: numbers that are
    greater than no other, and whose gradient is 0 even in a window of nothing else.
    """
    laid = window(x.shape[2:], kernel_size, stride, 0, 1)
    images = samples_last(x)
    of_columns = reduce(np.maximum, (images[:, met] for met in laid.rows))
    out = samples_first(reduce(np.maximum, (of_columns[:, :, met] for met in laid.columns)))
    return out.copy("K") if np.may_share_memory(out, x) else out  # a window of one pixel


@op
def share_out(values: Array, /, chosen: Array, size: Size, kernel_size: Pair, stride: Pair) -> Array:
    """Share each value out evenly to the chosen pixels of its window: (N, C, rows, columns) -> (N, C, H, W).

    `chosen`, (kh, kw, N, C, rows, columns), says for each place in the window whether its pixel gets a share.
    """
    laid = window(size, kernel_size, stride, 0, 1)
    values, chosen = samples_last(values), samples_last(chosen, axis=2)
    shares = keep((values / _count_chosen(chosen)).astype(values.dtype, copy=False), chosen)
    images = np.zeros((len(values), *size, values.shape[-1]), values.dtype)
    pixels = _pixels(images, laid)
    if laid.overlap:
        for place in np.ndindex(chosen.shape[:2]):
            pixels[place] += shares[place]
    else:
        pixels[...] = shares
    return samples_first(images)


@op
def mean_of_chosen(images: Array, /, chosen: Array, kernel_size: Pair, stride: Pair) -> Array:
    """Return the mean over the chosen pixels of each window: the transpose of `share_out`."""
    pixels = _pixels(samples_last(images), window(images.shape[2:], kernel_size, stride, 0, 1))
    chosen = samples_last(chosen, axis=2)
    total = np.add.reduce(keep(pixels, chosen), axis=(0, 1))
    return samples_first((total / _count_chosen(chosen)).astype(images.dtype, copy=False))


def _pixels(x: ndarray, laid: Window) -> ndarray:
    """Return a view of images (C, H, W, N) by the places in the window: (kh, kw, C, rows, columns, N)."""
    return windows_of(x, laid).transpose(1, 2, 0, 3, 4, 5)


def _inside(size: Size, border: Size) -> ndarray:
    """Say of the pixels (1, H, W, 1) of an image whether they lie inside of its border."""
    inside = np.zeros((1, *size, 1), bool)
    (h, w), (ph, pw) = size, border
    inside[:, ph : h - ph, pw : w - pw] = True
    return inside


def _count_chosen(chosen: ndarray) -> ndarray:
    """Count what is chosen of each window, in the smallest integers that hold it: a quotient by them stays float32."""
    places = math.prod(chosen.shape[:2])
    each = chosen.reshape(places, *chosen.shape[2:])
    return np.add.reduce(each, axis=0, dtype=np.min_scalar_type(places))


def _greatest_x(g: Any, x: Any, out: Any, kernel_size: Pair, stride: Pair, border: Size) -> Any:
    laid = window(x.shape[2:], kernel_size, stride, 0, 1)
    pixels = _pixels(samples_last(values_of(x)), laid)
    chosen = np.less(pixels, samples_last(values_of(out)), out=np.empty(pixels.shape, bool))
    np.logical_not(chosen, out=chosen)  # and so, where there is a NaN, each pixel of its window
    if any(border):
        chosen &= _pixels(_inside(x.shape[2:], border), laid)
    return share_out(g, samples_first(chosen, axis=2), x.shape[2:], kernel_size, stride)


greatest.vjps(x=_greatest_x)
share_out.vjps(values=lambda g, chosen, kernel_size, stride: mean_of_chosen(g, chosen, kernel_size, stride))
mean_of_chosen.vjps(
    images=lambda g, images_shape, chosen, kernel_size, stride: share_out(
        g, chosen, images_shape[2:], kernel_size, stride
    )
)


def max_pool2d(x: Any, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> Any:
    """Return the greatest pixel of each window: (N, C, H, W) -> (N, C, rows, columns). Ties share the gradient.

    The stride is that of the kernel unless given; a remainder is dropped; the padding never wins.
    """
    x = _as_images(x)
    padded = _padded(x, kernel_size, padding, _least(x.dtype))
    stride = kernel_size if stride is None else stride
    return greatest(padded, kernel_size, stride, pair(padding, "padding", 0))


def avg_pool2d(x: Any, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> Any:
    """Return the mean of each window, the zeros of the padding included: (N, C, H, W) -> (N, C, rows, columns)."""
    x, stride = _padded(_as_images(x), kernel_size, padding, 0), kernel_size if stride is None else stride
    n, c, h, w = x.shape
    kh, kw = pair(kernel_size, "kernel_size", 1)
    rows, columns = window((h, w), kernel_size, stride, 0, 1).size
    return mean(reshape(im2col(x, kernel_size, stride), (n, c, kh * kw, rows, columns)), 2)


def _least(dtype: Any) -> float:
    """Return what is never greater than another number of a dtype."""
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min if dtype.kind in "iu" else False


def _as_images(x: Any) -> Any:
    """Return images as an array or Tensor (N, C, H, W)."""
    four_axes("x", x)
    return x if hasattr(x, "dtype") else np.asarray(x)


def _padded(x: Any, kernel_size: Pair, padding: Pair, border: float) -> Any:
    """Put a border around images, of at most half of the window."""
    (kh, kw), (ph, pw) = pair(kernel_size, "kernel_size", 1), pair(padding, "padding", 0)
    if 2 * ph > kh or 2 * pw > kw:
        raise ShapeError(f"pooling: padding {ph}x{pw} is more than half of the window {kh}x{kw}.")
    return pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=border) if ph or pw else x
