"""Windows over images: im2col and its transpose col2im, and the convolution made of them."""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.shape import reshape
from tinygrad_edu.recorder import Array, op

Size = tuple[int, int]
Pair = int | Size

_WHOLE = (int, np.integer)

# So many bytes of windows are made at a time: with what they are multiplied with they stay in a core's cache.
_WINDOWS_AT_A_TIME = 2**21


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
    size : (int, int)
        How many windows there are, by rows and by columns.
    """

    padded: Size
    inside: tuple[slice, slice]
    rows: tuple[slice, ...]
    columns: tuple[slice, ...]
    size: Size


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
        size=(rows, columns),
    )


def _unfold(x: ndarray, laid: Window) -> ndarray:
    """Return the windows of images (N, C, H, W) as (N, C, kh, kw, rows, columns).

    In two steps: the columns of the kernel by strided copies, then its rows, which are whole blocks of those.
    """
    if x.shape[2:] != laid.padded:
        padded = np.zeros((*x.shape[:2], *laid.padded), x.dtype)
        padded[:, :, *laid.inside] = x
        x = padded
    return _slide(_slide(x, laid.columns, laid.size[1]), laid.rows, laid.size[0])


def _slide(x: ndarray, met: tuple[slice, ...], count: int) -> ndarray:
    """Cut axis 3 into `count` windows: (N, C, a, length, ...) -> (N, C, kernel, a, count, ...)."""
    if len(met) == 1:
        return x[:, :, None, :, met[0]]
    x = np.ascontiguousarray(x)
    n, c, a, _, *others = x.shape
    by_n, by_c, by_a, by_pixel, *by_others = x.strides
    apart, step = met[1].start * by_pixel, met[0].step * by_pixel
    strides = (by_n, by_c, apart, by_a, step, *by_others)  # a pixel is visited once for each window that it is in
    return ndarray((n, c, len(met), a, count, *others), x.dtype, x, 0, strides).copy()


def _fold(parts: ndarray, laid: Window) -> ndarray:
    """Add windows (N, C, kh, kw, rows, columns) up into images (N, C, H, W): the transpose of `_unfold`."""
    n, c = parts.shape[:2]
    strips = np.zeros((n, c, len(laid.columns), laid.padded[0], laid.size[1]), parts.dtype)
    _add_up([strips[:, :, :, met] for met in laid.rows], np.moveaxis(parts, 2, 0), overlap(laid.rows))
    padded = np.zeros((n, c, *laid.padded), parts.dtype)
    _add_up([padded[:, :, :, met] for met in laid.columns], np.moveaxis(strips, 2, 0), overlap(laid.columns))
    return padded[:, :, *laid.inside]


def _add_up(places: list[ndarray], values: ndarray, overlap: bool) -> None:
    """Add to each place, which holds zeros, its value. What nothing was added to yet is written without being read."""
    for k, (place, value) in enumerate(zip(places, values, strict=True)):
        if not k or not overlap:
            place[...] = value
        else:
            place += value


def overlap(met: tuple[slice, ...]) -> bool:
    """Whether several windows meet the same row, or column."""
    return bool(met[-1].start >= met[0].step)


@op
def im2col(x: Array, /, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Array:
    """Return the windows of images as columns: (N, C, H, W) -> (N, C * kh * kw, L), for L windows, row by row.

    The layout of PyTorch's ``unfold``. Each setting is a whole number or a pair (vertical, horizontal).
    """
    if x.ndim != 4:
        raise ShapeError(f"images have the shape (N, C, H, W), not {x.shape}.")
    windows = _unfold(x, window(x.shape[2:], kernel_size, stride, padding, dilation))
    n, c, kh, kw, rows, columns = windows.shape
    out = windows.reshape(n, c * kh * kw, rows * columns)
    return out.copy() if np.may_share_memory(out, x) else out  # a kernel of one pixel


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
    return _fold(columns.reshape(n, c, kh, kw, *laid.size), laid)


im2col.vjps(x=lambda g, x_shape, **window: col2im(g, x_shape[2:], **window))
col2im.vjps(columns=lambda g, kernel_size, stride, padding, dilation: im2col(g, kernel_size, stride, padding, dilation))


@op(broadcasts=True)
def correlate(
    x: Array, weight: Array, /, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Array:
    """Return how well each kernel fits each window: (N, C, H, W), (out, C / groups, kh, kw) -> (N, out, rows, columns).

    Through im2col and one matrix product, for as many images at a time as the cache holds.
    """
    laid = window(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    kernels = _kernels(weight, groups)
    maps = np.empty((len(x), *kernels.shape[:2], laid.size[0] * laid.size[1]), np.result_type(x, weight))
    for part in _parts(x, laid):
        np.matmul(kernels, _patches(x[part], laid, groups), out=maps[part])
    return maps.reshape(len(x), len(weight), *laid.size)


def _parts(images: ndarray, laid: Window) -> list[slice]:
    """Cut a batch of images into even parts whose windows are few enough."""
    count = -(-images.nbytes * len(laid.rows) * len(laid.columns) // _WINDOWS_AT_A_TIME)
    each = -(-len(images) // max(1, count)) or 1
    return [slice(start, start + each) for start in range(0, len(images), each)]


def _kernels(weight: ndarray, groups: int) -> ndarray:
    """Return kernels as the rows of a matrix for each group: (groups, out / groups, C / groups * kh * kw)."""
    return weight.reshape(groups, len(weight) // groups, math.prod(weight.shape[1:]))


def _patches(x: ndarray, laid: Window, groups: int) -> ndarray:
    """Return the windows of images as a matrix for each image and group: (n, groups, C / groups * kh * kw, L)."""
    windows = _unfold(x, laid)
    return windows.reshape(len(x), groups, math.prod(windows.shape[1:4]) // groups, math.prod(laid.size))


def _by_group(maps: ndarray, groups: int) -> ndarray:
    """Return maps as a matrix for each image and group: (n, groups, out / groups, L)."""
    n, out, rows, columns = maps.shape
    return np.ascontiguousarray(maps).reshape(n, groups, out // groups, rows * columns)


@op(broadcasts=True)
def correlate_images(
    maps: Array, weight: Array, /, size: Size, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Return the images of `size` (H, W) for which <images, x> = <maps, correlate(x, weight)> whatever x is.

    (N, out, rows, columns), (out, C / groups, kh, kw) -> (N, C, H, W): PyTorch's transposed convolution.
    """
    laid = window(size, weight.shape[2:], stride, padding, dilation)
    kernels = _kernels(weight, groups).swapaxes(1, 2)
    images = np.empty((len(maps), groups * weight.shape[1], *size), np.result_type(maps, weight))
    for part in _parts(images, laid):
        windows = np.matmul(kernels, _by_group(maps[part], groups))
        images[part] = _fold(windows.reshape(len(windows), images.shape[1], *weight.shape[2:], *laid.size), laid)
    return images


@op(broadcasts=True)
def correlate_kernels(
    maps: Array, x: Array, /, kernel_size: Size, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Return the kernels for which <kernels, weight> = <maps, correlate(x, weight)> whatever weight is.

    (N, out, rows, columns), (N, C, H, W) -> (out, C / groups, kh, kw)
    """
    laid = window(x.shape[2:], kernel_size, stride, padding, dilation)
    out, per_group = maps.shape[1], x.shape[1] // groups
    total = np.zeros((groups, per_group * math.prod(kernel_size), out // groups), np.result_type(maps, x))
    for part in _parts(x, laid):
        # The longer factor first, which takes three quarters of the time.
        products = np.matmul(_patches(x[part], laid, groups), _by_group(maps[part], groups).swapaxes(2, 3))
        total += products.sum(axis=0)
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
