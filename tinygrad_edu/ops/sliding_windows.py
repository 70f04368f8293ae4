"""Sliding windows: their settings, their positions, and a view of images as windows."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray
from numpy.lib.stride_tricks import as_strided

from tinygrad_edu._checks import integer
from tinygrad_edu.errors import ShapeError

Size = tuple[int, int]
Pair = int | Size
Row = int | tuple[int]  # a setting of windows over sequences (N, C, L)

_MAX_PIXELS = np.iinfo(np.intp).max // np.dtype(np.longdouble).itemsize


def pair(value: Any, name: str, least: int) -> tuple[int, int]:
    """Return a setting as a pair (vertical, horizontal); a single integer, also in a list, applies to both."""
    values = value if isinstance(value, (tuple, list)) else (value, value)
    if len(values) not in (1, 2):
        raise ShapeError(f"{name} must be an integer or a pair of integers, got {value!r}.")
    return integer(name, values[0], least), integer(name, values[-1], least)


def single(value: Any, name: str, least: int) -> int:
    """Return a setting of windows over sequences as an integer; it may be given as a list of one."""
    number = value[0] if isinstance(value, (tuple, list)) and len(value) == 1 else value
    return integer(name, number, least)


def row(value: Any, name: str, least: int) -> Size:
    """Convert a setting of windows over sequences (N, C, L) to one of windows over images (N, C, 1, L)."""
    return least, single(value, name, least)


class Window(NamedTuple):
    """Positions of a kernel that slides over an image.

    Attributes
    ----------
    padded : (int, int)
        Size of the padded image.
    inside : (slice, slice)
        Position of the image in the padded image. If `padded` is a part of a larger image, the slices may extend
        beyond it.
    rows, columns : tuple of slice
        For each row (column) of the kernel, the rows (columns) of the padded image that it covers in all windows.
    stride, dilation : (int, int)
        Distance between windows, and between the pixels of a window.
    size : (int, int)
        Number of windows, vertically and horizontally.
    """

    padded: Size
    inside: tuple[slice, slice]
    rows: tuple[slice, ...]
    columns: tuple[slice, ...]
    stride: Size
    dilation: Size
    size: Size

    def __hash__(self) -> int:
        """Return a hash, so that plans for windows can be cached: slices are not hashable before Python 3.12."""
        return hash((self.padded, self.stride, self.dilation, self.size))

    @property
    def overlap(self) -> bool:
        """Whether windows overlap."""
        kernel = len(self.rows), len(self.columns)
        return any(d * (k - 1) >= s for d, k, s in zip(self.dilation, kernel, self.stride, strict=True))


def require_listable(kernel: Size) -> None:
    """Raise if the kernel has too many rows or columns to list them."""
    if max(kernel) > _MAX_KERNEL:
        raise ShapeError(f"kernel_size must be at most {_MAX_KERNEL} in each direction, got {kernel}.")


_MAX_KERNEL = 2**20  # the list takes half a second


def window_of(size: Size, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Window:
    """Return the windows of a kernel over images (H, W): (size + 2 padding - dilation (kernel - 1) - 1) // stride + 1.

    A remainder is dropped.
    """
    kernel, steps = pair(kernel_size, "kernel_size", 1), pair(stride, "stride", 1)
    return _window(size, kernel, steps, pair(padding, "padding", 0), pair(dilation, "dilation", 1))


@lru_cache(256)
def _window(size: Size, k: Size, s: Size, p: Size, d: Size) -> Window:
    rows, columns = ((size[i] + 2 * p[i] - d[i] * (k[i] - 1) - 1) // s[i] + 1 for i in (0, 1))
    if rows < 1 or columns < 1:
        raise ShapeError(
            f"kernel_size {k[0]}x{k[1]} (dilation {d[0]}x{d[1]}) is larger than the image {size[0]}x{size[1]} with "
            f"padding {p[0]}x{p[1]}."
        )
    require_listable(k)
    padded = size[0] + 2 * p[0], size[1] + 2 * p[1]
    if padded[0] * padded[1] > _MAX_PIXELS:
        raise ShapeError(
            f"an image of {size[0]}x{size[1]} with padding {p[0]}x{p[1]} has too many pixels for an array."
        )
    s = min(s[0], padded[0]), min(s[1], padded[1])  # a longer stride also leaves the image
    return Window(
        padded=padded,
        inside=(slice(p[0], p[0] + size[0]), slice(p[1], p[1] + size[1])),
        rows=tuple(slice(i * d[0], i * d[0] + (rows - 1) * s[0] + 1, s[0]) for i in range(k[0])),
        columns=tuple(slice(j * d[1], j * d[1] + (columns - 1) * s[1] + 1, s[1]) for j in range(k[1])),
        stride=s,
        dilation=d,
        size=(rows, columns),
    )


def overlap_slices(positions: range, size: int) -> tuple[slice, slice]:
    """Return the slice of range(size) that `positions` covers, and the slice of `positions` inside range(size)."""
    first = max(0, -(positions.start // positions.step))
    end = max(first, min(len(positions), -((positions.start - size) // positions.step)))
    start = positions.start + first * positions.step
    return slice(start, start + (end - first) * positions.step, positions.step), slice(first, end)


def windows_of(x: ndarray, window: Window) -> ndarray:
    """Return a view of the windows of images (C, H, W, N) as (C, kh, kw, rows, columns, N).

    A pixel occurs once in each window that covers it.
    """
    (si, sj), (di, dj) = window.stride, window.dilation
    c_stride, row_stride, column_stride, n_stride = x.strides
    shape = (len(x), len(window.rows), len(window.columns), *window.size, x.shape[3])
    strides = c_stride, di * row_stride, dj * column_stride, si * row_stride, sj * column_stride, n_stride
    return view_of(x, shape, strides)


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
