"""Convolutions as matrix products (GEMM): one product for each row of the feature maps.

Vertically adjacent windows of a 3x3 kernel share two image rows. If rows are the outer axis and channels the inner one,
the three rows of a window are contiguous, and a matrix product can read overlapping windows from the same memory. Only
horizontally adjacent windows need copies. The copies are split into blocks that OpenBLAS multiplies without packing
(`products.cut`), and each block is contiguous.

For each group of channels, consider the sum over all indices of

    kernels[o, c, i, j] * maps[o, y, x, n] * windows[c, i, j, y, x, n]

Each of the three functions below is the gradient of that sum with respect to one factor.
"""

from math import gcd, lcm, prod
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.cores.threads import in_parts
from tinygrad_edu.ops.fast.chwn import padded_images, region, samples_together
from tinygrad_edu.ops.fast.polyphase import images_by_phases
from tinygrad_edu.ops.fast.products import Cut, cut, product_of_blocks, sum_of_products
from tinygrad_edu.ops.fast.ring_buffer import apart_in, put_by_ring, ring_cut
from tinygrad_edu.ops.fast.transpose import items_of
from tinygrad_edu.ops.sliding_windows import Window, add_windows, overlap_slices, view_of, windows_of
from tinygrad_edu.plain_mode import faster_than
from tinygrad_edu.thresholds import SizeThreshold, plan

# Bytes of windows that are copied at a time; they stay in the cache until they are multiplied.
_WINDOW_BYTES = SizeThreshold(2**23)
# Bytes of products that are computed before they are summed; they stay in the cache until then.
_PRODUCT_BYTES = SizeThreshold(2**19)
# Smaller arrays are copied at once.
_SMALL_COPY_BYTES = SizeThreshold(2**20)
# Number of multiplications from which threads share a convolution, and the minimum number of parts. The parts, and
# thus the results, do not depend on the number of threads.
_LARGE, _PARTS = map(SizeThreshold, (2**24, 4))
# For fewer or shorter rows, products are slower than copies of whole windows.
_FEW_ROWS, _SHORT_ROW = map(SizeThreshold, (8, 128))


def _split_groups(channels: ndarray, groups: int) -> ndarray:
    """Split the first axis, channels, into groups and channels per group, as a view."""
    return channels.reshape(groups, len(channels) // groups, *channels.shape[1:])


def _row_steps(window: Window) -> tuple[int, int]:
    """Return the vertical stride of the windows, and the distance of the rows of a window (see `apart_in`)."""
    return window.stride[0], apart_in(window, 0)


def _split_rows(rows: range, apart: int, row: int, multiplications: int) -> tuple[list[range], bool]:
    """Split rows of `row` bytes each into parts with a step of `apart` rows that fit into the cache.

    Also return whether threads pay off.
    """
    count, large = max(1, -(-len(rows) * row // (_WINDOW_BYTES * apart))), multiplications >= _LARGE
    if large:
        count = -(-count // _PARTS) * _PARTS
    alike = [rows[k::apart] for k in range(apart)]
    parts = [some[len(some) * k // count : len(some) * (k + 1) // count] for some in alike for k in range(count)]
    return sorted(filter(None, parts), key=len, reverse=True), large  # longest first, to balance the threads


def _as_slice(part: range) -> slice:
    return slice(part.start, part.stop, part.step)


# --- Feature maps: the correlation of images with kernels ---


def plain_correlated_maps(
    images: ndarray, weight: ndarray, window: Window, groups: int, bias: ndarray | None = None
) -> ndarray:
    """Return the feature maps (out, rows, columns, N) of kernels (out, C / groups, kh, kw) on images (C, H, W, N).

    Add a bias (out,) of the same dtype, if given.
    """
    windows = _split_groups(windows_of(padded_images(images, window), window), groups)
    maps = np.einsum("gocij,gcijyxn->goyxn", _split_groups(weight, groups), windows)
    maps = maps.reshape(len(weight), *maps.shape[2:])
    return maps if bias is None else maps + bias[:, None, None, None]


@faster_than(plain_correlated_maps)
def correlated_maps(
    images: ndarray, weight: ndarray, window: Window, groups: int, bias: ndarray | None = None
) -> ndarray:
    """Return `plain_correlated_maps`, computed row by row as products of the kernels with windows.

    The bias is added to each part while it is in the cache.
    """
    maps = np.empty((len(weight), *window.size, images.shape[3]), np.result_type(images, weight))
    _put_maps(images, weight, window, groups, maps, bias)
    return maps


def _put_maps(
    images: ndarray, weight: ndarray, window: Window, groups: int, maps: ndarray, bias: ndarray | None = None
) -> None:
    """Write the feature maps, through a ring buffer if that is faster. `maps` may be strided, as for a phase."""
    pieces = ring_cut(weight, window, groups, images.shape[3])
    if pieces is not None:
        put_by_ring(images, weight, window, groups, pieces, maps, bias)
        return
    near = maps if maps.flags.c_contiguous else np.empty(maps.shape, maps.dtype)  # blocks span several columns
    _put_maps_in_blocks(images, weight, window, groups, near, bias)
    if near is not maps:
        maps[...] = near


def _put_maps_in_blocks(
    images: ndarray, weight: ndarray, window: Window, groups: int, maps: ndarray, bias: ndarray | None
) -> None:
    out, c, kh, kw = weight.shape
    kernels = weight.transpose(0, 2, 1, 3).reshape(groups, out // groups, kh * c * kw)
    pieces = cut(*kernels.shape[1:], *maps.shape[2:])

    def fill(part: _MapRows) -> None:
        windows, some = _window_blocks(images, part), maps[:, part.rows]
        product_of_blocks(kernels, windows, pieces.rows, _maps_as_blocks(some, windows))
        if bias is not None:
            some += bias[:, None, None, None]

    in_parts(fill, *_split_maps(window, images.shape, images.itemsize, out, groups, pieces))


class _MapRows(NamedTuple):
    """Some rows of the feature maps, and the shapes and strides to copy their windows.

    Attributes
    ----------
    rows : slice
    seen : (range, range)
        Rows and columns of the images that the windows cover; they may extend beyond the images.
    strips : tuple of int
        Shape of the strided view that is copied: (groups, across, along, rows, c, kw, columns, samples).
    apart : tuple of int
        Steps of the axes of `strips`: of `groups` in channels, of `across` in columns, of `along` in samples, and of
        `kw` and `columns` in columns.
    copy, windows, steps : tuple of int
        Shape of the copy, (groups, P, rows, c * kw, each), and shape, (groups, P, rows, kh * c * kw, each), and strides
        of the windows in it.
    pointwise : bool
        Whether a window is a single pixel.
    row_step, kh : int
        Step between rows of windows in `strips`, and number of rows of a window.
    """

    rows: slice
    seen: tuple[range, range]
    strips: tuple[int, ...]
    apart: tuple[int, ...]
    copy: tuple[int, ...]
    windows: tuple[int, ...]
    steps: tuple[int, ...]
    pointwise: bool
    row_step: int
    kh: int


@plan
def _split_maps(
    window: Window, shape: tuple[int, ...], itemsize: int, out: int, groups: int, pieces: Cut
) -> tuple[list[_MapRows], bool]:
    """Split the rows of `out` feature maps of images (C, H, W, N) into parts, and return whether threads pay off.

    The windows of each part cover image rows at a distance of `dilation`.
    """
    (step, apart), (rows, columns), kernel = _row_steps(window), window.size, len(window.rows) * len(window.columns)
    row = window.stride[0] * shape[0] * len(window.columns) * columns * shape[3] * itemsize
    multiplications = out * rows * columns * shape[3] * kernel * (shape[0] // groups)
    parts, large = _split_rows(range(rows), apart // gcd(step, apart), row, multiplications)
    return [_map_rows(part, window, shape, itemsize, groups, pieces) for part in parts], large


def _map_rows(part: range, window: Window, shape: tuple[int, ...], itemsize: int, groups: int, pieces: Cut) -> _MapRows:
    (step, apart), (kh, kw), left = _row_steps(window), (len(window.rows), len(window.columns)), window.inside[1].start
    row_step, first = part.step * step // apart, part.start * step - window.inside[0].start
    height, c = (len(part) - 1) * row_step + kh, shape[0] // groups
    across, along = window.size[1] // pieces.columns, shape[3] // pieces.samples
    each, beside = pieces.columns * pieces.samples, window.stride[1]
    copy, by_row = (groups, across * along, height, c * kw, each), c * kw * each * itemsize
    return _MapRows(
        rows=_as_slice(part),
        seen=(range(first, first + apart * height, apart), range(-left, window.padded[1] - left)),
        strips=(groups, across, along, height, c, kw, pieces.columns, pieces.samples),
        apart=(c, pieces.columns * beside, pieces.samples, window.dilation[1], beside),
        copy=copy,
        windows=(*copy[:2], len(part), kh * c * kw, each),
        steps=(across * along * height * by_row, height * by_row, row_step * by_row, each * itemsize, itemsize),
        pointwise=kh == kw == 1,
        row_step=row_step,
        kh=kh,
    )


def _window_blocks(images: ndarray, part: _MapRows) -> ndarray:
    """Return the windows of some rows of the feature maps: (groups, P, rows, kh * c * kw, each).

    Horizontally overlapping windows are copies; vertically overlapping windows are views of the same elements.
    """
    x = region(images, *part.seen)
    by_c, by_row, by_column, by_n = x.strides
    groups, across, along, next_to, beside = part.apart
    outside = groups * by_c, across * by_column, along * by_n, by_row
    strips = view_of(x, part.strips, (*outside, by_c, next_to * by_column, beside * by_column, by_n))
    if part.pointwise:
        return strips.reshape(part.copy)
    copy = np.empty(part.copy, x.dtype)
    _copy_rows(strips, copy.reshape(part.strips))
    return view_of(copy, part.windows, part.steps)


def _copy_rows(x: ndarray, out: ndarray) -> None:
    """Copy (groups, across, along, rows, ...), large arrays row by row to stay within a few memory pages."""
    if x.nbytes < _SMALL_COPY_BYTES:
        out[...] = x
        return
    for row in range(x.shape[3]):
        out[:, :, :, row] = x[:, :, :, row]


def _overlapping_windows(strips: ndarray, count: int, row_step: int, kh: int) -> ndarray:
    """Return a view of `count` windows of `kh` rows, with a step of `row_step` rows, of strips (..., rows, c, each).

    The shape of the view is (..., count, kh * c, each).
    """
    *before, _, c, each = strips.shape
    *outside, by_row, by_c, by_number = strips.strides
    shape = (*before, count, kh * c, each)
    return view_of(strips, shape, (*outside, row_step * by_row, by_c, by_number))


def _maps_as_blocks(maps: ndarray, windows: ndarray) -> ndarray:
    """Return a view of feature maps (out, rows, columns, N) as blocks (groups, P, rows, out / groups, each)."""
    groups, pieces, rows, _, each = windows.shape
    return maps.reshape(groups, len(maps) // groups, rows, pieces, each).transpose(0, 3, 2, 1, 4)


# --- Images: the transpose of the correlation, with respect to the images ---


def plain_correlated_images(maps: ndarray, weight: ndarray, window: Window, groups: int) -> ndarray:
    """Return the images (C, H, W, N), without padding: the sum over windows of kernels times feature maps."""
    windows = np.einsum("gocij,goyxn->gcijyxn", _split_groups(weight, groups), _split_groups(maps, groups))
    images = add_windows(windows.reshape(windows.shape[0] * windows.shape[1], *windows.shape[2:]), window)
    return images[:, *window.inside]


@faster_than(plain_correlated_images)
def correlated_images(maps: ndarray, weight: ndarray, window: Window, groups: int) -> ndarray:
    """Return `plain_correlated_images`, computed row by row as products of kernels with windows over the feature maps.

    Row r of the images is the sum over i of kernel row i times map row (r - dilation i) / stride. All r with the same
    remainder modulo the stride use the same kernel rows, in reverse order, and consecutive map rows. These map rows are
    overlapping windows over the maps, zero-padded at the top and bottom; they share memory, as windows over images do.
    The kernel columns are summed one by one. If that costs more than copying windows of the maps, or the kernel has one
    column, `images_by_phases` computes the images.
    """
    c, _, kw = weight.shape[1:]
    narrow = 2 * len(weight) * (kw - 1) <= 3 * groups * c * kw  # fewer elements to copy than to add
    width = window.inside[1].stop - window.inside[1].start
    if narrow and 4 * window.stride[1] * window.size[1] >= 3 * width:  # few zeros
        largest = weight[:, :, :: window.stride[0], :: window.stride[1]]
        by_ring = ring_cut(largest, window, groups, maps.shape[3]) is not None
        return images_by_phases(_put_maps, maps, weight, window, groups, border=not by_ring)
    images = np.empty((groups, c, *window.padded, maps.shape[3]), np.result_type(maps, weight))
    kernels = _split_groups(weight, groups).transpose(0, 2, 4, 3, 1)

    def fill(part: _ImageRows) -> None:
        some = images[:, :, part.rows]
        some[...] = 0
        if part.seen:
            them = kernels[:, :, :, part.met][:, :, :, ::-1].reshape(groups, c * kw, part.height * kernels.shape[4])
            pieces = cut(*them.shape[1:], *maps.shape[2:])
            windows = _overlapping_windows(_padded_rows(maps, part.seen, groups, pieces), some.shape[2], 1, part.height)
            _add_products(some, them, windows, pieces, window)

    in_parts(fill, *_split_images(window, maps.shape, maps.itemsize, c, groups))
    return images.reshape(groups * c, *window.padded, maps.shape[3])[:, *window.inside]


class _ImageRows(NamedTuple):
    """Some image rows, the `height` kernel rows `met` that contribute to them, and the rows `seen` of the maps.

    `seen` may extend beyond the feature maps.
    """

    rows: slice
    met: slice
    height: int
    seen: range


@plan
def _split_images(
    window: Window, shape: tuple[int, ...], itemsize: int, c: int, groups: int
) -> tuple[list[_ImageRows], bool]:
    """Split the rows of images, `c` channels per group, for feature maps (out, rows, columns, N), into parts."""
    (step, apart), (kh, kw) = _row_steps(window), (len(window.rows), len(window.columns))
    row = max(shape[0], groups * c * kw) * window.size[1] * shape[3] * itemsize
    inside = range(window.padded[0])[window.inside[0]]
    parts, large = _split_rows(inside, lcm(step, apart), row, prod(shape) * c * kh * kw)
    return [_image_rows(part, step, apart, kh) for part in parts], large


def _image_rows(part: range, step: int, apart: int, kh: int) -> _ImageRows:
    met = [i for i in range(kh) if (part.start - apart * i) % step == 0]
    if not met:
        return _ImageRows(_as_slice(part), slice(0), 0, range(0))
    first, between = (part.start - apart * met[-1]) // step, apart // gcd(step, apart)
    seen = range(first, first + between * (len(part) + len(met) - 1), between)
    return _ImageRows(_as_slice(part), slice(met[0], None, step // gcd(step, apart)), len(met), seen)


def _padded_rows(maps: ndarray, rows: range, groups: int, pieces: Cut) -> ndarray:
    """Return zero-padded rows of feature maps (out, rows, columns, N) as (groups, P, rows, out / groups, each)."""
    out, columns, n = len(maps), maps.shape[2], maps.shape[3]
    across, along = columns // pieces.columns, n // pieces.samples
    found = np.empty((groups, across, along, len(rows), out // groups, pieces.columns, pieces.samples), maps.dtype)
    met, at = overlap_slices(rows, maps.shape[1])
    found[:, :, :, : at.start], found[:, :, :, at.stop :] = 0, 0
    some = region(maps, range(met.start, met.stop, met.step), range(columns))
    shape = (groups, out // groups, some.shape[1], across, pieces.columns, along, pieces.samples)
    _copy_rows(some.reshape(shape).transpose(0, 3, 5, 2, 1, 4, 6), found[:, :, :, at])
    return found.reshape(groups, across * along, len(rows), out // groups, pieces.columns * pieces.samples)


def _add_products(images: ndarray, kernels: ndarray, windows: ndarray, pieces: Cut, window: Window) -> None:
    """Add the products of kernels (groups, c * kw, kh * out) and windows to image rows (groups, c, rows, W, N)."""
    groups, c, rows, _, n = images.shape
    kw, columns = len(window.columns), window.size[1]
    at_a_time = max(1, _PRODUCT_BYTES // max(1, groups * c * kw * columns * n * images.itemsize))
    for start in range(0, rows, at_a_time):
        some = windows[:, :, start : start + at_a_time]
        strips = np.empty((groups * c * kw, some.shape[2], columns, n), images.dtype)
        product_of_blocks(kernels, some, pieces.rows, _maps_as_blocks(strips, some))
        strips = strips.reshape(groups, c, kw, some.shape[2], columns, n)
        for j, met in enumerate(window.columns):
            images[:, :, start : start + at_a_time, met] += strips[:, :, j]


# --- Kernels: the transpose of the correlation, with respect to the kernels ---


def plain_correlated_kernels(maps: ndarray, images: ndarray, window: Window, groups: int) -> ndarray:
    """Return the kernels (out, C / groups, kh, kw): the sum over windows, each times its element of the maps."""
    windows = _split_groups(windows_of(padded_images(images, window), window), groups)
    kernels = np.einsum("goyxn,gcijyxn->gocij", _split_groups(maps, groups), windows)
    return kernels.reshape(len(maps), *kernels.shape[2:])


@faster_than(plain_correlated_kernels)
def correlated_kernels(maps: ndarray, images: ndarray, window: Window, groups: int) -> ndarray:
    """Return `plain_correlated_kernels`: the sum over rows of the feature maps of their products with windows.

    The maps keep their layout. A row of the maps is multiplied once for each kernel column: with a stride of 1 by the
    same image row at an offset, with a larger stride by strided columns of it. If these products would have few or
    short rows, whole windows are copied instead.
    """
    kh, kw, c, out = len(window.rows), len(window.columns), len(images) // groups, len(maps) // groups
    length = window.size[1] * maps.shape[3]
    if not length:
        return np.zeros((len(maps), c, kh, kw), np.result_type(maps, images))
    short = length < _SHORT_ROW
    at_once = short or kh * c < _FEW_ROWS

    def total(part: _MapRows) -> ndarray:
        some = region(maps[:, part.rows], range(part.windows[2]), range(window.size[1]))
        if not at_once:
            return _kernels_by_column(images, some, part, window)
        windows = _window_blocks(images, part)
        if short:
            windows = windows.swapaxes(2, 3).reshape(groups, 1, 1, windows.shape[3], -1)
        return sum_of_products(windows, some.reshape(groups, out, *windows.shape[2::2]))

    whole = Cut(out, window.size[1], maps.shape[3])
    first, *others = in_parts(total, *_split_maps(window, images.shape, images.itemsize, len(maps), groups, whole))
    for other in others:
        first += other
    if at_once:
        first = first.reshape(groups, kh, c, kw, out).transpose(0, 3, 1, 2, 4)
    kernels = first.reshape(groups, kw, kh, c, out).transpose(0, 4, 3, 2, 1)
    return kernels.reshape(groups * out, c, kh, kw)


def _kernels_by_column(images: ndarray, maps: ndarray, part: _MapRows, window: Window) -> ndarray:
    """Return the kernels (groups, kw, kh * c, out / groups) for some rows of the maps and images (C, H, W, N).

    Kernel columns whose distance is a multiple of the stride cover the same image columns at an offset.
    """
    groups, _, _, _, c, kw, columns, n = part.strips
    maps = maps.reshape(groups, len(maps) // groups, part.windows[2], columns * n)
    between, apart = _column_period(window)
    seen = _columns_by_phase(images, part, window)
    found = np.empty((groups, kw, part.kh * c, maps.shape[1]), np.result_type(maps, images))
    for k, x in enumerate(seen):
        by_group, by_row, by_c, by_column, by_n = x.strides
        shape = groups, len(range(k, kw, between)), part.windows[2], part.kh * c, columns * n
        windows = view_of(x, shape, (by_group, apart * by_column, part.row_step * by_row, by_c, by_n))
        found[:, k::between] = sum_of_products(windows, maps)
    return found


def _column_period(window: Window) -> tuple[int, int]:
    """Return the distance of kernel columns that cover the same image columns, and the offset in windows."""
    step, dilation = window.stride[1], window.dilation[1]
    return step // gcd(step, dilation), dilation // gcd(step, dilation)


def _columns_by_phase(images: ndarray, part: _MapRows, window: Window) -> ndarray:
    """Return the zero-padded image columns that windows cover, by phase: (phases, groups, rows, c, columns, N).

    Phase k contains the columns covered by kernel column k and by the columns at multiples of the period from it.
    """
    groups, _, _, height, c, kw, columns, n = part.strips
    (between, apart), step, dilation = _column_period(window), window.stride[1], window.dilation[1]
    length, left = columns + (kw - 1) // between * apart, part.seen[1].start
    found = np.empty((min(between, kw), groups, height, c, length, n), images.dtype)
    down, to_rows = overlap_slices(part.seen[0], images.shape[1])
    images = samples_together(images[:, down])
    images = items_of(_split_groups(images, groups)).swapaxes(1, 2)
    found[:, :, : to_rows.start] = found[:, :, to_rows.stop :] = 0
    for k, some in enumerate(found):
        first = left + k * dilation
        across, to_columns = overlap_slices(range(first, first + length * step, step), images.shape[3])
        some[..., : to_columns.start, :] = some[..., to_columns.stop :, :] = 0
        items_of(some)[:, to_rows, :, to_columns] = images[..., across]
    return found
