"""Cases of lesson 11: windows, the three ops compared with the form, their six vjps, and a layer."""

from operator import itemgetter

import numpy as np
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from tinygrad_edu.lessons.cases import case, check_engine, check_second_order, demand, demand_equal
from tinygrad_edu.lessons.small_arrays import small_arrays


@st.composite
def _fitting(draw):
    """Draw images, kernels and maps of matching shapes."""
    n, c, k = (draw(st.integers(1, 2)) for _ in range(3))
    height, width, rows, columns = (draw(st.integers(1, 3)) for _ in range(4))
    shapes = ((n, c, rows + height - 1, columns + width - 1), (k, c, height, width), (n, k, rows, columns))
    return tuple(draw(small_arrays(shape)) for shape in shapes)


IMAGES, KERNELS, MAPS = (st.shared(_fitting(), key="matching shapes").map(itemgetter(k)) for k in range(3))


@case("windows", images=IMAGES, kernels=KERNELS)
def all_windows(mine, images, kernels):
    """windows(images, height, width)[n, c, y, x] is the window of images[n, c] with its first element at y, x."""
    found = mine.windows(images, *kernels.shape[2:])
    demand_equal("windows(images, ...)", found, sliding_window_view(images, kernels.shape[2:], axis=(2, 3)))
    space = np.zeros((3, *images.shape))  # wrong strides read zeros around the images, not arbitrary memory
    space[1] = images
    other = space[1, ::-1, :, ::-1].transpose(0, 1, 3, 2)
    found = mine.windows(other, 1, 1)
    demand_equal("for a transposed and reversed view, windows(images, 1, 1)", found[..., 0, 0], other)


@case("windows")
def no_copy(mine):
    """The windows are a view of the images, not a copy."""
    images = np.arange(25.0).reshape(1, 1, 5, 5)
    found = mine.windows(images, 3, 3)
    demand(np.may_share_memory(found, images), "windows(images, 3, 3) is a copy of the images.")


def _derivative(of, shape):
    """Return the derivative of a linear function of arrays of a shape: its values at the unit arrays."""
    size = int(np.prod(shape))
    return np.reshape([of(unit.reshape(shape)) for unit in np.eye(size)], shape)


@case("without_maps", images=IMAGES, kernels=KERNELS)
def maps_of_the_form(mine, images, kernels):
    """correlate(images, kernels) is the derivative of the form with respect to the maps."""
    sides = (whole - part + 1 for whole, part in zip(images.shape[2:], kernels.shape[2:], strict=True))
    wanted = _derivative(lambda maps: mine.fit(images, kernels, maps), (len(images), len(kernels), *sides))
    demand_equal("correlate(images, kernels)", mine.correlate(images, kernels), wanted)


@case("without_kernels", maps=MAPS, images=IMAGES)
def kernels_of_the_form(mine, maps, images):
    """correlate_kernels(maps, images) is the derivative of the form with respect to the kernels."""
    sides = (whole - part + 1 for whole, part in zip(images.shape[2:], maps.shape[2:], strict=True))
    wanted = _derivative(lambda kernels: mine.fit(images, kernels, maps), (maps.shape[1], images.shape[1], *sides))
    demand_equal("correlate_kernels(maps, images)", mine.correlate_kernels(maps, images), wanted)


@case("without_images", maps=MAPS, kernels=KERNELS)
def images_of_the_form(mine, maps, kernels):
    """correlate_images(maps, kernels) is the derivative of the form with respect to the images."""
    sides = (a + b - 1 for a, b in zip(maps.shape[2:], kernels.shape[2:], strict=True))
    wanted = _derivative(lambda images: mine.fit(images, kernels, maps), (len(maps), kernels.shape[1], *sides))
    demand_equal("correlate_images(maps, kernels)", mine.correlate_images(maps, kernels), wanted)


@case("without_images")
def pieces_that_overlap(mine):
    """A pixel in several windows receives the sum of their contributions."""
    found = mine.correlate_images(np.ones((1, 1, 1, 3)), np.array([1.0, 10.0]).reshape(1, 1, 1, 2))
    demand_equal("correlate_images of the map 1, 1, 1 and the kernel 1, 10", np.ravel(found), [1.0, 11.0, 11.0, 10.0])


@case("correlate", images=IMAGES, kernels=KERNELS)
def rules_of_correlate(mine, images, kernels):
    """Both vjps of correlate are correct."""
    check_engine(mine.lesson09_second_order, mine.correlate, images, kernels)


@case("correlate_kernels", maps=MAPS, images=IMAGES)
def rules_of_correlate_kernels(mine, maps, images):
    """Both vjps of correlate_kernels are correct."""
    check_engine(mine.lesson09_second_order, mine.correlate_kernels, maps, images)


@case("correlate_images", maps=MAPS, kernels=KERNELS)
def rules_of_correlate_images(mine, maps, kernels):
    """Both vjps of correlate_images are correct."""
    check_engine(mine.lesson09_second_order, mine.correlate_images, maps, kernels)


@case("correlate", images=IMAGES, kernels=KERNELS)
def second_order(mine, images, kernels):
    """The gradient of a gradient, which uses all three ops, is correct."""

    def energy(kernels):
        maps = mine.correlate(images, kernels)
        return (maps * maps * maps).sum()

    check_second_order(mine.lesson09_second_order.grad, energy, kernels)


@case("conv2d", images=IMAGES, kernels=KERNELS)
def a_layer(mine, images, kernels):
    """conv2d adds the bias of each kernel to its map, and its three gradients are correct."""
    bias = np.arange(1.0, len(kernels) + 1)
    wanted = mine.correlate(images, kernels) + bias[:, np.newaxis, np.newaxis]
    demand_equal("conv2d(x, weight, bias)", mine.conv2d(images, kernels, bias), wanted)
    check_engine(mine.lesson09_second_order, mine.conv2d, images, kernels, bias)
