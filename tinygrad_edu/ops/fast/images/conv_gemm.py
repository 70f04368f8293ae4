"""Convolutions as matrix products (GEMM): one product for each row of the feature maps.

Vertically adjacent windows of a 3x3 kernel share two image rows. If rows are the outer axis and channels the inner one,
the three rows of a window are contiguous, and a matrix product can read overlapping windows from the same memory. Only
horizontally adjacent windows need copies. The copies are split into blocks that OpenBLAS multiplies without packing
(`products.tile_size`), and each block is contiguous.

For each group of channels, consider the sum over all indices of

    kernels[o, c, i, j] * maps[o, y, x, n] * windows[c, i, j, y, x, n]

Each of the three functions below is the gradient of that sum with respect to one factor.
"""

from math import gcd, lcm, prod
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.fast.images.chwn import padded_images, region, samples_together
from tinygrad_edu.ops.fast.images.polyphase import images_by_phases
from tinygrad_edu.ops.fast.images.ring_buffer import effective_dilation, put_by_ring, ring_tile_size
from tinygrad_edu.ops.fast.products import TileSize, product_of_blocks, sum_of_products, tile_size
from tinygrad_edu.ops.fast.transpose import items_of
from tinygrad_edu.ops.sliding_windows import Window, add_windows, overlap_slices, view_of, windows_of
from tinygrad_edu.shared.speed.plain_mode import faster_than
from tinygrad_edu.shared.speed.threads import map_parts
from tinygrad_edu.shared.speed.thresholds import SizeThreshold, plan

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


def _stride_and_dilation(window: Window) -> tuple[int, int]:
    """Return the vertical stride of the windows, and the distance of rows of a window (see `effective_dilation`)."""
    return window.stride[0], effective_dilation(window, 0)


def _split_rows(rows: range, step: int, row_bytes: int, multiplications: int) -> tuple[list[range], bool]:
    """Split rows of `row_bytes` bytes into parts with a step of `step` rows that fit into the cache.

    Also return whether threads pay off.
    """
    count, large = max(1, -(-len(rows) * row_bytes // (_WINDOW_BYTES * step))), multiplications >= _LARGE
    if large:
        count = -(-count // _PARTS) * _PARTS
    phases = [rows[k::step] for k in range(step)]
    parts = [phase[len(phase) * k // count : len(phase) * (k + 1) // count] for phase in phases for k in range(count)]
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
    tile = ring_tile_size(weight, window, groups, images.shape[3])
    if tile is not None:
        put_by_ring(images, weight, window, groups, tile, maps, bias)
        return
    contiguous = maps if maps.flags.c_contiguous else np.empty(maps.shape, maps.dtype)  # blocks span several columns
    _put_maps_in_blocks(images, weight, window, groups, contiguous, bias)
    if contiguous is not maps:
        maps[...] = contiguous


def _put_maps_in_blocks(
    images: ndarray, weight: ndarray, window: Window, groups: int, maps: ndarray, bias: ndarray | None
) -> None:
    out, c, kh, kw = weight.shape
    kernels = np.ascontiguousarray(weight.transpose(0, 2, 1, 3)).reshape(groups, out // groups, kh * c * kw)
    tile = tile_size(*kernels.shape[1:], *maps.shape[2:])

    def fill(part: _MapRows) -> None:
        windows, map_rows = _window_blocks(images, part), maps[:, part.rows]
        product_of_blocks(kernels, windows, tile.rows, _maps_as_blocks(map_rows, windows))
        if bias is not None:
            map_rows += bias[:, None, None, None]

    map_parts(fill, *_split_maps(window, images.shape, images.itemsize, out, groups, tile))


class _MapRows(NamedTuple):
    """Some rows of the feature maps, and the shapes and strides to copy their windows."""

    rows: slice
    image_region: tuple[range, range]  # rows and columns that the windows cover; they may extend beyond the images
    strip_shape: tuple[
        int, ...
    ]  # of the copied view: (groups, column tiles, sample tiles, rows, c, kw, columns, samples)
    strip_steps: tuple[int, ...]  # groups in channels; column tiles, kw and columns in columns; sample tiles in samples
    copy_shape: tuple[int, ...]  # (groups, P, rows, c * kw, length)
    window_shape: tuple[int, ...]  # (groups, P, rows, kh * c * kw, length), with these strides in the copy
    window_strides: tuple[int, ...]
    pointwise: bool  # whether a window is a single pixel
    row_step: int  # step between rows of windows in a strip
    kh: int


@plan
def _split_maps(
    window: Window, shape: tuple[int, ...], itemsize: int, out: int, groups: int, tile: TileSize
) -> tuple[list[_MapRows], bool]:
    """Split the rows of `out` feature maps of images (C, H, W, N) into parts, and return whether threads pay off.

    The windows of each part cover image rows at a distance of `dilation`.
    """
    (stride, dilation), (rows, columns) = _stride_and_dilation(window), window.size
    kernel = len(window.rows) * len(window.columns)
    row_bytes = window.stride[0] * shape[0] * len(window.columns) * columns * shape[3] * itemsize
    multiplications = out * rows * columns * shape[3] * kernel * (shape[0] // groups)
    parts, large = _split_rows(range(rows), dilation // gcd(stride, dilation), row_bytes, multiplications)
    return [_map_rows(part, window, shape, itemsize, groups, tile) for part in parts], large


def _map_rows(
    part: range, window: Window, shape: tuple[int, ...], itemsize: int, groups: int, tile: TileSize
) -> _MapRows:
    (stride, dilation), left = _stride_and_dilation(window), window.inside[1].start
    kh, kw = len(window.rows), len(window.columns)
    row_step, first = part.step * stride // dilation, part.start * stride - window.inside[0].start
    height, c = (len(part) - 1) * row_step + kh, shape[0] // groups
    column_tiles, sample_tiles = window.size[1] // tile.columns, shape[3] // tile.samples
    length, column_stride = tile.columns * tile.samples, window.stride[1]
    copy_shape, row_bytes = (groups, column_tiles * sample_tiles, height, c * kw, length), c * kw * length * itemsize
    outer_strides = column_tiles * sample_tiles * height * row_bytes, height * row_bytes
    return _MapRows(
        rows=_as_slice(part),
        image_region=(range(first, first + dilation * height, dilation), range(-left, window.padded[1] - left)),
        strip_shape=(groups, column_tiles, sample_tiles, height, c, kw, tile.columns, tile.samples),
        strip_steps=(c, tile.columns * column_stride, tile.samples, window.dilation[1], column_stride),
        copy_shape=copy_shape,
        window_shape=(*copy_shape[:2], len(part), kh * c * kw, length),
        window_strides=(*outer_strides, row_step * row_bytes, length * itemsize, itemsize),
        pointwise=kh == kw == 1,
        row_step=row_step,
        kh=kh,
    )


def _window_blocks(images: ndarray, part: _MapRows) -> ndarray:
    """Return the windows of some rows of the feature maps: (groups, P, rows, kh * c * kw, length).

    Horizontally overlapping windows are copies; vertically overlapping windows are views of the same elements.
    """
    x = region(images, *part.image_region)
    c_stride, row_stride, column_stride, n_stride = x.strides
    group_step, column_tile_step, sample_tile_step, kw_step, column_step = part.strip_steps
    outer_strides = group_step * c_stride, column_tile_step * column_stride, sample_tile_step * n_stride, row_stride
    strides = *outer_strides, c_stride, kw_step * column_stride, column_step * column_stride, n_stride
    strips = view_of(x, part.strip_shape, strides)
    if part.pointwise:
        return strips.reshape(part.copy_shape)
    copy = np.empty(part.copy_shape, x.dtype)
    _copy_rows(strips, copy.reshape(part.strip_shape))
    return view_of(copy, part.window_shape, part.window_strides)


def _copy_rows(x: ndarray, out: ndarray) -> None:
    """Copy (groups, column tiles, sample tiles, rows, ...), large arrays by rows to stay within a few memory pages."""
    if x.nbytes < _SMALL_COPY_BYTES:
        out[...] = x
        return
    for row in range(x.shape[3]):
        out[:, :, :, row] = x[:, :, :, row]


def _overlapping_windows(strips: ndarray, count: int, row_step: int, kh: int) -> ndarray:
    """Return a view of `count` windows of `kh` rows, with a step of `row_step` rows, of strips (..., rows, c, length).

    The shape of the view is (..., count, kh * c, length).
    """
    *outer, _, c, length = strips.shape
    *outer_strides, row_stride, c_stride, item_stride = strips.strides
    shape = (*outer, count, kh * c, length)
    return view_of(strips, shape, (*outer_strides, row_step * row_stride, c_stride, item_stride))


def _maps_as_blocks(maps: ndarray, windows: ndarray) -> ndarray:
    """Return a view of feature maps (out, rows, columns, N) as blocks (groups, P, rows, out / groups, length)."""
    groups, tiles, rows, _, length = windows.shape
    return maps.reshape(groups, len(maps) // groups, rows, tiles, length).transpose(0, 3, 2, 1, 4)


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
        largest_phase = weight[:, :, :: window.stride[0], :: window.stride[1]]
        uses_ring = ring_tile_size(largest_phase, window, groups, maps.shape[3]) is not None
        return images_by_phases(_put_maps, maps, weight, window, groups, border=not uses_ring)
    images = np.empty((groups, c, *window.padded, maps.shape[3]), np.result_type(maps, weight))
    kernels = _split_groups(weight, groups).transpose(0, 2, 4, 3, 1)

    def fill(part: _ImageRows) -> None:
        image_rows = images[:, :, part.rows]
        image_rows[...] = 0
        if part.map_rows:
            matrix = kernels[:, :, :, part.kernel_rows][:, :, :, ::-1]
            matrix = matrix.reshape(groups, c * kw, part.height * kernels.shape[4])
            tile = tile_size(*matrix.shape[1:], *maps.shape[2:])
            padded = _padded_rows(maps, part.map_rows, groups, tile)
            windows = _overlapping_windows(padded, image_rows.shape[2], 1, part.height)
            _add_products(image_rows, matrix, windows, tile, window)

    map_parts(fill, *_split_images(window, maps.shape, maps.itemsize, c, groups))
    return images.reshape(groups * c, *window.padded, maps.shape[3])[:, *window.inside]


class _ImageRows(NamedTuple):
    """Some image rows, the `height` kernel rows that contribute to them, and the rows `map_rows` of the feature maps.

    `map_rows` may extend beyond the feature maps.
    """

    rows: slice
    kernel_rows: slice
    height: int
    map_rows: range


@plan
def _split_images(
    window: Window, shape: tuple[int, ...], itemsize: int, c: int, groups: int
) -> tuple[list[_ImageRows], bool]:
    """Split the rows of images, `c` channels per group, for feature maps (out, rows, columns, N), into parts."""
    (stride, dilation), (kh, kw) = _stride_and_dilation(window), (len(window.rows), len(window.columns))
    row_bytes = max(shape[0], groups * c * kw) * window.size[1] * shape[3] * itemsize
    inside = range(window.padded[0])[window.inside[0]]
    parts, large = _split_rows(inside, lcm(stride, dilation), row_bytes, prod(shape) * c * kh * kw)
    return [_image_rows(part, stride, dilation, kh) for part in parts], large


def _image_rows(part: range, stride: int, dilation: int, kh: int) -> _ImageRows:
    kernel_rows = [i for i in range(kh) if (part.start - dilation * i) % stride == 0]
    if not kernel_rows:
        return _ImageRows(_as_slice(part), slice(0), 0, range(0))
    first, map_step = (part.start - dilation * kernel_rows[-1]) // stride, dilation // gcd(stride, dilation)
    map_rows = range(first, first + map_step * (len(part) + len(kernel_rows) - 1), map_step)
    kernel_slice = slice(kernel_rows[0], None, stride // gcd(stride, dilation))
    return _ImageRows(_as_slice(part), kernel_slice, len(kernel_rows), map_rows)


def _padded_rows(maps: ndarray, rows: range, groups: int, tile: TileSize) -> ndarray:
    """Return zero-padded rows of feature maps (out, rows, columns, N) as (groups, P, rows, out / groups, length)."""
    out, columns, n = len(maps), maps.shape[2], maps.shape[3]
    column_tiles, sample_tiles = columns // tile.columns, n // tile.samples
    shape = (groups, column_tiles, sample_tiles, len(rows), out // groups, tile.columns, tile.samples)
    padded = np.empty(shape, maps.dtype)
    source, target = overlap_slices(rows, maps.shape[1])
    padded[:, :, :, : target.start], padded[:, :, :, target.stop :] = 0, 0
    source_rows = region(maps, range(source.start, source.stop, source.step), range(columns))
    shape = (groups, out // groups, source_rows.shape[1], column_tiles, tile.columns, sample_tiles, tile.samples)
    _copy_rows(source_rows.reshape(shape).transpose(0, 3, 5, 2, 1, 4, 6), padded[:, :, :, target])
    return padded.reshape(groups, column_tiles * sample_tiles, len(rows), out // groups, tile.columns * tile.samples)


def _add_products(images: ndarray, kernels: ndarray, windows: ndarray, tile: TileSize, window: Window) -> None:
    """Add the products of kernels (groups, c * kw, kh * out) and windows to image rows (groups, c, rows, W, N)."""
    groups, c, rows, _, n = images.shape
    kw, columns = len(window.columns), window.size[1]
    rows_at_a_time = max(1, _PRODUCT_BYTES // max(1, groups * c * kw * columns * n * images.itemsize))
    for start in range(0, rows, rows_at_a_time):
        block = windows[:, :, start : start + rows_at_a_time]
        strips = np.empty((groups * c * kw, block.shape[2], columns, n), images.dtype)
        product_of_blocks(kernels, block, tile.rows, _maps_as_blocks(strips, block))
        strips = strips.reshape(groups, c, kw, block.shape[2], columns, n)
        for j, pixels in enumerate(window.columns):
            images[:, :, start : start + rows_at_a_time, pixels] += strips[:, :, j]


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
    is_short = length < _SHORT_ROW
    copies_windows = is_short or kh * c < _FEW_ROWS

    def total(part: _MapRows) -> ndarray:
        map_rows = region(maps[:, part.rows], range(part.window_shape[2]), range(window.size[1]))
        if not copies_windows:
            return _kernels_by_column(images, map_rows, part, window)
        windows = _window_blocks(images, part)
        if is_short:
            windows = windows.swapaxes(2, 3).reshape(groups, 1, 1, windows.shape[3], -1)
        return sum_of_products(windows, map_rows.reshape(groups, out, *windows.shape[2::2]))

    tile = TileSize(out, window.size[1], maps.shape[3])
    parts, large = _split_maps(window, images.shape, images.itemsize, len(maps), groups, tile)
    kernels, *partial_sums = map_parts(total, parts, large)
    for partial_sum in partial_sums:
        kernels += partial_sum
    if copies_windows:
        kernels = kernels.reshape(groups, kh, c, kw, out).transpose(0, 3, 1, 2, 4)
    kernels = kernels.reshape(groups, kw, kh, c, out).transpose(0, 4, 3, 2, 1)
    return kernels.reshape(groups * out, c, kh, kw)


def _kernels_by_column(images: ndarray, maps: ndarray, part: _MapRows, window: Window) -> ndarray:
    """Return the kernels (groups, kw, kh * c, out / groups) for some rows of the maps and images (C, H, W, N).

    Kernel columns whose distance is a multiple of the stride cover the same image columns at an offset.
    """
    groups, _, _, _, c, kw, columns, n = part.strip_shape
    maps = maps.reshape(groups, len(maps) // groups, part.window_shape[2], columns * n)
    period, offset = _column_period(window)
    phases = _columns_by_phase(images, part, window)
    kernels = np.empty((groups, kw, part.kh * c, maps.shape[1]), np.result_type(maps, images))
    for k, x in enumerate(phases):
        group_stride, row_stride, c_stride, column_stride, n_stride = x.strides
        shape = groups, len(range(k, kw, period)), part.window_shape[2], part.kh * c, columns * n
        strides = group_stride, offset * column_stride, part.row_step * row_stride, c_stride, n_stride
        windows = view_of(x, shape, strides)
        kernels[:, k::period] = sum_of_products(windows, maps)
    return kernels


def _column_period(window: Window) -> tuple[int, int]:
    """Return the distance of kernel columns that cover the same image columns, and the offset in windows."""
    stride, dilation = window.stride[1], window.dilation[1]
    return stride // gcd(stride, dilation), dilation // gcd(stride, dilation)


def _columns_by_phase(images: ndarray, part: _MapRows, window: Window) -> ndarray:
    """Return the zero-padded image columns that windows cover, by phase: (phases, groups, rows, c, columns, N).

    Phase k contains the columns covered by kernel column k and by the columns at multiples of the period from it.
    """
    groups, _, _, height, c, kw, columns, n = part.strip_shape
    (period, offset), stride, dilation = _column_period(window), window.stride[1], window.dilation[1]
    length, left = columns + (kw - 1) // period * offset, part.image_region[1].start
    phases = np.empty((min(period, kw), groups, height, c, length, n), images.dtype)
    source_rows, target_rows = overlap_slices(part.image_region[0], images.shape[1])
    images = samples_together(images[:, source_rows])
    images = items_of(_split_groups(images, groups)).swapaxes(1, 2)
    phases[:, :, : target_rows.start] = phases[:, :, target_rows.stop :] = 0
    for k, phase in enumerate(phases):
        first = left + k * dilation
        source_columns, target_columns = overlap_slices(range(first, first + length * stride, stride), images.shape[3])
        phase[..., : target_columns.start, :] = phase[..., target_columns.stop :, :] = 0
        items_of(phase)[:, target_rows, :, target_columns] = images[..., source_columns]
    return phases
