"""Convolutions with few windows as one matrix product each, with columns that contain the windows (im2col).

If there are few windows for the number of kernels, copying the windows takes less time than copying the kernels into
another layout, which `conv_gemm` does. In C order, kernels (out, C, kh, kw) are a matrix (out, C * kh * kw), and so is
their gradient.
"""

from itertools import product as pairs
from math import prod

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.fast.images.chwn import padded_images
from tinygrad_edu.ops.fast.products import product, product_on_threads
from tinygrad_edu.ops.sliding_windows import Window, overlap_slices, windows_of
from tinygrad_edu.shared.speed.threads import even_slices, map_parts
from tinygrad_edu.shared.speed.thresholds import SizeThreshold, plan

# Largest number of windows per kernel, and smallest number of weights, for which columns are faster.
_WINDOWS_PER_KERNEL, _MANY_WEIGHTS = map(SizeThreshold, (8, 2**14))
# Number of elements of the columns from which threads share copying and adding windows, and number of parts.
_LARGE, _PARTS = map(SizeThreshold, (2**18, 4))
# Number of multiplications from which threads share a product.
_LARGE_PRODUCT = SizeThreshold(2**24)


def should_use_columns(out: int, c: int, groups: int, samples: int, window: Window) -> bool:
    """Return whether columns are faster than `conv_gemm` for `out` feature maps and `c` input channels."""
    weights = out * c // groups * len(window.rows) * len(window.columns)
    windows = window.size[0] * window.size[1] * samples
    return weights >= _MANY_WEIGHTS and windows <= _WINDOWS_PER_KERNEL * (out // groups)


def maps_by_columns(
    images: ndarray, weight: ndarray, window: Window, groups: int, bias: ndarray | None = None
) -> ndarray:
    """Return the feature maps (out, rows, columns, N) of kernels (out, C / groups, kh, kw) on images (C, H, W, N)."""
    maps = _product(_matrices(weight, groups), _columns(images, window, groups))
    maps = maps.reshape(len(weight), *window.size, images.shape[3])
    if bias is not None:
        maps += bias[:, None, None, None]
    return maps


def images_by_columns(maps: ndarray, weight: ndarray, window: Window, groups: int) -> ndarray:
    """Return the images (C, H, W, N): the sum over windows of kernels times feature maps."""
    products = _product(_matrices(weight, groups).swapaxes(1, 2), _matrices(maps, groups))
    windows = products.reshape(groups * weight.shape[1], *map(len, window.taps), *window.size, maps.shape[3])
    height, width = (inside.stop - inside.start for inside in window.inside)
    images = np.zeros((len(windows), height, width, maps.shape[3]), products.dtype)

    def add(part: slice) -> None:
        for (i, (y, rows)), (j, (x, columns)) in pairs(*map(enumerate, _inside_taps(window))):
            images[part, y, x] += windows[part, i, j, rows, columns]

    map_parts(add, even_slices(len(images), _PARTS), windows.size >= _LARGE, multiplies=False)
    return images


@plan
def _inside_taps(window: Window) -> list[list[tuple[slice, slice]]]:
    """Return, for each axis and element of the kernel, the pixels of the image that it covers, and their windows."""
    axes = []
    for taps, inside in zip(window.taps, window.inside, strict=True):
        covered = (range(tap.start - inside.start, tap.stop - inside.start, tap.step) for tap in taps)
        axes.append([overlap_slices(pixels, inside.stop - inside.start) for pixels in covered])
    return axes


def kernels_by_columns(maps: ndarray, images: ndarray, window: Window, groups: int) -> ndarray:
    """Return the kernels (out, C / groups, kh, kw): the sum over windows, each times its element of the maps."""
    kernels = _product(_matrices(maps, groups), _columns(images, window, groups).swapaxes(1, 2))
    return kernels.reshape(len(maps), len(images) // groups, len(window.rows), len(window.columns))


def _product(x: ndarray, y: ndarray) -> ndarray:
    """Return the product of matrices. The bits of large ones do not depend on the threads of BLAS."""
    return product_on_threads(x, y) if x.size * y.shape[-1] >= _LARGE_PRODUCT else product(x, y)


def _matrices(x: ndarray, groups: int, row_axes: int = 1) -> ndarray:
    """Return x as a matrix per group, (groups, m, n). The first `row_axes` axes, which begin with groups, are rows."""
    return x.reshape(groups, prod(x.shape[:row_axes]) // groups, prod(x.shape[row_axes:]))


def _columns(images: ndarray, window: Window, groups: int) -> ndarray:
    """Return the windows of images (C, H, W, N) as columns: (groups, C / groups * kh * kw, rows * columns * N)."""
    windows = windows_of(padded_images(images, window), window)
    copy = np.empty(windows.shape, images.dtype)

    def fill(part: slice) -> None:
        copy[part] = windows[part]

    map_parts(fill, even_slices(len(copy), _PARTS), copy.size >= _LARGE, multiplies=False)
    return _matrices(copy, groups, row_axes=3)
