"""Depthwise convolutions as sums of products of long rows. The plain forms are in `conv_gemm`.

For kernels with one channel a matrix product is so small that copying the windows would take longer. Windows are views
instead: with the samples innermost, the pixels under one kernel element are contiguous for all windows of a row, and
`einsum` and `vecdot` run along them.

For many samples the convolution is a product with a banded matrix, which contains one shifted, zero-padded copy of the
kernel for each of several adjacent windows. The other operand is the receptive field of these windows. Most of the
multiplications are by zero, but OpenBLAS is faster nevertheless.
"""

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.fast.images.chwn import padded_images, region
from tinygrad_edu.ops.fast.images.polyphase import images_by_phases
from tinygrad_edu.ops.fast.transpose import padded_copy
from tinygrad_edu.ops.sliding_windows import Window, overlap_slices, view_of
from tinygrad_edu.shared.speed.threads import even_slices, map_parts
from tinygrad_edu.shared.speed.thresholds import SizeThreshold

# Number of multiplications from which threads share the work; minimum number of parts; bytes of a part.
_LARGE, _PARTS, _PART_BYTES = map(SizeThreshold, (2**22, 4, 3 * 2**19))
# Columns in which the windows of a band begin; minimum kernel height and width, number of samples, and results per
# product for which bands pay off.
_BAND_COLUMNS, _MIN_KERNEL, _MIN_SAMPLES, _MIN_SUMS = map(SizeThreshold, (8, 3, 8, 2**14))
# Shortest and longest sums along whole samples. BLAS would share longer ones among its threads.
_SHORTEST, _LONGEST = map(SizeThreshold, (256, 10_000))


def _split(count: int, x: ndarray) -> list[slice]:
    return even_slices(count, max(_PARTS, x.nbytes // _PART_BYTES))


def _slice_groups(x: ndarray, part: slice, groups: int) -> ndarray:
    """Return the channels of some groups of an array (C, ...)."""
    channels = len(x) // groups
    return x[part.start * channels : part.stop * channels]


def _windows_as_rows(images: ndarray, window: Window, groups: int) -> ndarray:
    """Return the windows of images (C, H, W, N) as (groups, C / groups, kh, kw, rows, columns * N).

    The result is a view of the images or, for a horizontal stride above 1, of one copy per kernel column.
    """
    images = padded_images(images, window)
    images = images.reshape(groups, len(images) // groups, *images.shape[1:])
    *channel_strides, row_stride, column_stride, _ = images.strides  # the last stride is arbitrary for a single sample
    kernel_column_stride = window.dilation[1] * column_stride
    if window.stride[1] > 1:
        images = np.stack([images[:, :, :, pixels] for pixels in window.columns], axis=2)
        *channel_strides, kernel_column_stride, row_stride, _, _ = images.strides
    kernel, (rows, columns) = (len(window.rows), len(window.columns)), window.size
    shape = *images.shape[:2], *kernel, rows, columns * images.shape[-1]
    kernel_strides = window.dilation[0] * row_stride, kernel_column_stride
    return view_of(images, shape, (*channel_strides, *kernel_strides, window.stride[0] * row_stride, images.itemsize))


def depthwise_maps(
    images: ndarray, weight: ndarray, window: Window, groups: int, bias: ndarray | None = None
) -> ndarray:
    """Return the feature maps (out, rows, columns, N) of kernels (out, C / groups, kh, kw) on images (C, H, W, N).

    Add a bias (out,), if given.
    """
    maps = np.empty((len(weight), *window.size, images.shape[3]), np.result_type(images, weight))
    _put_maps(images, weight, window, groups, maps, bias)
    return maps


def _put_maps(
    images: ndarray, weight: ndarray, window: Window, groups: int, out: ndarray, bias: ndarray | None = None
) -> None:
    """Write the feature maps; if `out` is not contiguous, as for a phase of a stride, through a contiguous buffer."""
    contiguous = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
    kernels = weight.reshape(groups, len(weight) // groups, *weight.shape[1:])
    maps = contiguous.reshape(*kernels.shape[:2], *contiguous.shape[1:])
    bands = _band_kernels(kernels, window) if _is_banding_faster(images, weight, window, maps) else []

    def fill(part: slice) -> None:
        map_part, image_part = maps[part], _slice_groups(images, part, groups)
        if not bands or not _put_maps_by_bands(image_part, [band[part] for band in bands], window, map_part):
            _put_maps_by_rows(image_part, kernels[part], window, map_part)
        if bias is not None:
            map_part += _slice_groups(bias, part, groups).reshape(*map_part.shape[:2], 1, 1, 1)

    map_parts(fill, _split(groups, images), maps.size * kernels[0, 0].size >= _LARGE)
    if contiguous is not out:
        out[...] = contiguous


def _put_maps_by_rows(images: ndarray, kernels: ndarray, window: Window, out: ndarray) -> None:
    """Write feature maps (groups, out / groups, rows, columns, N); each row is a sum of products of rows."""
    windows = _windows_as_rows(images, window, len(out))
    np.einsum("gocij,gcijyl->goyl", kernels, windows, out=out.reshape(*out.shape[:3], windows.shape[5]))


def _is_banding_faster(images: ndarray, weight: ndarray, window: Window, maps: ndarray) -> bool:
    """Return whether banded products are possible and pay off: no vertical dilation, and enough work for each call."""
    if images.dtype != weight.dtype or weight.dtype.char not in "fd" or window.dilation[0] > 1:
        return False
    enough_sums = maps.shape[4] >= _MIN_SAMPLES and maps.size >= _MIN_SUMS * _num_row_blocks(window)
    return enough_sums and min(weight.shape[2:]) >= _MIN_KERNEL


def _num_row_blocks(window: Window) -> int:
    return -(-window.size[1] * window.stride[1] // _BAND_COLUMNS)


def _receptive_width(window: Window, windows: int) -> int:
    """Return the width of the receptive field of some adjacent windows."""
    return window.stride[1] * (windows - 1) + window.columns[-1].start + 1


def _band_kernels(kernels: ndarray, window: Window) -> list[ndarray]:
    """Return banded matrices (g, o, windows, kh * c * width) of kernels (g, o, c, kh, kw), also for the rest of a row.

    For two windows, a kernel of three columns and a stride of 1, a band has the rows k0 k1 k2 0 and 0 k0 k1 k2.
    """
    (*outer, c, kh, _), columns, stride = kernels.shape, window.size[1], window.stride[1]
    length = -(-columns // _num_row_blocks(window))
    bands = []
    for count in filter(None, (length, columns % length)):
        band = np.zeros((*outer, count, kh, c, _receptive_width(window, count)), kernels.dtype)
        for k in range(count):
            taps = slice(stride * k, stride * k + _receptive_width(window, 1), window.dilation[1])
            band[:, :, k, :, :, taps] = kernels.swapaxes(2, 3)
        bands.append(band.reshape(*outer, count, -1))
    return bands


def _put_maps_by_bands(images: ndarray, bands: list[ndarray], window: Window, out: ndarray) -> bool:
    """Write the feature maps as products of banded matrices; return whether all of them are finite.

    0 times infinity or NaN is NaN, so a pixel that is not finite makes the results of adjacent windows NaN, too. If a
    result is not finite, the caller computes all of them again.
    """
    if images.strides[2] < images.strides[3]:
        images = padded_copy(images.transpose(3, 0, 1, 2)).transpose(1, 2, 3, 0)
    groups, start = len(out), 0
    for band in bands:
        width, count = band.shape[2], (window.size[1] - start) // band.shape[2]
        blocks = _image_blocks(images, window, range(start, start + width * count, width), groups)
        group_stride, block_stride, row_stride, item_stride, _ = blocks.strides
        shape = groups, 1, window.size[0], count, band.shape[3], blocks.shape[4]
        strides = group_stride, 0, window.stride[0] * row_stride, block_stride, item_stride, blocks.itemsize
        windows = view_of(blocks, shape, strides)
        block = out[:, :, :, start : start + width * count]
        with np.errstate(all="ignore"):
            np.matmul(band[:, :, None, None], windows, out=block.reshape(*out.shape[:3], count, width, out.shape[4]))
        start += width * count
    return bool(np.isfinite(np.vdot(out, out)) or np.isfinite(out).all())  # the first is faster


def _image_blocks(images: ndarray, window: Window, starts: range, groups: int) -> ndarray:
    """Return the image columns that the windows from each start cover: (groups, starts, H, C / groups * width, N)."""
    (height, _), top, left = window.padded, window.inside[0].start, window.inside[1].start
    width = _receptive_width(window, starts.step)
    images = images.reshape(groups, len(images) // groups, *images.shape[1:]).swapaxes(1, 2)
    blocks = np.empty((groups, len(starts), height, images.shape[2], width, images.shape[4]), images.dtype)
    source_rows, target_rows = overlap_slices(range(-top, height - top), images.shape[1])
    blocks[:, :, : target_rows.start] = blocks[:, :, target_rows.stop :] = 0
    for k, start in enumerate(starts):
        first = window.stride[1] * start - left
        source_columns, target_columns = overlap_slices(range(first, first + width), images.shape[3])
        blocks[:, k, target_rows, :, : target_columns.start] = blocks[:, k, target_rows, :, target_columns.stop :] = 0
        blocks[:, k, target_rows, :, target_columns] = images[:, source_rows, :, source_columns]
    return blocks.reshape(*blocks.shape[:3], images.shape[2] * width, blocks.shape[5])


def depthwise_images(maps: ndarray, weight: ndarray, window: Window, groups: int) -> ndarray:
    """Return the images (C, H, W, N), without padding: the sum over windows of kernels times feature maps."""
    return images_by_phases(_put_maps, maps, weight, window, groups)


def depthwise_kernels(maps: ndarray, images: ndarray, window: Window, groups: int) -> ndarray:
    """Return the kernels (out, 1, kh, kw): the sum over windows, each times its element of the feature maps."""
    large = maps.size * len(window.rows) * len(window.columns) >= _LARGE
    if _can_sum_along_samples(maps, images, window):
        kernels = _kernels_along_samples(maps, images, window, large)
        if np.isfinite(kernels).all():
            return kernels
    row_length = window.size[1] * maps.shape[3]

    def total(part: slice) -> ndarray:
        return _kernels_along_rows(_slice_groups(maps, part, groups), _slice_groups(images, part, groups), window)

    return np.concatenate(map_parts(total, _split(groups, images), large or row_length > _LONGEST))


def _kernels_along_rows(maps: ndarray, images: ndarray, window: Window) -> ndarray:
    """Return the kernels (out, 1, kh, kw) as sums along each row, over all samples."""
    (height, width), n, c = window.size, maps.shape[3], len(images)
    windows, rows = _windows_as_rows(images, window, c), region(maps, range(height), range(width))
    products = np.empty((c, len(maps) // c, *windows.shape[2:5]), np.result_type(maps, images))
    axes = 0, 1, 4, 2, 3  # all kernel elements for one row before the next row: it stays in the cache
    rows = rows.reshape(*products.shape[:2], 1, 1, height, width * n).transpose(*axes, 5)
    np.vecdot(windows.transpose(*axes, 5), rows, out=products.transpose(axes))
    return products.sum(axis=-1).reshape(len(maps), 1, *products.shape[2:4])


def _can_sum_along_samples(maps: ndarray, images: ndarray, window: Window) -> bool:
    """Return whether each sample is contiguous and of a length for sums along samples."""
    first = maps.size and all(a.dtype.char in "fd" and a.strides[2] <= a.strides[3] for a in (maps, images))
    return bool(first) and window.stride == (1, 1) and _SHORTEST <= window.size[0] * window.padded[1] <= _LONGEST


def _kernels_along_samples(maps: ndarray, images: ndarray, window: Window, large: bool) -> ndarray:
    """Return `_kernels_along_rows` as sums along each sample, without transposing; may be NaN if images are not finite.

    The rows of the feature maps are padded with zeros to the width of the images. The pixels under one kernel element,
    for all windows, are then one contiguous row; the pixels between windows are multiplied by zeros.
    """
    (c, _, _, n), (rows, columns), (_, width), out = images.shape, window.size, window.padded, len(maps)
    kernel, length = (len(window.rows), len(window.columns)), (rows - 1) * width + columns

    def total(part: slice) -> ndarray:
        padded = np.zeros((part.stop - part.start, c, *window.padded), images.dtype)
        padded[:, :, *window.inside] = images[..., part].transpose(3, 0, 1, 2)
        padded_maps = np.zeros((len(padded), out, rows, width), maps.dtype)
        padded_maps[..., :columns] = maps[..., part].transpose(3, 0, 1, 2)
        *outer_strides, row_stride, column_stride = padded.strides
        kernel_strides = window.dilation[0] * row_stride, window.dilation[1] * column_stride
        shape = len(padded), c, 1, *kernel, length
        windows = view_of(padded, shape, (*outer_strides, 0, *kernel_strides, column_stride))
        with np.errstate(invalid="ignore"):
            return np.vecdot(windows, padded_maps.reshape(len(padded), c, out // c, 1, 1, -1)[..., :length]).sum(axis=0)

    return np.add.reduce(map_parts(total, _split(n, images), large, multiplies=False)).reshape(out, 1, *kernel)
