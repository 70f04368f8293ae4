"""Windows over images: where they lie, and im2col and its transpose col2im, which copy them and add them up."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray
from numpy.lib.stride_tricks import as_strided

from tinygrad_edu.engine import Array, op
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.fast.turning import put_last
from tinygrad_edu.ops.shape import expand_dims, squeeze

__all__ = ["col2im", "fold", "im2col", "unfold"]

Size = tuple[int, int]
Pair = int | Size
Row = int | tuple[int]  # the same of windows over rows (N, C, L)

_WHOLE = (int, np.integer)


def pair(value: Any, name: str, least: int) -> tuple[int, int]:
    """Read a setting that is a whole number, alone or in a list, or a pair of them (vertical, horizontal)."""
    both = value if isinstance(value, (tuple, list)) else (value, value)
    if len(both) == 1:
        both = (both[0], both[0])
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
        Where in that the image lies; of a larger one, a part of it, the slices may begin before it and end behind.
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

    def __hash__(self) -> int:
        """Make plans for windows cacheable: slices have no hash before Python 3.12."""
        return hash((self.padded, self.stride, self.dilation, self.size))

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
    turned = x.transpose((*range(axis), *range(axis + 1, x.ndim), axis))
    if axis or turned.flags.c_contiguous:
        return np.ascontiguousarray(turned)
    out = np.empty(turned.shape, x.dtype)
    put_last(x, out)
    return out


def samples_together(images: ndarray) -> ndarray:
    """Return images (C, H, W, N) with all samples of a place side by side: as they are, where they lie so already."""
    return images if images.strides[3] == images.itemsize else samples_last(images.transpose(3, 0, 1, 2))


def samples_first(x: ndarray, axis: int = 0) -> ndarray:
    """Return (C, H, W, N) as (N, C, H, W), a view: the opposite of `samples_last`."""
    return x.transpose((*range(axis), x.ndim - 1, *range(axis, x.ndim - 1)))


def bordered(images: ndarray, laid: Window, rows: range | None = None) -> ndarray:
    """Return images (C, H, W, N), in any layout, with their padding, or some rows of that: a `region` of them."""
    (height, width), top, left = laid.padded, laid.inside[0].start, laid.inside[1].start
    rows = range(height) if rows is None else rows
    return region(images, range(rows.start - top, rows.stop - top, rows.step), range(-left, width - left))


def region(images: ndarray, rows: range, columns: range) -> ndarray:
    """Return a region of images (C, H, W, N), in any layout, with zeros where it lies outside of H and W.

    Each row of it is one piece of memory: a view, where they lie so already.
    """
    at, into, shape = _meeting(rows, columns, images.shape)
    met = images[at]
    if met.shape == shape and met[:1, :1].flags.c_contiguous:
        return met
    found = np.empty(shape, images.dtype)
    if met.shape != shape:
        found[...] = 0
    put_last(met.transpose(3, 0, 1, 2), found[into])
    return found


Places = tuple[slice, slice, slice]


@lru_cache(1024)
def _meeting(rows: range, columns: range, shape: tuple[int, ...]) -> tuple[Places, Places, tuple[int, ...]]:
    """Return where a region lies in images of a shape (C, H, W, N), where they lie in it, and its shape."""
    (down, to_rows), (across, to_columns) = met_by(rows, shape[1]), met_by(columns, shape[2])
    every = slice(None)
    return (every, down, across), (every, to_rows, to_columns), (shape[0], len(rows), len(columns), shape[3])


def met_by(places: range, size: int) -> tuple[slice, slice]:
    """Return which of `size` places are among some, and where among those they are."""
    first = max(0, -(places.start // places.step))
    end = max(first, min(len(places), -((places.start - size) // places.step)))
    start = places.start + first * places.step
    return slice(start, start + (end - first) * places.step, places.step), slice(first, end)


def windows_of(x: ndarray, laid: Window) -> ndarray:
    """Return the windows of images (C, H, W, N) as (C, kh, kw, rows, columns, N).

    A view, in which a pixel is visited once for each window that it is in.
    """
    (si, sj), (di, dj) = laid.stride, laid.dilation
    by_c, by_row, by_column, by_n = x.strides
    shape = (len(x), len(laid.rows), len(laid.columns), *laid.size, x.shape[3])
    return view_of(x, shape, (by_c, di * by_row, dj * by_column, si * by_row, sj * by_column, by_n))


def view_of(x: ndarray, shape: tuple[int, ...], strides: tuple[int, ...]) -> ndarray:
    """Return a view of x that begins where x does."""
    if x.flags.c_contiguous:  # in a tenth of the time
        return ndarray(shape, x.dtype, x, 0, strides)
    return as_strided(x, shape, strides)


def add_up(windows: ndarray, laid: Window) -> ndarray:
    """Add windows (C, kh, kw, rows, columns, N) up to images (C, H, W, N): the transpose of `windows_of`.

    In two steps, rows and then columns, which are fewer and longer additions than place by place.
    """
    c, _, kw, _, columns, n = windows.shape
    strips = np.zeros((c, kw, laid.padded[0], columns, n), windows.dtype)
    for row, met in enumerate(laid.rows):
        strips[:, :, met] += windows[:, row]
    images = np.zeros((c, *laid.padded, n), windows.dtype)
    for column, met in enumerate(laid.columns):
        images[:, :, met] += strips[:, column]
    return images


@op
def im2col(x: Array, /, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Array:
    """Return the windows of images as columns: (N, C, H, W) -> (N, C * kh * kw, L), for L windows, row by row.

    The layout of PyTorch's ``unfold``. Each setting is a whole number or a pair (vertical, horizontal).
    """
    if x.ndim != 4:
        raise ShapeError(f"images have the shape (N, C, H, W), not {x.shape}.")
    laid = window(x.shape[2:], kernel_size, stride, padding, dilation)
    windows = windows_of(bordered(x.transpose(1, 2, 3, 0), laid), laid).copy()
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
    images = add_up(samples_last(columns).reshape(c, kh, kw, *laid.size, n), laid)
    return samples_first(images[:, *laid.inside])


im2col.vjps(x=lambda g, x_shape, **window: col2im(g, x_shape[2:], **window))
col2im.vjps(columns=lambda g, kernel_size, stride, padding, dilation: im2col(g, kernel_size, stride, padding, dilation))


def unfold(x: Any, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1) -> Any:
    """Return the windows of images as columns, as `im2col`, with PyTorch's order of settings; of one image, too.

    (N, C, H, W) -> (N, C * kh * kw, L), or (C, H, W) -> (C * kh * kw, L).
    """
    x, alone = batch_of("unfold", "x", x, 4)
    return unbatched(im2col(x, kernel_size, stride, padding, dilation), alone)


def fold(
    columns: Any, output_size: Pair, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1
) -> Any:
    """Add columns up into images of `output_size`, as `col2im`, with PyTorch's order of settings; one image's, too.

    (N, C * kh * kw, L) -> (N, C, H, W), or (C * kh * kw, L) -> (C, H, W).
    """
    columns, alone = batch_of("fold", "columns", columns, 3)
    size = pair(output_size, "output_size", 1)
    return unbatched(col2im(columns, size, kernel_size, stride, padding, dilation), alone)


def require_axes(function: str, name: str, x: Any, axes: int) -> tuple[int, ...]:
    """Return the shape of an argument that has so many axes, or say that it has not."""
    shape: tuple[int, ...] = getattr(x, "shape", None) or np.shape(x)
    if len(shape) != axes:
        raise ShapeError(f"{function}: {name} needs {axes} axes, and has the shape {shape}.")
    return shape


def batch_of(function: str, name: str, x: Any, axes: int) -> tuple[Any, bool]:
    """Return a batch, an array or Tensor of so many axes, and whether it was made of one sample, with one axis less."""
    x = x if hasattr(x, "dtype") else np.asarray(x)
    if x.ndim == axes:
        return x, False
    if x.ndim == axes - 1:
        return expand_dims(x, 0), True
    raise ShapeError(
        f"{function}: {name} needs {axes} axes, or {axes - 1} without that of the samples, and has the shape {x.shape}."
    )


def unbatched(out: Any, alone: bool) -> Any:
    """Return the result of a batch, or that of its one sample."""
    return squeeze(out, 0) if alone else out


def single(value: Any, name: str, least: int) -> int:
    """Read a setting of a window over rows: a whole number, alone or in a list."""
    one = value[0] if isinstance(value, (tuple, list)) and len(value) == 1 else value
    if isinstance(one, _WHOLE) and one >= least:
        return int(one)
    raise ShapeError(f"{name} is a whole number of at least {least}, not {value!r}.")


def row(value: Any, name: str, least: int) -> Size:
    """Read a setting of a window over rows (N, C, L) as that of the same window over images (N, C, 1, L)."""
    return least, single(value, name, least)
