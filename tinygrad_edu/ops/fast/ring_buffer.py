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

from tinygrad_edu.cores.blas import allowed_threads, available_cores
from tinygrad_edu.cores.threads import in_parts, shares, threads_of_shard
from tinygrad_edu.ops.fast.chwn import samples_together
from tinygrad_edu.ops.fast.products import Cut, cut
from tinygrad_edu.ops.fast.transpose import items_of
from tinygrad_edu.ops.sliding_windows import Window, overlap_slices, view_of
from tinygrad_edu.thresholds import SizeThreshold, plan

# For fewer samples, products of several columns at a time are faster.
_MIN_SAMPLES = SizeThreshold(24)
# Multiplications of a row for which its calls pay off, and of all rows from which threads share them.
_ROW_MULTIPLICATIONS, _LARGE = map(SizeThreshold, (3 * 2**19, 2**24))
# Bytes that are transposed at a time; they stay in the cache.
_TRANSPOSED_BYTES = SizeThreshold(2**23)


def ring_cut(weight: ndarray, window: Window, groups: int, samples: int) -> Cut | None:
    """Return the piece size for products with kernels (out, C / groups, kh, kw), or None if a ring does not pay off.

    1x1 kernels need no ring: their windows are the images.
    """
    kernel = prod(weight.shape[1:])
    if kernel == weight.shape[1] or weight.size * window.size[1] * samples < _ROW_MULTIPLICATIONS:
        return None
    pieces = cut(len(weight) // groups, kernel, 1, samples)
    return pieces if pieces.samples >= _MIN_SAMPLES else None


def put_by_ring(
    images: ndarray, weight: ndarray, window: Window, groups: int, pieces: Cut, maps: ndarray,
    bias: ndarray | None = None,
) -> None:  # fmt: skip
    """Write the feature maps (out, rows, columns, N) of kernels (out, C / groups, kh, kw) and images, plus a bias.

    The samples of the feature maps must be contiguous; their other axes may be strided.
    """
    kernels, maps = _rotate_rows(weight, groups, pieces.rows), _maps_by_row(maps, groups, pieces)
    if bias is not None:
        bias = bias.reshape(groups, 1, 1, *maps.shape[4:6], 1)
    large = weight.size * window.size[0] * window.size[1] * images.shape[3] >= _LARGE
    threads = threads_of_shard() or allowed_threads(available_cores()) if large else 1

    def fill(part: _Part) -> None:
        for row, first, windows in _iter_windows(part, images):
            some = maps[row, :, :, part.columns]
            np.matmul(kernels[first], windows, out=some)
            if bias is not None:
                some += bias

    in_parts(fill, _split_maps(window, images.shape, images.itemsize, groups, pieces, threads), large)


def _rotate_rows(weight: ndarray, groups: int, at_a_time: int) -> ndarray:
    """Return kernels (kh, groups, 1, 1, pieces, at_a_time, kw * kh * c), once for each rotation of their rows.

    They are in column-major order, which OpenBLAS reads faster.
    """
    c, kh, kw = weight.shape[1:]
    kernels = weight.reshape(groups, -1, at_a_time, c, kh, kw).transpose(0, 1, 5, 4, 3, 2).copy()
    found = np.empty((kh, *kernels.shape), weight.dtype)
    for k in range(kh):
        found[k, :, :, :, k:], found[k, :, :, :, :k] = kernels[:, :, :, : kh - k], kernels[:, :, :, kh - k :]
    return found.reshape(kh, groups, 1, 1, -1, kw * kh * c, at_a_time).swapaxes(-1, -2)


def _maps_by_row(maps: ndarray, groups: int, pieces: Cut) -> ndarray:
    """Return a view of maps (out, rows, columns, N) as (rows, groups, along, columns, pieces, at_a_time, each)."""
    shape = groups, -1, pieces.rows, *maps.shape[1:3], maps.shape[3] // pieces.samples, pieces.samples
    return maps.reshape(shape).transpose(3, 0, 5, 4, 1, 2, 6)


class _Part(NamedTuple):
    """Rows and columns of the feature maps whose windows share a ring, and their receptive field in the images.

    Attributes
    ----------
    rows : range
    columns : slice
    image_rows, image_columns : slice
        The part of the receptive field inside the images.
    field_rows, field_columns : slice
        The same part, relative to the receptive field; rows are numbered as in `first`. The rest is padding.
    first, row_step : int
        Number of the row at which the first row of windows begins, and the step to the next one. Rows are numbered
        over all parts, so that the order of summation does not depend on the parts.
    ring, windows, steps : tuple of int
        Shape of the ring, (groups, along, columns, kh, c, samples), and shape and strides of the windows in it.
    """

    rows: range
    columns: slice
    image_rows: slice
    image_columns: slice
    field_rows: slice
    field_columns: slice
    first: int
    row_step: int
    ring: tuple[int, ...]
    windows: tuple[int, ...]
    steps: tuple[int, ...]


def _iter_windows(part: _Part, images: ndarray) -> Iterator[tuple[int, int, ndarray]]:
    """Yield each row of the feature maps, the rotation of the ring, and the windows, a view of the ring."""
    x, ring, kh, end = _receptive_field(part, images), np.empty(part.ring, images.dtype), part.ring[3], 0
    ring[:, :, : part.field_columns.start] = ring[:, :, part.field_columns.stop :] = 0
    windows = view_of(ring, part.windows, part.steps)
    places = items_of(ring).transpose(3, 0, 4, 2, 1)[:, :, :, part.field_columns]
    for k, row in enumerate(part.rows):
        first = part.first + k * part.row_step
        for new in range(max(first, end), first + kh):
            if part.field_rows.start <= new < part.field_rows.stop:
                places[new % kh] = x[new - part.field_rows.start]
            else:
                ring[:, :, :, new % kh] = 0
        end = first + kh
        yield row, first % kh, windows


def _receptive_field(part: _Part, images: ndarray) -> ndarray:
    """Return the receptive field in images (C, H, W, N): (rows, groups, c, columns, along) items of several samples."""
    groups, along, _, _, c, each = part.ring
    x = samples_together(images[:, part.image_rows, part.image_columns])
    return items_of(x.reshape(groups, c, *x.shape[1:3], along, each)).transpose(2, 0, 1, 3, 4)


@plan
def _split_maps(
    window: Window, shape: tuple[int, ...], itemsize: int, groups: int, pieces: Cut, threads: int
) -> list[_Part]:
    """Split the feature maps of images of shape (C, H, W, N) into parts, longest first, to balance the threads."""
    count = max(threads, prod(shape) * itemsize // _TRANSPOSED_BYTES)
    rows = [some[part] for some in _phases(window, 0) for part in shares(len(some), count)]
    parts = [
        _part(some, columns, window, shape, itemsize, groups, pieces) for some in rows for columns in _phases(window, 1)
    ]
    return sorted(parts, key=lambda part: len(part.rows), reverse=True)


def _part(
    rows: range, columns: range, window: Window, shape: tuple[int, ...], itemsize: int, groups: int, pieces: Cut
) -> _Part:
    kh, kw, c, each = len(window.rows), len(window.columns), shape[0] // groups, pieces.samples
    (down, row_step), (across, column_step) = _receptive_range(rows, window, 0), _receptive_range(columns, window, 1)
    (image_rows, field_rows), (image_columns, field_columns) = (
        overlap_slices(down, shape[1]),
        overlap_slices(across, shape[2]),
    )
    along, number, first = shape[3] // each, each * itemsize, rows.start // rows.step * row_step
    column, field_rows = kh * c * number, slice(first + field_rows.start, first + field_rows.stop)
    return _Part(
        rows, slice(columns.start, columns.stop, columns.step),
        image_rows, image_columns, field_rows, field_columns, first, row_step,
        ring=(groups, along, len(across), kh, c, each),
        windows=(groups, along, len(columns), 1, kw * kh * c, each),
        steps=(along * len(across) * column, len(across) * column, column_step * column, 0, number, itemsize),
    )  # fmt: skip


def apart_in(window: Window, axis: int) -> int:
    """Return the distance of the rows or columns of a window: the dilation, or the stride for a single one."""
    return window.dilation[axis] if len((window.rows, window.columns)[axis]) > 1 else window.stride[axis]


def _phases(window: Window, axis: int) -> list[range]:
    """Return the rows or columns of the feature maps by phase: windows of different phases share none of the images."""
    count = apart_in(window, axis) // gcd(window.stride[axis], apart_in(window, axis))
    return [some for k in range(count) if (some := range(window.size[axis])[k::count])]


def _receptive_range(places: range, window: Window, axis: int) -> tuple[range, int]:
    """Return the receptive field of the windows of one phase along an axis, and the step between them in it."""
    step, apart, kernel = window.stride[axis], apart_in(window, axis), len((window.rows, window.columns)[axis])
    first, place_step = places.start * step - window.inside[axis].start, places.step * step // apart
    return range(first, first + apart * ((len(places) - 1) * place_step + kernel), apart), place_step
