"""Windows over images: im2col and its transpose col2im, and the convolution made of them."""

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.linalg import product
from tinygrad_edu.ops.shape import reshape
from tinygrad_edu.recorder import Array, op

Size = tuple[int, int]
Pair = int | Size

_WHOLE = (int, np.integer)

# So many bytes of windows are made at a time: with what they are multiplied with they stay in a core's cache. Where
# they are added up to images, each part costs calls of its own, and more bytes are better.
_READ_AT_A_TIME, _ADDED_AT_A_TIME = 2**20, 2**22


def pair(value: Any, name: str, least: int) -> tuple[int, int]:
    """Read a setting that is a whole number, or a pair of them (vertical, horizontal)."""
    both = value if isinstance(value, (tuple, list)) else (value, value)
    if len(both) == 2:
        a, b = both
        if isinstance(a, _WHOLE) and isinstance(b, _WHOLE) and a >= least and b >= least:
            return int(a), int(b)
    raise ShapeError(f"{name} is a whole number of at least {least}, or a pair of them, not {value!r}.")


class Window(NamedTuple):
    """Where a kernel meets an image.

    Attributes
    ----------
    padded : (int, int)
        The size of the image with its padding.
    inside : (slice, slice)
        Where in that the image lies.
    rows, columns : tuple of slice
        For each row of the kernel the rows of the padded image that it meets, from window to window; and its columns.
    stride, dilation : (int, int)
        How far the next window is, and the next pixel in a window.
    size : (int, int)
        How many windows there are, by rows and by columns.
    """

    padded: Size
    inside: tuple[slice, slice]
    rows: tuple[slice, ...]
    columns: tuple[slice, ...]
    stride: Size
    dilation: Size
    size: Size

    @property
    def overlap(self) -> bool:
        """Whether several windows meet the same pixel."""
        kernel = len(self.rows), len(self.columns)
        return any(d * (k - 1) >= s for d, k, s in zip(self.dilation, kernel, self.stride, strict=True))


def window(size: Size, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Window:
    """Lay a kernel over images of a size (H, W): (size + 2 padding - dilation (kernel - 1) - 1) // stride + 1 windows.

    A remainder is dropped.
    """
    kernel, step = pair(kernel_size, "kernel_size", 1), pair(stride, "stride", 1)
    return _window(size, kernel, step, pair(padding, "padding", 0), pair(dilation, "dilation", 1))


@lru_cache(256)
def _window(size: Size, k: Size, s: Size, p: Size, d: Size) -> Window:
    rows, columns = ((size[i] + 2 * p[i] - d[i] * (k[i] - 1) - 1) // s[i] + 1 for i in (0, 1))
    if rows < 1 or columns < 1:
        raise ShapeError(
            f"a window of {k[0]}x{k[1]} (dilation {d[0]}x{d[1]}) does not fit into an image of "
            f"{size[0]}x{size[1]} with padding {p[0]}x{p[1]}."
        )
    return Window(
        padded=(size[0] + 2 * p[0], size[1] + 2 * p[1]),
        inside=(slice(p[0], p[0] + size[0]), slice(p[1], p[1] + size[1])),
        rows=tuple(slice(i * d[0], i * d[0] + (rows - 1) * s[0] + 1, s[0]) for i in range(k[0])),
        columns=tuple(slice(j * d[1], j * d[1] + (columns - 1) * s[1] + 1, s[1]) for j in range(k[1])),
        stride=s,
        dilation=d,
        size=(rows, columns),
    )


def samples_last(x: ndarray, axis: int = 0) -> ndarray:
    """Return images (N, C, H, W) as (C, H, W, N), one block of memory: a view of those that this file made.

    The pixels of a place in all images are then neighbours, so that rows are long however small the images are.
    """
    return np.ascontiguousarray(x.transpose((*range(axis), *range(axis + 1, x.ndim), axis)))


def samples_first(x: ndarray, axis: int = 0) -> ndarray:
    """Return (C, H, W, N) as (N, C, H, W), a view: the opposite of `samples_last`."""
    return x.transpose((*range(axis), x.ndim - 1, *range(axis, x.ndim - 1)))


def _bordered(x: ndarray, laid: Window) -> ndarray:
    """Return images (N, C, H, W) as (C, H, W, N) with their padding."""
    x = samples_last(x)
    if x.shape[1:3] == laid.padded:
        return x
    padded = np.zeros((len(x), *laid.padded, x.shape[3]), x.dtype)
    padded[:, *laid.inside] = x
    return padded


def windows_of(x: ndarray, laid: Window, part: slice) -> ndarray:
    """Return the windows of some rows of images (C, H, W, N) as (C, kh, kw, rows, columns, N).

    A view, in which a pixel is visited once for each window that it is in.
    """
    (si, sj), (di, dj) = laid.stride, laid.dilation
    by_c, by_row, by_column, by_n = x.strides
    shape = (len(x), len(laid.rows), len(laid.columns), part.stop - part.start, laid.size[1], x.shape[3])
    strides = (by_c, di * by_row, dj * by_column, si * by_row, sj * by_column, by_n)
    return ndarray(shape, x.dtype, x, part.start * si * by_row, strides)


def _fold(windows: ndarray, laid: Window, part: slice, images: ndarray) -> None:
    """Add windows (C, kh, kw, rows, columns, N) to the images (C, H, W, N) they lie in: the transpose of `windows_of`.

    In two steps, rows and then columns, which are fewer and longer additions than place by place.
    """
    step = laid.stride[0]
    band = slice(part.start * step, (part.stop - 1) * step + laid.rows[-1].start + 1)
    c, _, kw, _, columns, n = windows.shape
    strips = np.zeros((c, kw, band.stop - band.start, columns, n), windows.dtype)
    for row, met in enumerate(laid.rows):
        strips[:, :, met.start : met.start + (part.stop - part.start - 1) * step + 1 : step] += windows[:, row]
    for column, met in enumerate(laid.columns):
        images[:, band, met] += strips[:, column]


@op
def im2col(x: Array, /, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Array:
    """Return the windows of images as columns: (N, C, H, W) -> (N, C * kh * kw, L), for L windows, row by row.

    The layout of PyTorch's ``unfold``. Each setting is a whole number or a pair (vertical, horizontal).
    """
    if x.ndim != 4:
        raise ShapeError(f"images have the shape (N, C, H, W), not {x.shape}.")
    laid = window(x.shape[2:], kernel_size, stride, padding, dilation)
    windows = windows_of(_bordered(x, laid), laid, slice(0, laid.size[0])).copy()
    c, kh, kw, rows, columns, n = windows.shape
    return samples_first(windows.reshape(c * kh * kw, rows * columns, n))


@op
def col2im(
    columns: Array,
    /,
    output_size: Size,
    kernel_size: Pair,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
) -> Array:
    """Add columns up into images of `output_size` (H, W): the transpose of `im2col`, PyTorch's ``fold``."""
    h, w = pair(output_size, "output_size", 1)
    laid = window((h, w), kernel_size, stride, padding, dilation)
    kh, kw = len(laid.rows), len(laid.columns)
    if columns.ndim != 3 or columns.shape[1] % (kh * kw) or columns.shape[2] != laid.size[0] * laid.size[1]:
        raise ShapeError(
            f"columns of shape {columns.shape} for images of {h}x{w}; "
            f"they need (N, C * {kh * kw}, {laid.size[0] * laid.size[1]})."
        )
    n, c = columns.shape[0], columns.shape[1] // (kh * kw)
    images = np.zeros((c, *laid.padded, n), columns.dtype)
    _fold(samples_last(columns).reshape(c, kh, kw, *laid.size, n), laid, slice(0, laid.size[0]), images)
    return samples_first(images[:, *laid.inside])


im2col.vjps(x=lambda g, x_shape, **window: col2im(g, x_shape[2:], **window))
col2im.vjps(columns=lambda g, kernel_size, stride, padding, dilation: im2col(g, kernel_size, stride, padding, dilation))


@op(broadcasts=True)
def correlate(
    x: Array, weight: Array, /, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Array:
    """Return how well each kernel fits each window: (N, C, H, W), (out, C / groups, kh, kw) -> (N, out, rows, columns).

    Through im2col and a matrix product, for as many rows at a time as the cache holds.
    """
    laid = window(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    images, kernels = _bordered(x, laid), _kernels(weight, groups)
    maps = np.empty((len(weight), *laid.size, len(x)), np.result_type(x, weight))
    flat = _matrices(maps, groups, axes=1)
    for part, columns in _parts(images, laid, _READ_AT_A_TIME):
        product(kernels, _matrices(windows_of(images, laid, part), groups, axes=3), out=flat[..., columns])
    return samples_first(maps)


def _kernels(weight: ndarray, groups: int) -> ndarray:
    """Return kernels as the rows of a matrix for each group: (groups, out / groups, C / groups * kh * kw)."""
    return weight.reshape(groups, len(weight) // groups, math.prod(weight.shape[1:]))


def _matrices(x: ndarray, groups: int, axes: int) -> ndarray:
    """Return windows (a copy) or maps as a matrix for each group; the first `axes` axes of `x` make its rows."""
    return x.reshape(groups, math.prod(x.shape[:axes]) // groups, math.prod(x.shape[axes:]))


def _parts(images: ndarray, laid: Window, size: int) -> Iterator[tuple[slice, slice]]:
    """Cut the rows of the maps into even parts, with windows of `size` bytes at most; and where each lies in a map."""
    rows, length = laid.size[0], laid.size[1] * images.shape[3]
    row = len(images) * len(laid.rows) * len(laid.columns) * length * images.itemsize
    each = -(-rows // max(1, min(rows, -(-rows * row // size))))
    for start in range(0, rows, each):
        stop = min(start + each, rows)
        yield slice(start, stop), slice(start * length, stop * length)


@op(broadcasts=True)
def correlate_images(
    maps: Array, weight: Array, /, size: Size, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Return the images of `size` (H, W) for which <images, x> = <maps, correlate(x, weight)> whatever x is.

    (N, out, rows, columns), (out, C / groups, kh, kw) -> (N, C, H, W): PyTorch's transposed convolution.
    """
    laid = window(size, weight.shape[2:], stride, padding, dilation)
    kernels, flat = _kernels(weight, groups).swapaxes(1, 2), _matrices(samples_last(maps), groups, axes=1)
    images = np.zeros((groups * weight.shape[1], *laid.padded, len(maps)), np.result_type(maps, weight))
    for part, columns in _parts(images, laid, _ADDED_AT_A_TIME):
        windows = product(kernels, flat[..., columns])
        rows = part.stop - part.start
        _fold(windows.reshape(len(images), *weight.shape[2:], rows, laid.size[1], len(maps)), laid, part, images)
    return samples_first(images[:, *laid.inside])


@op(broadcasts=True)
def correlate_kernels(
    maps: Array, x: Array, /, kernel_size: Size, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Return the kernels for which <kernels, weight> = <maps, correlate(x, weight)> whatever weight is.

    (N, out, rows, columns), (N, C, H, W) -> (out, C / groups, kh, kw)
    """
    laid = window(x.shape[2:], kernel_size, stride, padding, dilation)
    images, flat = _bordered(x, laid), _matrices(samples_last(maps), groups, axes=1).swapaxes(1, 2)
    out, per_group = maps.shape[1], x.shape[1] // groups
    total = np.zeros((groups, per_group * math.prod(kernel_size), out // groups), np.result_type(maps, x))
    for part, columns in _parts(images, laid, _READ_AT_A_TIME):
        # The longer factor first, which takes three quarters of the time.
        total += product(_matrices(windows_of(images, laid, part), groups, axes=3), flat[:, columns])
    return total.swapaxes(1, 2).reshape(out, per_group, *kernel_size)


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
    """Return the cross-correlation of images with kernels, through `im2col` and one matrix product.

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


def four_axes(name: str, x: Any) -> tuple[int, int, int, int]:
    """Return the shape of a batch of images or kernels, or say that it is none."""
    shape = getattr(x, "shape", None) or np.shape(x)
    if len(shape) != 4:
        raise ShapeError(f"conv2d and pooling: {name} needs 4 axes, and has the shape {shape}.")
    a, b, c, d = shape
    return a, b, c, d
