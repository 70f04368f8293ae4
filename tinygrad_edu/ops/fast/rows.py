"""Correlations, faster: each row of maps or images is one matrix product, of windows that share their rows.

Of a 3x3 kernel, a window and the one below it have two rows in common. In images laid out row by row, with the
channels inside, the three rows of either are one piece of memory, and a matrix product can read both where they are:
only windows side by side need copies of their own.

All three functions come from one sum: of kernels[o, c, i, j] * maps[o, y, x, n] * windows[c, i, j, y, x, n], for each
group of channels. Each leaves one factor out, and so is the derivative of the sum with respect to that one.
"""

from collections.abc import Iterator

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.fast.products import product
from tinygrad_edu.ops.windows import Window, add_up, windows_of

# So many bytes of windows are made at a time: they are still near by when they are multiplied.
_WINDOW_BYTES = 2**22
# Shorter rows of maps than this are multiplied all at once, from copies of all that their windows hold.
_LONG_ROW = 128


def _by_group(channels: ndarray, groups: int) -> ndarray:
    """Return what has its channels on the first axis with an axis of the groups before it, as a view."""
    return channels.reshape(groups, len(channels) // groups, *channels.shape[1:])


# --- How well each kernel fits each window ---


def plain_correlated_maps(images: ndarray, weight: ndarray, laid: Window, groups: int) -> ndarray:
    """Return the maps (out, rows, columns, N) of kernels (out, C / groups, kh, kw) on padded images (C, H, W, N)."""
    windows = _by_group(windows_of(images, laid), groups)
    maps = np.einsum("gocij,gcijyxn->goyxn", _by_group(weight, groups), windows)
    return maps.reshape(len(weight), *maps.shape[2:])


def correlated_maps(images: ndarray, weight: ndarray, laid: Window, groups: int) -> ndarray:
    """Return `plain_correlated_maps`: each row is the product of the kernels with the windows of that row."""
    out, c, kh, kw = weight.shape
    kernels = weight.transpose(0, 2, 1, 3).reshape(groups, 1, out // groups, kh * c * kw)
    maps = np.empty((out, *laid.size, images.shape[3]), np.result_type(images, weight))
    for part in _row_parts(laid.size[0], _row_of_windows(images, laid)):
        windows = _window_matrices(images, laid, part, groups)
        product(kernels, windows, out=_beside(maps[:, part], windows))
    return maps


def _window_matrices(x: ndarray, laid: Window, part: slice, groups: int) -> ndarray:
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
    """Return how many bytes `_window_matrices` copies for a row of the maps."""
    return laid.stride[0] * len(images) * len(laid.columns) * laid.size[1] * images.shape[3] * images.itemsize


def _row_parts(rows: int, row: int) -> Iterator[slice]:
    """Cut a number of rows, each of `row` bytes, into even parts that stay near by."""
    each = -(-rows // max(1, min(rows, -(-rows * row // _WINDOW_BYTES))))
    return (slice(start, min(start + each, rows)) for start in range(0, rows, each))


# --- The images of which the kernels make the maps, transposed: what the windows get, added up ---


def plain_correlated_images(maps: ndarray, weight: ndarray, laid: Window, groups: int) -> ndarray:
    """Return the images (C, H, W, N), without their padding, in which each window got its kernels times its maps."""
    windows = np.einsum("gocij,goyxn->gcijyxn", _by_group(weight, groups), _by_group(maps, groups))
    images = add_up(windows.reshape(windows.shape[0] * windows.shape[1], *windows.shape[2:]), laid)
    return images[:, *laid.inside]


def correlated_images(maps: ndarray, weight: ndarray, laid: Window, groups: int) -> ndarray:
    """Return `plain_correlated_images`: each row is a product of kernels with rows of maps, which slide over them.

    Row r of the images gets row i of the kernels times row (r - dilation i) / stride of the maps. So for all r with
    one remainder by the stride the same rows of the kernels count, in reverse order, and the rows of the maps that they
    meet move on with r: windows over maps, with zeros above and below, that share their rows as windows over images do.
    Only the columns of the kernels are added up one by one.
    """
    (step, _), (apart, _), inside = laid.stride, laid.dilation, laid.inside[0]
    c, kh, _ = weight.shape[1:]
    above = apart * (kh - 1) // step
    tall, kernels = _tall(maps, groups, above), _by_group(weight, groups)
    images = np.zeros((groups, c, *laid.padded, maps.shape[3]), np.result_type(maps, weight))
    for phase in range(step):
        rows = range(inside.start + (phase - inside.start) % step, inside.stop, step)
        met = [i for i in reversed(range(kh)) if (phase - apart * i) % step == 0]
        if rows and met:
            first = [above + (rows.start - apart * i) // step for i in met]
            these = kernels[:, :, :, met].transpose(0, 2, 4, 3, 1)
            _add_rows(images[:, :, rows.start : rows.stop : step], these, tall, first, laid)
    return images.reshape(groups * c, *laid.padded, maps.shape[3])[:, *laid.inside]


def _tall(maps: ndarray, groups: int, above: int) -> ndarray:
    """Return maps (out, rows, columns, N) as (groups, rows, out / groups, columns, N), with zeros above and below."""
    by_row = _by_group(maps, groups).swapaxes(1, 2)
    rows = by_row.shape[1]
    tall = np.zeros((groups, rows + 2 * above + 1, *by_row.shape[2:]), maps.dtype)
    tall[:, above : above + rows] = by_row
    return tall


def _add_rows(images: ndarray, kernels: ndarray, tall: ndarray, first: list[int], laid: Window) -> None:
    """Add products of kernels (groups, c, kw, kh, out) and maps `tall` to rows of images (groups, c, rows, W, N).

    `first` says which row of `tall` each of the kernels' rows is multiplied with for the first row of the images.
    """
    groups, c, rows, _, n = images.shape
    kw, kh, out = kernels.shape[2:]
    kernels = kernels.reshape(groups, 1, c * kw, kh * out)
    by_group, by_row, *steps = tall.strides
    for part in _row_parts(rows, groups * c * kw * laid.size[1] * n * images.itemsize):
        height = part.stop - part.start
        shape, start = (groups, height, kh, out, 1, laid.size[1], n), (first[0] + part.start) * by_row
        between = by_row * (first[1] - first[0]) if kh > 1 else 0
        seen = ndarray(shape, tall.dtype, tall, start, (by_group, by_row, between, steps[0], 0, *steps[1:]))
        strips = product(kernels, _matrices(seen))
        strips = strips.reshape(groups, strips.shape[1], c, kw, height // strips.shape[1], laid.size[1], n)
        by_column = strips.transpose(3, 0, 2, 1, 4, 5, 6).reshape(kw, groups, c, height, laid.size[1], n)
        for met, column in zip(laid.columns, by_column, strict=True):
            images[:, :, part, met] += column


# --- The kernels that fit the windows as the maps say ---


def plain_correlated_kernels(maps: ndarray, images: ndarray, laid: Window, groups: int) -> ndarray:
    """Return the kernels (out, C / groups, kh, kw): the sum of all windows, each times its place in the maps."""
    windows = _by_group(windows_of(images, laid), groups)
    kernels = np.einsum("goyxn,gcijyxn->gocij", _by_group(maps, groups), windows)
    return kernels.reshape(len(maps), *kernels.shape[2:])


def correlated_kernels(maps: ndarray, images: ndarray, laid: Window, groups: int) -> ndarray:
    """Return `plain_correlated_kernels`: the sum, over the rows of the maps, of products with their windows."""
    kh, kw, c, out = len(laid.rows), len(laid.columns), len(images) // groups, len(maps) // groups
    total = np.zeros((groups, kh * c * kw, out), np.result_type(maps, images))
    row = max(_row_of_windows(images, laid), total[0].nbytes)  # each row has windows, and gives a product
    for part in _row_parts(laid.size[0], row):
        windows = _window_matrices(images, laid, part, groups)
        # The longer factor first, which takes three quarters of the time.
        total += np.add.reduce(product(windows, _beside(maps[:, part], windows).swapaxes(2, 3)), axis=1)
    return total.reshape(groups, kh, c, kw, out).transpose(0, 4, 2, 1, 3).reshape(groups * out, c, kh, kw)
