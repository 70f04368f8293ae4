"""Images keep the batch-last memory layout (samples innermost) through forward and backward passes.

A transpose between two layers would take more time than the layers.
"""

from itertools import product

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.engine import values_of
from tinygrad_edu.ops.fast.images import conv_gemm
from tinygrad_edu.ops.fast.images.chwn import region
from tinygrad_edu.ops.fast.products import TileSize
from tinygrad_edu.ops.sliding_windows import window_of


def samples_innermost(array):
    return array.strides[0] == array.itemsize == min(array.strides)


def layers(rng):
    return {
        "Conv2D": nn.Conv2D(3, 4, 3, rng=rng), "strided, padded Conv2D": nn.Conv2D(3, 4, 3, 2, 1, rng=rng),
        "Conv2D of one pixel": nn.Conv2D(3, 4, 1, rng=rng), "grouped Conv2D": nn.Conv2D(3, 3, 3, groups=3, rng=rng),
        "MaxPool2D": nn.MaxPool2D(2), "overlapping MaxPool2D": nn.MaxPool2D(3, 2, 1), "AvgPool2D": nn.AvgPool2D(2),
        "ConvTranspose2D": nn.ConvTranspose2D(3, 4, 2, 2, rng=rng),
        "reflecting Conv2D": nn.Conv2D(3, 4, 3, padding=1, padding_mode="reflect", rng=rng),
        "ZeroPad2D": nn.ZeroPad2D(1), "ReplicationPad2D": nn.ReplicationPad2D(1),
        "AdaptiveAvgPool2D": nn.AdaptiveAvgPool2D(3), "Upsample": nn.Upsample(scale_factor=2),
        "bilinear Upsample": nn.Upsample((5, 9), mode="bilinear"),
        "BatchNorm2D": nn.BatchNorm2D(3), "AdaptiveAvgPool2D to one": nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2D(1)),
        "Tanh": nn.Tanh(), "ReLU": nn.ReLU(), "Sigmoid": nn.Sigmoid(), "Dropout": nn.Dropout(0.5, rng=rng),
        "Dropout in bytes": nn.Dropout(0.3, rng=rng),
        "Flatten and Linear": nn.Sequential(nn.Flatten(), nn.Linear(192, 7, rng=rng)),
    }  # fmt: skip


@pytest.mark.fast
@pytest.mark.parametrize("name", layers(np.random.default_rng(0)))
def test_a_layer_keeps_the_samples_innermost_both_ways(name):
    rng = np.random.default_rng(0)
    layer = layers(rng)[name]
    x = tg.from_numpy(rng.standard_normal((3, 8, 8, 5), np.float32).transpose(3, 0, 1, 2), requires_grad=True)
    out = layer(x)
    assert samples_innermost(out.numpy())
    cotangent = rng.standard_normal((*out.shape[1:], 5), np.float32)
    out.backward(np.moveaxis(cotangent, -1, 0))
    assert samples_innermost(x.grad)


@pytest.mark.fast
def test_cross_entropy_and_its_mean_keep_the_layout_of_logits():
    rng = np.random.default_rng(0)
    logits = tg.from_numpy(rng.standard_normal((10, 5), np.float32).T, requires_grad=True)
    nn.cross_entropy(logits, rng.integers(0, 10, 5)).backward()
    assert samples_innermost(logits.grad)


@pytest.mark.fast
def test_what_comes_with_the_samples_outermost_leaves_with_them_innermost():
    rng = np.random.default_rng(0)
    images = rng.standard_normal((5, 3, 8, 8), np.float32)
    for layer in (nn.Conv2D(3, 4, 3, rng=rng), nn.MaxPool2D(2), nn.AvgPool2D(2)):
        assert samples_innermost(values_of(layer(images)))
    assert samples_innermost(values_of(nn.Linear(8, 4, rng=rng)(images[:, 0, 0])))


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("n", [5, 50])
def test_the_windows_of_one_pixel_are_the_images_themselves(groups, n):
    images, window = np.zeros((3, 8, 8, n)), window_of((8, 8), 1, 1, 0, 1)
    part = conv_gemm._map_rows(range(2, 4), window, images.shape, images.itemsize, groups, TileSize(1, 8, n))
    assert np.shares_memory(conv_gemm._window_blocks(images, part), images)


@pytest.mark.parametrize("dilation", [1, 2])
def test_windows_share_their_rows(dilation):
    images, window = np.zeros((3, 10, 10, 50)), window_of((10, 10), 3, 1, 0, dilation)
    part = range(0, window.size[0], dilation)
    windows = conv_gemm._window_blocks(
        images, conv_gemm._map_rows(part, window, images.shape, images.itemsize, 1, TileSize(1, 1, 25))
    )
    assert windows.shape == (1, 2 * window.size[1], len(part), 27, 25)
    assert np.shares_memory(windows[:, :, 0], windows[:, :, 2])


@pytest.mark.parametrize("n", [1, 3])
def test_a_region_of_images_has_zeros_where_these_end(n):
    images = np.random.default_rng(0).random((n, 2, 3, 4))
    for laid_out in (images, np.ascontiguousarray(images.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)):
        for down, across in product([range(3), range(1, 4), range(-2, 5, 2), range(3, 6)], [range(4), range(-5, -1)]):
            found = region(laid_out.transpose(1, 2, 3, 0), down, across)
            for (i, row), (j, column) in product(enumerate(down), enumerate(across)):
                there = 0 <= row < 3 and 0 <= column < 4
                np.testing.assert_array_equal(found[:, i, j], images[:, :, row, column].T if there else 0)
            assert found[:1, :1].flags.c_contiguous
