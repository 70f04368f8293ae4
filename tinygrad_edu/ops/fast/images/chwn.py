"""Images in the memory layout (C, H, W, N), samples innermost, and their padding."""

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.fast.transpose import put_last
from tinygrad_edu.ops.sliding_windows import Window, overlap_slices, plain_samples_first, plain_samples_last
from tinygrad_edu.shared.speed.plain_mode import faster_than
from tinygrad_edu.shared.speed.thresholds import plan


@faster_than(plain_samples_last)
def samples_last(x: ndarray, axis: int = 0) -> ndarray:
    """Return images (N, C, H, W) as contiguous (C, H, W, N): a view if the memory has that layout, else a copy.

    The samples of a pixel are then contiguous, so that inner loops are long even for small images.
    """
    transposed = x.transpose((*range(axis), *range(axis + 1, x.ndim), axis))
    if axis or transposed.flags.c_contiguous:
        return np.ascontiguousarray(transposed)
    out = np.empty(transposed.shape, x.dtype)
    put_last(x, out)
    return out


def samples_together(images: ndarray) -> ndarray:
    """Return images (C, H, W, N) with the samples innermost in memory; without a copy if they are already."""
    return images if images.strides[3] == images.itemsize else samples_last(images.transpose(3, 0, 1, 2))


@faster_than(plain_samples_first)
def samples_first(x: ndarray, axis: int = 0) -> ndarray:
    """Return (C, H, W, N) as (N, C, H, W), a view: the inverse of `samples_last`."""
    return x.transpose((*range(axis), x.ndim - 1, *range(axis, x.ndim - 1)))


def padded_images(images: ndarray, window: Window, rows: range | None = None) -> ndarray:
    """Return images (C, H, W, N), in any layout, with zero padding, or some rows of the padded images."""
    (height, width), top, left = window.padded, window.inside[0].start, window.inside[1].start
    rows = range(height) if rows is None else rows
    return region(images, range(rows.start - top, rows.stop - top, rows.step), range(-left, width - left))


def region(images: ndarray, rows: range, columns: range) -> ndarray:
    """Return a region of images (C, H, W, N), in any layout, with zeros outside of the images.

    Each row of the region is contiguous. The result is a view if the images have that layout.
    """
    source, target, shape = _overlap(rows, columns, images.shape)
    overlap = images[source]
    if overlap.shape == shape and overlap[:1, :1].flags.c_contiguous:
        return overlap
    out = np.empty(shape, images.dtype)
    if overlap.shape != shape:
        out[...] = 0
    put_last(overlap.transpose(3, 0, 1, 2), out[target])
    return out


Index = tuple[slice, slice, slice]


@plan
def _overlap(rows: range, columns: range, shape: tuple[int, ...]) -> tuple[Index, Index, tuple[int, ...]]:
    """Return the index of a region in images (C, H, W, N), the index of these pixels in the region, and its shape."""
    (source_rows, target_rows), full = overlap_slices(rows, shape[1]), slice(None)
    source_columns, target_columns = overlap_slices(columns, shape[2])
    source, target = (full, source_rows, source_columns), (full, target_rows, target_columns)
    return source, target, (shape[0], len(rows), len(columns), shape[3])
