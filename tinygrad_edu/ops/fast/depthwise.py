"""Correlations of each channel by itself, faster: sums of products of long rows. The twins are in `rows`.

A matrix product of kernels with one channel has so little to multiply that copying its windows would take longer. Here
they stay where they are: of images laid out with the samples inside, the windows of a row meet one place of the kernel
in one row of numbers, and `einsum` and `vecdot` go along it.
"""

import numpy as np
from numpy import ndarray

from tinygrad_edu.cores.threads import in_parts, shares
from tinygrad_edu.ops.fast.phases import images_by_phases
from tinygrad_edu.ops.windows import Window, bordered, region, view_of

# The channels are computed in so many parts; from so many multiplications on, threads share them.
_PARTS, _LARGE = 8, 2**22


def _of_groups(x: ndarray, part: slice, groups: int) -> ndarray:
    """Return the channels (C, ...) that are in some of the groups."""
    each = len(x) // groups
    return x[part.start * each : part.stop * each]


def _long_rows(images: ndarray, laid: Window, groups: int) -> ndarray:
    """Return the windows of images (C, H, W, N) as (groups, C / groups, kh, kw, rows, columns * N).

    A view; where the windows are not side by side, of copies, one for each column of the kernel.
    """
    images = bordered(images, laid)
    images = images.reshape(groups, len(images) // groups, *images.shape[1:])
    *by_channel, by_row, by_column, _ = images.strides  # the last may be any number, of one sample
    by_place = laid.dilation[1] * by_column
    if laid.stride[1] > 1:
        images = np.stack([images[:, :, :, met] for met in laid.columns], axis=2)
        *by_channel, by_place, by_row, _, _ = images.strides
    shape = (*images.shape[:2], len(laid.rows), len(laid.columns), laid.size[0], laid.size[1] * images.shape[-1])
    steps = *by_channel, laid.dilation[0] * by_row, by_place, laid.stride[0] * by_row, images.itemsize
    return view_of(images, shape, steps)


def depthwise_maps(images: ndarray, weight: ndarray, laid: Window, groups: int, bias: ndarray | None = None) -> ndarray:
    """Return the maps (out, rows, columns, N) of kernels (out, C / groups, kh, kw) on images (C, H, W, N).

    Plus a bias (out,), if given.
    """
    kernels = weight.reshape(groups, len(weight) // groups, *weight.shape[1:])
    maps = np.empty((*kernels.shape[:2], *laid.size, images.shape[3]), np.result_type(images, weight))

    def fill(part: slice) -> None:
        some = maps[part]
        windows = _long_rows(_of_groups(images, part, groups), laid, len(some))
        out = some.reshape(*some.shape[:3], windows.shape[5])
        np.einsum("gocij,gcijyl->goyl", kernels[part], windows, out=out)
        if bias is not None:
            out += _of_groups(bias, part, groups).reshape(*out.shape[:2], 1, 1)

    in_parts(fill, shares(groups, _PARTS), maps.size * kernels[0, 0].size >= _LARGE)
    return maps.reshape(len(weight), *maps.shape[2:])


def depthwise_images(maps: ndarray, weight: ndarray, laid: Window, groups: int) -> ndarray:
    """Return the images (C, H, W, N), without their padding, in which each window got its kernels times its maps."""
    return images_by_phases(depthwise_maps, maps, weight, laid, groups)


def depthwise_kernels(maps: ndarray, images: ndarray, laid: Window, groups: int) -> ndarray:
    """Return the kernels (out, 1, kh, kw): the sum of all windows, each times its place in the maps."""
    (height, width), n = laid.size, maps.shape[3]

    def total(part: slice) -> ndarray:
        windows = _long_rows(_of_groups(images, part, groups), laid, part.stop - part.start)
        rows = region(_of_groups(maps, part, groups), range(height), range(width))
        return np.vecdot(windows, rows.reshape(len(windows), len(maps) // groups, 1, 1, height, width * n)).sum(axis=-1)

    large = maps.size * len(laid.rows) * len(laid.columns) >= _LARGE
    found = in_parts(total, shares(groups, _PARTS), large)
    return np.concatenate(found).reshape(len(maps), 1, len(laid.rows), len(laid.columns))
