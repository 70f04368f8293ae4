"""Choice of the fastest algorithm of a convolution and of its gradients.

`fast.conv_gemm` computes matrix products with windows, row by row. `fast.conv_columns` computes one product for few
pixels. `fast.depthwise` computes sums for convolutions in which each channel has its own kernels.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.fast.images import conv_gemm as gemm
from tinygrad_edu.ops.fast.images.conv_columns import (
    images_by_columns,
    kernels_by_columns,
    maps_by_columns,
    should_use_columns,
)
from tinygrad_edu.ops.fast.images.depthwise import depthwise_images, depthwise_kernels, depthwise_maps
from tinygrad_edu.ops.sliding_windows import Window


class Form(NamedTuple):
    """Algorithm for the feature maps and for their gradients with respect to images and kernels."""

    maps: Callable[[ndarray, ndarray, Window, int, ndarray | None], ndarray]
    images: Callable[[ndarray, ndarray, Window, int], ndarray]
    kernels: Callable[[ndarray, ndarray, Window, int], ndarray]


_PLAIN = Form(gemm.plain_correlated_maps, gemm.plain_correlated_images, gemm.plain_correlated_kernels)
_GEMM = Form(gemm.correlated_maps, gemm.correlated_images, gemm.correlated_kernels)
_DEPTHWISE = Form(depthwise_maps, depthwise_images, depthwise_kernels)
_COLUMNS = Form(maps_by_columns, images_by_columns, kernels_by_columns)


def select_form(out: int, c: int, groups: int, samples: int, window: Window) -> Form:
    """Return the fastest form for `out` feature maps and `c` input channels."""
    if not out or not c:
        return _PLAIN
    if groups > 1 and groups == c and out <= 2 * c:
        return _DEPTHWISE
    return _COLUMNS if should_use_columns(out, c, groups, samples, window) else _GEMM


def select_images_form(maps: ndarray, weight: ndarray, window: Window, groups: int) -> Form:
    """Return the fastest form for images. Most forms multiply kernels by zeros around the maps, and 0 * inf is NaN."""
    form = select_form(len(weight), groups * weight.shape[1], groups, maps.shape[3], window)
    return form if form is _PLAIN or np.isfinite(weight).all() else _COLUMNS
