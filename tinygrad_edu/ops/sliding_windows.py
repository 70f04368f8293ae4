"""Sliding windows: their settings, their positions, and a view of images as windows."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import repeat
from operator import mul
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray
from numpy.lib.stride_tricks import as_strided

from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import integer

Size = tuple[int, int]
Pair = int | Size
Row = int | tuple[int]  # a setting of windows over sequences (N, C, L)
Triple = int | tuple[int, int, int]  # a setting of windows over volumes (N, C, D, H, W)
Sizes = tuple[int, ...]  # one length per spatial axis

_MAX_PIXELS = np.iinfo(np.intp).max // np.dtype(np.longdouble).itemsize


def per_axis(value: Any, name: str, least: int, axes: int) -> Sizes:
    """Return a setting as one integer per axis; a single integer, also in a list, applies to all axes."""
    if type(value) is tuple and len(value) == axes and all(type(n) is int and n >= least for n in value):
        return value
    values = value if isinstance(value, (tuple, list)) and (axes > 1 or len(value) == 1) else (value,)
    if len(values) not in (1, axes):
        raise ShapeError(f"{name} must be an integer or {_COUNTS[axes]} integers, got {value!r}.")
    return tuple([integer(name, n, least) for n in values]) * (axes // len(values))


_COUNTS = {2: "a pair of", 3: "three"}


def pair(value: Any, name: str, least: int) -> Size:
    """Return a setting of windows over images as a pair (vertical, horizontal)."""
    vertical, horizontal = per_axis(value, name, least, 2)
    return vertical, horizontal


class Window(NamedTuple):
    """Positions of a kernel that slides over an image, a sequence or a volume.

    Attributes
    ----------
    padded : tuple of int
        Size of the padded image.
    inside : tuple of slice
        Position of the image in the padded image. If `padded` is a part of a larger image, the slices may extend
        beyond it.
    taps : tuple of tuple of slice
        For each axis and each element of the kernel along it, the pixels of the padded image that the element covers in
        all windows.
    stride, dilation : tuple of int
        Distance between windows, and between the pixels of a window.
    size : tuple of int
        Number of windows along each axis.
    settings : tuple
        The kernel size, the stride, the padding and the dilation.
    """

    padded: Size
    inside: tuple[slice, slice]
    taps: tuple[tuple[slice, ...], ...]
    stride: Size
    dilation: Size
    size: Size
    settings: tuple[Size, Size, Size, Size]

    def __hash__(self) -> int:
        """Return a hash, so that plans for windows can be cached: slices are not hashable before Python 3.12."""
        return hash((self.padded, self.stride, self.dilation, self.size))

    @property
    def rows(self) -> tuple[slice, ...]:
        """The taps of each row of the kernel, for images."""
        return self.taps[0]

    @property
    def columns(self) -> tuple[slice, ...]:
        """The taps of each column of the kernel, for images."""
        return self.taps[1]

    @property
    def overlap(self) -> bool:
        """Whether windows overlap."""
        axes = zip(self.dilation, self.taps, self.stride, strict=True)
        return any(d * (len(taps) - 1) >= s for d, taps, s in axes)


def require_listable(kernel: Sizes) -> None:
    """Raise if the kernel has too many elements along an axis to list them."""
    if max(kernel) > _MAX_KERNEL:
        raise ShapeError(f"kernel_size must be at most {_MAX_KERNEL} in each direction, got {kernel}.")


_MAX_KERNEL = 2**20  # the list takes half a second


def window_of(size: Sizes, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Window:
    """Return the windows of a kernel over images: (size + 2 padding - dilation (kernel - 1) - 1) // stride + 1.

    Each setting is an integer or one per axis. A remainder is dropped.
    """
    return _window(size, *map(per_axis, (kernel_size, stride, padding, dilation), *_SETTINGS, repeat(len(size))))


_SETTINGS = ("kernel_size", "stride", "padding", "dilation"), (1, 1, 0, 1)  # their names and least values


@lru_cache(256)
def _window(size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Window:
    padded: Any = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
    axes = zip(padded, kernel, stride, dilation, strict=True)
    counts: Any = tuple((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in axes)
    k, d, n, p = ("x".join(map(str, lengths)) for lengths in (kernel, dilation, size, padding))
    noun = ("sequence", "image", "volume")[len(size) - 1]
    if min(counts) < 1:
        raise ShapeError(f"kernel_size {k} (dilation {d}) is larger than the {noun} {n} with padding {p}.")
    require_listable(kernel)
    if math.prod(padded) > _MAX_PIXELS:
        raise ShapeError(f"the {noun} {n} with padding {p} has too many pixels for an array.")
    stride = tuple(map(min, stride, padded))  # a longer stride also leaves the image
    axes = zip(kernel, stride, dilation, counts, strict=True)
    return Window(
        padded=padded,
        inside=tuple(slice(p, p + n) for p, n in zip(padding, size, strict=True)),  # type: ignore[arg-type]
        taps=tuple(tuple(slice(i * d, i * d + (n - 1) * s + 1, s) for i in range(k)) for k, s, d, n in axes),
        stride=stride,
        dilation=dilation,
        size=counts,
        settings=(kernel, stride, padding, dilation),
    )


def overlap_slices(positions: range, size: int) -> tuple[slice, slice]:
    """Return the slice of range(size) that `positions` covers, and the slice of `positions` inside range(size)."""
    first = max(0, -(positions.start // positions.step))
    end = max(first, min(len(positions), -((positions.start - size) // positions.step)))
    start = positions.start + first * positions.step
    return slice(start, start + (end - first) * positions.step, positions.step), slice(first, end)


def windows_of(x: ndarray, window: Window) -> ndarray:
    """Return a view of the windows of images (C, H, W, N) as (C, kh, kw, rows, columns, N).

    A pixel occurs once in each window that covers it. Sequences (C, L, N) and volumes (C, D, H, W, N) work likewise.
    """
    c_stride, *spatial, n_stride = x.strides
    shape = (len(x), *map(len, window.taps), *window.size, x.shape[-1])
    strides = (c_stride, *map(mul, window.dilation, spatial), *map(mul, window.stride, spatial), n_stride)
    return view_of(x, shape, strides)


def windows_by_offset(x: ndarray, window: Window) -> ndarray:
    """Return a view of the windows of images (C, ..., N), with the axes of the kernel first."""
    axes = x.ndim - 2
    return windows_of(x, window).transpose(*range(1, axes + 1), 0, *range(axes + 1, 2 * axes + 2))


def view_of(x: ndarray, shape: tuple[int, ...], strides: tuple[int, ...]) -> ndarray:
    """Return a view of x with this shape and these strides."""
    if x.flags.c_contiguous:  # ten times as fast as as_strided
        return ndarray(shape, x.dtype, x, 0, strides)
    return as_strided(x, shape, strides)


def add_windows(windows: ndarray, window: Window) -> ndarray:
    """Sum windows (C, kh, kw, rows, columns, N) into images (C, H, W, N): the transpose of `windows_of`.

    Rows are summed first, then columns: fewer and longer additions than one for each kernel position.
    """
    c, _, kw, _, columns, n = windows.shape
    strips = np.zeros((c, kw, window.padded[0], columns, n), windows.dtype)
    for row, covered in enumerate(window.rows):
        strips[:, :, covered] += windows[:, row]
    images = np.zeros((c, *window.padded, n), windows.dtype)
    for column, covered in enumerate(window.columns):
        images[:, :, covered] += strips[:, column]
    return images


# --- Axes of images ---


def plain_samples_last(x: ndarray, axis: int = 0) -> ndarray:
    """Move the batch axis `axis` to the end: by default (N, C, H, W) -> (C, H, W, N)."""
    return np.moveaxis(x, axis, -1)


def plain_samples_first(x: ndarray, axis: int = 0) -> ndarray:
    """Move the batch axis from the end to `axis`: the inverse of `plain_samples_last`."""
    return np.moveaxis(x, -1, axis)
