"""Convolutions of many samples, row by row, with the windows in a ring buffer of image rows that stays in the cache.

Each column of the ring has as many image rows as a window, and columns are adjacent in memory. The pixels of a window
are therefore contiguous, windows overlap without copies, and OpenBLAS multiplies each window without packing. For the
next row of the feature maps, only the new image rows are written, over rows that are no longer needed, and the kernel
rows are rotated. For a kernel of three rows and three rows of the feature maps::

    image rows in the ring    0 1 2    3 1 2    3 4 2
    kernel rows               0 1 2    2 0 1    1 2 0

Each element is copied once, not once per kernel column as in `conv_gemm`, and is in the second-level cache when it is
multiplied. A row must be large enough to pay for the two calls.
"""

from collections.abc import Iterator
from math import gcd, prod
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.fast.images.chwn import samples_together
from tinygrad_edu.ops.fast.products import TileSize, tile_size
from tinygrad_edu.ops.fast.transpose import items_of
from tinygrad_edu.ops.sliding_windows import Window, overlap_slices, view_of
from tinygrad_edu.shared.speed.blas import allowed_threads, available_cores
from tinygrad_edu.shared.speed.threads import even_slices, map_parts, threads_of_shard
from tinygrad_edu.shared.speed.thresholds import SizeThreshold, plan

# For fewer samples, products of several columns at a time are faster.
_MIN_SAMPLES = SizeThreshold(24)
# Multiplications of a row for which its calls pay off, and of all rows from which threads share them.
_ROW_MULTIPLICATIONS, _LARGE = map(SizeThreshold, (3 * 2**19, 2**24))
# Bytes that are transposed at a time; they stay in the cache.
_TRANSPOSED_BYTES = SizeThreshold(2**23)


def ring_tile_size(weight: ndarray, window: Window, groups: int, samples: int) -> TileSize | None:
    """Return the piece size for products with kernels (out, C / groups, kh, kw), or None if a ring does not pay off.

    1x1 kernels need no ring: their windows are the images.
    """
    kernel = prod(weight.shape[1:])
    if kernel == weight.shape[1] or weight.size * window.size[1] * samples < _ROW_MULTIPLICATIONS:
        return None
    tile = tile_size(len(weight) // groups, kernel, 1, samples)
    return tile if tile.samples >= _MIN_SAMPLES else None


def put_by_ring(
    images: ndarray, weight: ndarray, window: Window, groups: int, tile: TileSize, maps: ndarray,
    bias: ndarray | None = None,
) -> None:  # fmt: skip
    """Write the feature maps (out, rows, columns, N) of kernels (out, C / groups, kh, kw) and images, plus a bias.

    The samples of the feature maps must be contiguous; their other axes may be strided.
    """
    kernels, maps = _rotate_rows(weight, groups, tile.rows), _maps_by_row(maps, groups, tile)
    if bias is not None:
        bias = bias.reshape(groups, 1, 1, *maps.shape[4:6], 1)
    large = weight.size * window.size[0] * window.size[1] * images.shape[3] >= _LARGE
    threads = threads_of_shard() or allowed_threads(available_cores()) if large else 1

    def fill(part: _Part) -> None:
        for row, first, windows in _iter_windows(part, images):
            block = maps[row, :, :, part.columns]
            np.matmul(kernels[first], windows, out=block)
            if bias is not None:
                block += bias

    map_parts(fill, _split_maps(window, images.shape, images.itemsize, groups, tile, threads), large)


def _rotate_rows(weight: ndarray, groups: int, tile_rows: int) -> ndarray:
    """Return kernels (kh, groups, 1, 1, tiles, tile_rows, kw * kh * c), once for each rotation of their rows.

    They are in column-major order, which OpenBLAS reads faster.
    """
    c, kh, kw = weight.shape[1:]
    kernels = weight.reshape(groups, -1, tile_rows, c, kh, kw).transpose(0, 1, 5, 4, 3, 2).copy()
    rotations = np.empty((kh, *kernels.shape), weight.dtype)
    for k in range(kh):
        rotations[k, :, :, :, k:], rotations[k, :, :, :, :k] = kernels[:, :, :, : kh - k], kernels[:, :, :, kh - k :]
    return rotations.reshape(kh, groups, 1, 1, -1, kw * kh * c, tile_rows).swapaxes(-1, -2)


def _maps_by_row(maps: ndarray, groups: int, tile: TileSize) -> ndarray:
    """Return a view of maps (out, rows, columns, N), one tile per row, sample tile, column and group.

    Its shape is (rows, groups, sample tiles, columns, tiles, tile_rows, samples).
    """
    shape = groups, -1, tile.rows, *maps.shape[1:3], maps.shape[3] // tile.samples, tile.samples
    return maps.reshape(shape).transpose(3, 0, 5, 4, 1, 2, 6)


class _Part(NamedTuple):
    """Rows and columns of the feature maps whose windows share a ring, and their receptive field in the images."""

    rows: range
    columns: slice
    image_rows: slice  # the part of the receptive field inside the images; the rest is padding
    image_columns: slice
    field_rows: slice  # the same part, relative to the receptive field
    field_columns: slice
    # Rows are numbered over all parts, so that the order of summation does not depend on the parts.
    first: int  # number of the row at which the first row of windows begins
    row_step: int  # step to the next row of windows
    ring_shape: tuple[int, ...]  # (groups, sample tiles, columns, kh, c, samples)
    window_shape: tuple[int, ...]  # shape and strides of the windows in the ring
    window_strides: tuple[int, ...]


def _iter_windows(part: _Part, images: ndarray) -> Iterator[tuple[int, int, ndarray]]:
    """Yield each row of the feature maps, the rotation of the ring, and the windows, a view of the ring."""
    x, ring, kh, end = _receptive_field(part, images), np.empty(part.ring_shape, images.dtype), part.ring_shape[3], 0
    ring[:, :, : part.field_columns.start] = ring[:, :, part.field_columns.stop :] = 0
    windows = view_of(ring, part.window_shape, part.window_strides)
    ring_rows = items_of(ring).transpose(3, 0, 4, 2, 1)[:, :, :, part.field_columns]
    for k, row in enumerate(part.rows):
        first = part.first + k * part.row_step
        for new in range(max(first, end), first + kh):
            if part.field_rows.start <= new < part.field_rows.stop:
                ring_rows[new % kh] = x[new - part.field_rows.start]
            else:
                ring[:, :, :, new % kh] = 0
        end = first + kh
        yield row, first % kh, windows


def _receptive_field(part: _Part, images: ndarray) -> ndarray:
    """Return the receptive field in images (C, H, W, N) as items of several samples.

    Its shape is (rows, groups, c, columns, sample tiles).
    """
    groups, sample_tiles, _, _, c, samples = part.ring_shape
    x = samples_together(images[:, part.image_rows, part.image_columns])
    return items_of(x.reshape(groups, c, *x.shape[1:3], sample_tiles, samples)).transpose(2, 0, 1, 3, 4)


@plan
def _split_maps(
    window: Window, shape: tuple[int, ...], itemsize: int, groups: int, tile: TileSize, threads: int
) -> list[_Part]:
    """Split the feature maps of images of shape (C, H, W, N) into parts, longest first, to balance the threads."""
    count = max(threads, prod(shape) * itemsize // _TRANSPOSED_BYTES)
    rows = [phase[part] for phase in _phases(window, 0) for part in even_slices(len(phase), count)]
    parts = [
        _part(phase, columns, window, shape, itemsize, groups, tile) for phase in rows for columns in _phases(window, 1)
    ]
    return sorted(parts, key=lambda part: len(part.rows), reverse=True)


def _part(
    rows: range, columns: range, window: Window, shape: tuple[int, ...], itemsize: int, groups: int, tile: TileSize
) -> _Part:
    kh, kw, c, samples = len(window.rows), len(window.columns), shape[0] // groups, tile.samples
    row_range, row_step = _receptive_range(rows, window, 0)
    column_range, column_step = _receptive_range(columns, window, 1)
    image_rows, field_rows = overlap_slices(row_range, shape[1])
    image_columns, field_columns = overlap_slices(column_range, shape[2])
    sample_tiles, item_bytes, first = shape[3] // samples, samples * itemsize, rows.start // rows.step * row_step
    column_bytes, field_rows = kh * c * item_bytes, slice(first + field_rows.start, first + field_rows.stop)
    return _Part(
        rows, slice(columns.start, columns.stop, columns.step),
        image_rows, image_columns, field_rows, field_columns, first, row_step,
        ring_shape=(groups, sample_tiles, len(column_range), kh, c, samples),
        window_shape=(groups, sample_tiles, len(columns), 1, kw * kh * c, samples),
        window_strides=(
            sample_tiles * len(column_range) * column_bytes, len(column_range) * column_bytes,
            column_step * column_bytes, 0, item_bytes, itemsize,
        ),
    )  # fmt: skip


def effective_dilation(window: Window, axis: int) -> int:
    """Return the distance of the rows or columns of a window: the dilation, or the stride for a single one."""
    return window.dilation[axis] if len((window.rows, window.columns)[axis]) > 1 else window.stride[axis]


def _phases(window: Window, axis: int) -> list[range]:
    """Return the rows or columns of the feature maps by phase: windows of different phases share none of the images."""
    count = effective_dilation(window, axis) // gcd(window.stride[axis], effective_dilation(window, axis))
    return [phase for k in range(count) if (phase := range(window.size[axis])[k::count])]


def _receptive_range(windows: range, window: Window, axis: int) -> tuple[range, int]:
    """Return the receptive field of the windows of one phase along an axis, and the step between them in it."""
    stride, dilation = window.stride[axis], effective_dilation(window, axis)
    kernel = len((window.rows, window.columns)[axis])
    first, window_step = windows.start * stride - window.inside[axis].start, windows.step * stride // dilation
    return range(first, first + dilation * ((len(windows) - 1) * window_step + kernel), dilation), window_step
