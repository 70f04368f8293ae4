"""Lesson 11: convolution. A form that is linear in images, kernels and maps, and three ops that are its derivatives."""

import lesson09_second_order  # noqa: F401 - the engine of lessons 1 to 9
import numpy as np
from lesson07_recorder import op
from numpy.lib.stride_tricks import as_strided


def fit(images, kernels, maps):
    """Return the form: the sum over all indices of maps[n, k, y, x] * kernels[k, c, i, j] * images[n, c, y + i, x + j].

    Written for clarity, not for speed.
    """
    (_, _, rows, columns), (_, _, height, width) = maps.shape, kernels.shape
    total = 0.0
    for i in range(height):
        for j in range(width):
            met = images[:, :, i : i + rows, j : j + columns]
            total += np.einsum("nkyx, kc, ncyx ->", maps, kernels[:, :, i, j], met)
    return total


def windows(images, height, width):
    """Return all windows of images (N, C, H, W) as a view of shape (N, C, rows, columns, height, width)."""
    n, c, H, W = images.shape
    shape = (n, c, H - height + 1, W - width + 1, height, width)
    # hole: windows, in the core: functional.im2col, functional.kernel_slices
    by_n, by_c, by_row, by_column = images.strides
    strides = (by_n, by_c, by_row, by_column, by_row, by_column)
    # end
    return as_strided(images, shape, strides, writeable=False)


# --- The form without one of its arrays: the derivative of the form with respect to that array ---


@op
def correlate(images, kernels):
    """Return maps (N, K, rows, columns) from images (N, C, H, W) and kernels (K, C, height, width)."""
    # hole: without_maps, in the core: functional.conv2d
    seen = windows(images, *kernels.shape[2:])
    return np.tensordot(seen, kernels, axes=((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
    # end


@op
def correlate_kernels(maps, images):
    """Return kernels (K, C, height, width) from maps (N, K, rows, columns) and images (N, C, H, W)."""
    height, width = (whole - part + 1 for whole, part in zip(images.shape[2:], maps.shape[2:]))
    # hole: without_kernels
    return np.tensordot(maps, windows(images, height, width), axes=((0, 2, 3), (0, 2, 3)))
    # end


@op
def correlate_images(maps, kernels):
    """Return images (N, C, H, W) from maps (N, K, rows, columns) and kernels (K, C, height, width)."""
    (n, _, rows, columns), (_, c, height, width) = maps.shape, kernels.shape
    images = np.zeros((n, c, rows + height - 1, columns + width - 1))
    # hole: without_images, in the core: functional.col2im
    for i in range(height):
        for j in range(width):
            images[:, :, i : i + rows, j : j + columns] += np.einsum("nkyx, kc -> ncyx", maps, kernels[:, :, i, j])
    # end
    return images


# --- Six vjps, each a call of one of the three ops ---

# hole: correlate
correlate.vjps(
    images=lambda g, kernels: correlate_images(g, kernels),
    kernels=lambda g, images: correlate_kernels(g, images),
)
# end

# hole: correlate_kernels
correlate_kernels.vjps(maps=lambda g, images: correlate(images, g), images=lambda g, maps: correlate_images(maps, g))
# end

# hole: correlate_images
correlate_images.vjps(maps=lambda g, kernels: correlate(g, kernels), kernels=lambda g, maps: correlate_kernels(maps, g))
# end


def conv2d(x, weight, bias):
    """Return the maps of a convolution layer: images x, kernels weight, and bias of shape (K,)."""
    # hole: conv2d, in the core: functional.conv2d
    return correlate(x, weight) + bias.reshape((*bias.shape, 1, 1))
    # end
