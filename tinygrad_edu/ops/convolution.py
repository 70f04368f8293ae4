"""Convolution: three ops that are each other's derivatives, through windows that share their rows, and matrix products.

Of a 3x3 kernel, a window and the one below it have two rows in common. In images laid out row by row, with the
channels inside, the three rows of either are one piece of memory, and a matrix product can read both where they are:
only windows side by side need copies of their own.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, op
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.fast.products import product
from tinygrad_edu.ops.shape import reshape
from tinygrad_edu.ops.windows import Pair, Size, Window, bordered, four_axes, samples_first, samples_last, window

# So many bytes of windows are made at a time: they are still near by when they are multiplied.
_AT_A_TIME = 2**22
# Shorter rows of maps than this are multiplied all at once, from copies of all that their windows hold.
_LONG_ROW = 128


@op
def correlate(
    x: Array, weight: Array, /, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Array:
    """Return how well each kernel fits each window: (N, C, H, W), (out, C / groups, kh, kw) -> (N, out, rows, columns).

    Each row of the maps is the product of the kernels with the windows of that row.
    """
    laid = window(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    images = bordered(x, laid)
    out, c, kh, kw = weight.shape
    kernels = weight.transpose(0, 2, 1, 3).reshape(groups, 1, out // groups, kh * c * kw)
    maps = np.empty((out, *laid.size, len(x)), np.result_type(x, weight))
    for part in _parts(laid.size[0], _row_of_windows(images, laid)):
        windows = _windows(images, laid, part, groups)
        product(kernels, windows, out=_beside(maps[:, part], windows))
    return samples_first(maps)


def _windows(x: ndarray, laid: Window, part: slice, groups: int) -> ndarray:
    """Return the windows of some rows of images (C, H, W, N) as matrices (groups, rows, kh * c * kw, columns * N).

    As a view, in which a number is visited once for each window of a column that it is in, of a copy that has a place
    for each window of a row that it is in.
    """
    (si, sj), (di, dj) = laid.stride, laid.dilation
    kh, rows, c, n = len(laid.rows), part.stop - part.start, len(x) // groups, x.shape[3]
    by_c, by_row, by_column, by_n = x.strides
    inside, steps = (c, len(laid.columns), laid.size[1], n), [by_c, dj * by_column, sj * by_column, by_n]
    by_group, start = c * by_c, part.start * si * by_row
    if di == 1 < kh and laid.size[1] * n >= _LONG_ROW:  # or else there is no such view, or nothing to share
        height = (rows - 1) * si + kh
        strips = ndarray((groups, height, *inside), x.dtype, x, start, (by_group, by_row, *steps))
        x, start = np.ascontiguousarray(strips), 0
        by_group, by_row, *steps = x.strides
    shape = (groups, rows, kh, *inside)
    return _matrices(ndarray(shape, x.dtype, x, start, (by_group, si * by_row, di * by_row, *steps)))


def _matrices(windows: ndarray) -> ndarray:
    """Return windows (groups, rows, kh, c, kw, columns, N) as matrices (groups, rows, kh * c * kw, columns * N).

    A view where the strides allow it. Short rows side by side in one matrix, (groups, 1, ..., rows * columns * N).
    """
    groups, rows, kh, c, kw, columns, n = windows.shape
    if columns * n >= _LONG_ROW:
        return windows.reshape(groups, rows, kh * c * kw, columns * n)
    return windows.transpose(0, 2, 3, 4, 1, 5, 6).reshape(groups, 1, kh * c * kw, rows * columns * n)


def _beside(maps: ndarray, windows: ndarray) -> ndarray:
    """Return maps (out, rows, columns, N) as matrices that fit those of `_matrices`, as a view."""
    groups, rows, _, length = windows.shape
    return maps.reshape(groups, len(maps) // groups, rows, length).swapaxes(1, 2)


def _row_of_windows(images: ndarray, laid: Window) -> int:
    """Return how many bytes `_windows` copies for a row of the maps."""
    return laid.stride[0] * len(images) * len(laid.columns) * laid.size[1] * images.shape[3] * images.itemsize


def _parts(rows: int, row: int) -> Iterator[slice]:
    """Cut a number of rows, each of `row` bytes, into even parts that stay near by."""
    each = -(-rows // max(1, min(rows, -(-rows * row // _AT_A_TIME))))
    return (slice(start, min(start + each, rows)) for start in range(0, rows, each))


@op
def correlate_images(
    maps: Array, weight: Array, /, size: Size, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Return the images of `size` (H, W) for which <images, x> = <maps, correlate(x, weight)> whatever x is.

    (N, out, rows, columns), (out, C / groups, kh, kw) -> (N, C, H, W): PyTorch's transposed convolution. Each row of
    the images is the product of the kernels with the rows of the maps whose windows it was in, which share rows as
    windows do; only the columns of the kernels are added up one by one.
    """
    laid = window(size, weight.shape[2:], stride, padding, dilation)
    (step, _), (apart, _), inside = laid.stride, laid.dilation, laid.inside[0]
    out, c, kh, kw = weight.shape
    above = apart * (kh - 1) // step
    tall = _row_by_row(maps, laid, groups, above)
    images = np.zeros((groups, c, *laid.padded, len(maps)), np.result_type(maps, weight))
    for phase in range(step):  # with a stride of 2, rows 0, 2, ... meet other rows of the kernels than rows 1, 3, ...
        rows = range(inside.start + (phase - inside.start) % step, inside.stop, step)
        met = [i for i in reversed(range(kh)) if (phase - apart * i) % step == 0]
        if rows and met:
            kernels = weight.reshape(groups, out // groups, c, kh, kw)[:, :, :, met].transpose(0, 2, 4, 3, 1)
            first = [above + (rows.start - apart * i) // step for i in met]
            _add_rows(images[:, :, rows.start : rows.stop : step], kernels, tall, first, laid)
    return samples_first(images.reshape(groups * c, *laid.padded, len(maps))[:, *laid.inside])


def _row_by_row(maps: ndarray, laid: Window, groups: int, above: int) -> ndarray:
    """Return maps (N, out, rows, columns) as (groups, rows, out / groups, columns, N), with zeros above and below."""
    n, out, rows, columns = maps.shape
    tall = np.zeros((groups, rows + 2 * above + 1, out // groups, columns, n), maps.dtype)
    by_group = maps.transpose(1, 2, 3, 0).reshape(groups, out // groups, rows, columns, n)
    tall[:, above : above + rows] = by_group.swapaxes(1, 2)
    return tall


def _add_rows(images: ndarray, kernels: ndarray, tall: ndarray, first: list[int], laid: Window) -> None:
    """Add products of kernels (groups, c, kw, kh, out) and maps `tall` to rows of images (groups, c, rows, W, N).

    `first` says which row of `tall` each of the kernels' rows is multiplied with for the first row of the images.
    """
    groups, c, rows, _, n = images.shape
    kw, kh, out = kernels.shape[2:]
    kernels = kernels.reshape(groups, 1, c * kw, kh * out)
    by_group, by_row, *steps = tall.strides
    for part in _parts(rows, groups * c * kw * laid.size[1] * n * images.itemsize):
        height = part.stop - part.start
        shape, start = (groups, height, kh, out, 1, laid.size[1], n), (first[0] + part.start) * by_row
        between = by_row * (first[1] - first[0]) if kh > 1 else 0
        seen = ndarray(shape, tall.dtype, tall, start, (by_group, by_row, between, steps[0], 0, *steps[1:]))
        strips = product(kernels, _matrices(seen))
        strips = strips.reshape(groups, strips.shape[1], c, kw, height // strips.shape[1], laid.size[1], n)
        by_column = strips.transpose(3, 0, 2, 1, 4, 5, 6).reshape(kw, groups, c, height, laid.size[1], n)
        for met, column in zip(laid.columns, by_column, strict=True):
            images[:, :, part, met] += column


@op
def correlate_kernels(
    maps: Array, x: Array, /, kernel_size: Size, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Return the kernels for which <kernels, weight> = <maps, correlate(x, weight)> whatever weight is.

    (N, out, rows, columns), (N, C, H, W) -> (out, C / groups, kh, kw)
    """
    laid = window(x.shape[2:], kernel_size, stride, padding, dilation)
    images, maps = bordered(x, laid), samples_last(maps)
    (kh, kw), c, out = kernel_size, len(images) // groups, len(maps) // groups
    total = np.zeros((groups, kh * c * kw, out), np.result_type(maps, x))
    row = max(_row_of_windows(images, laid), total[0].nbytes)  # each row has windows, and gives a product
    for part in _parts(laid.size[0], row):
        windows = _windows(images, laid, part, groups)
        # The longer factor first, which takes three quarters of the time.
        total += np.add.reduce(product(windows, _beside(maps[:, part], windows).swapaxes(2, 3)), axis=1)
    return total.reshape(groups, kh, c, kw, out).transpose(0, 4, 2, 1, 3).reshape(groups * out, c, kh, kw)


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
    """Return the cross-correlation of images with kernels, plus a bias: `correlate`, with its inputs checked.

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
