"""The functions of the layers and of the loss: convolution, softmax, cross-entropy and dropout.

Convolution is one matrix product, after im2col has copied the pixels of each window into one column.

A kernel of 2x2 elements on images of 3x3 pixels has four windows. Each element of the kernel lies on one pixel of every
window. These four pixels are a row of the columns::

    image      windows                                        columns
    1 2 3      1 2   2 3   4 5   5 6      element (0, 0):     1 2 4 5
    4 5 6      4 5   5 6   7 8   8 9      element (0, 1):     2 3 5 6
    7 8 9                                 element (1, 0):     4 5 7 8
                                          element (1, 1):     5 6 8 9
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_edu.core import checks
from tinygrad_edu.core.arithmetic import exp
from tinygrad_edu.core.arrays import getitem, matmul, mean, reshape, sum
from tinygrad_edu.core.engine import sum_dtype
from tinygrad_edu.core.op import op
from tinygrad_edu.core.tensor import values_of

Pair = int | tuple[int, int]  # an integer, or two: vertical, horizontal


@op
def im2col(x: Any, /, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Any:
    """Copy the L windows of images into columns: (N, C, H, W) -> (N, C * kh * kw, L)."""
    (top, left), window = pair(padding), (kernel_size, stride, padding, dilation)
    padded = np.pad(x, ((0, 0), (0, 0), (top, top), (left, left)))
    columns = np.stack([padded[:, :, rows, columns] for rows, columns in kernel_slices(x.shape[2:], *window)], axis=2)
    return columns.reshape(len(x), x.shape[1] * columns.shape[2], math.prod(columns.shape[3:]))


@op
def col2im(
    columns: Any, /, output_size: tuple[int, int], kernel_size: Pair,
    stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1,
) -> Any:  # fmt: skip
    """Add columns to images (N, C, H, W): each element to the pixel from which `im2col` copied it."""
    (h, w), (top, left), window = output_size, pair(padding), (kernel_size, stride, padding, dilation)
    slices, counts = kernel_slices((h, w), *window), window_counts((h, w), *window)
    columns = columns.reshape(len(columns), columns.shape[1] // len(slices), len(slices), *counts)
    padded = np.zeros((*columns.shape[:2], h + 2 * top, w + 2 * left), columns.dtype)
    for k, (rows, cols) in enumerate(slices):
        padded[:, :, rows, cols] += columns[:, :, k]
    return padded[:, :, top : top + h, left : left + w]


def window_counts(size: Any, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> tuple[int, ...]:
    """Return how many windows fit into an image: below each other, side by side."""
    axes = zip(size, *map(pair, (kernel_size, stride, padding, dilation)), strict=True)
    return checks.window_counts(tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes), size)


def kernel_slices(size: Any, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> list[Any]:
    """Return the rows and columns of the padded image on which each element of the kernel lies."""
    counts = window_counts(size, kernel_size, stride, padding, dilation)
    axes = zip(pair(kernel_size), counts, pair(stride), pair(dilation), strict=True)
    rows, columns = ([slice(d * i, d * i + s * (n - 1) + 1, s) for i in range(k)] for k, n, s, d in axes)
    return [(row, column) for row in rows for column in columns]


def pair(setting: Pair) -> Any:
    """Return an integer twice, and a pair as it is."""
    return (setting, setting) if isinstance(setting, int | np.integer) else tuple(setting)


im2col.vjps(
    x=lambda g, x_shape, kernel_size, stride, padding, dilation: col2im(
        g, x_shape[2:], kernel_size, stride, padding, dilation
    )
)
col2im.vjps(columns=lambda g, kernel_size, stride, padding, dilation: im2col(g, kernel_size, stride, padding, dilation))


def conv2d(x: Any, weight: Any, bias: Any = None, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Any:
    """Multiply each window with each kernel: (N, C, H, W), (K, C, kh, kw), (K,) -> (N, K, rows, columns)."""
    window = (weight.shape[2:], stride, padding, dilation)
    maps = matmul(reshape(weight, (len(weight), math.prod(weight.shape[1:]))), im2col(x, *window))
    maps = reshape(maps, (len(x), len(weight), *window_counts(x.shape[2:], *window)))
    return maps if bias is None else maps + reshape(bias, (-1, 1, 1))


@op
def softmax(x: Any, /, axis: int = -1) -> Any:
    """Return exp(x) / sum(exp(x)) along an axis: positive numbers whose sum is 1."""
    e = np.exp(subtract_max(x, axis))
    return (e / np.sum(e, axis, sum_dtype(e.dtype), keepdims=True)).astype(e.dtype)


softmax.vjps(x=lambda g, out, axis: out * (g - sum(g * out, axis, keepdims=True)))


@op
def log_softmax(x: Any, /, axis: int = -1) -> Any:
    """Return log(softmax(x)), without the logarithm of a number that was rounded to 0."""
    x = subtract_max(x, axis)
    return x - np.log(np.sum(np.exp(x), axis, sum_dtype(x.dtype), keepdims=True)).astype(x.dtype)


def subtract_max(x: Any, axis: int) -> Any:
    """Return x minus its maximum along an axis. The softmax is the same, and exp does not overflow."""
    x = x if x.dtype.kind == "f" else x.astype(float)
    return x - np.max(x, axis, keepdims=True) if x.size else x


log_softmax.vjps(x=lambda g, out, axis: g - exp(out) * sum(g, axis, keepdims=True))


def cross_entropy(logits: Any, labels: Any) -> Any:
    """Return the mean of -log(p), where p is the probability of a sample's label: logits (N, C), labels (N,)."""
    labels = checks.labels(np.asarray(values_of(labels)), logits)
    return -mean(getitem(log_softmax(logits), (np.arange(len(labels)), labels)))


def dropout(x: Any, p: float, rng: np.random.Generator) -> Any:
    """Return x with each element set to 0 with probability p, and the others divided by 1 - p, to keep the mean."""
    scale = 1 / (1 - p) if p < 1 else 0.0
    return x * ((rng.random(x.shape) >= p) * scale).astype(x.dtype)
