"""Gradients of 1x1 convolutions as matrix products, one for each contiguous sample.

A sample is a matrix (C, H * W), and so is its product with the kernels. `conv_gemm` first transposes the samples to be
innermost. The forward pass does that anyway, because later layers need that layout; the gradients then have it, too.
"""

import numpy as np
from numpy import ndarray

from tinygrad_edu.cores.threads import even_slices, map_parts
from tinygrad_edu.ops.fast.products import product
from tinygrad_edu.ops.sliding_windows import Window
from tinygrad_edu.thresholds import SizeThreshold

# Multiplications from which threads share the work; number of parts; pixels below which transposing is faster.
_LARGE, _PARTS, _MIN_PIXELS = map(SizeThreshold, (2**24, 4, 64))


def can_use_pointwise(window: Window, *arrays: ndarray) -> bool:
    """Return whether windows are all single pixels of arrays (C, H, W, N) whose samples are contiguous."""
    kernel = len(window.rows), len(window.columns)
    if kernel != (1, 1) or window.size != window.padded or any(a.start for a in window.inside):
        return False
    enough_pixels = window.size[0] * window.size[1] >= _MIN_PIXELS
    return enough_pixels and all(a.size and a[..., 0].flags.c_contiguous for a in arrays)


def _sample_matrices(x: ndarray, groups: int) -> ndarray:
    """Return (C, H, W, N) as (N, groups, C / groups, H * W), a view."""
    c, height, width, n = x.shape
    return x.transpose(3, 0, 1, 2).reshape(n, groups, c // groups, height * width)


def pointwise_images(maps: ndarray, weight: ndarray, window: Window, groups: int) -> ndarray:
    """Return the images (C, H, W, N): the products of kernels (out, C / groups, 1, 1) and feature maps, per pixel."""
    kernels = weight.reshape(groups, len(weight) // groups, weight.shape[1]).swapaxes(1, 2)
    g = _sample_matrices(maps, groups)
    images = np.empty((len(g), *kernels.shape[:2], g.shape[3]), np.result_type(maps, weight))

    def fill(part: slice) -> None:
        product(kernels, g[part], images[part])

    map_parts(fill, even_slices(len(g), _PARTS), maps.size * weight.shape[1] >= _LARGE)
    return images.reshape(len(g), groups * weight.shape[1], *window.size).transpose(1, 2, 3, 0)


def pointwise_kernels(maps: ndarray, images: ndarray, window: Window, groups: int) -> ndarray:
    """Return the kernels (out, C / groups, 1, 1): the sum over pixels, each times its element of the feature maps."""
    g, x = _sample_matrices(maps, groups), _sample_matrices(images, groups).swapaxes(2, 3)

    def total(part: slice) -> ndarray:
        return product(g[part], x[part]).sum(axis=0)

    partial_sums = map_parts(total, even_slices(len(x), _PARTS), maps.size * x.shape[3] >= _LARGE)
    return np.add.reduce(partial_sums).reshape(len(maps), x.shape[3], 1, 1)
