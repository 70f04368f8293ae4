"""Layers of images: dtypes, initialization and errors. test_layer_tables.py compares their values with PyTorch's."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.effort import with_each
from tinygrad_edu import Tensor, nn
from tinygrad_edu.errors import DTypeError, ShapeError
from tools.layer_table import cases


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("name", ["pooling", "padding", "upsampling", "fold"])
def test_the_result_of_an_array_is_an_array_of_its_dtype(name, dtype):
    for case in cases(name):
        x = case.inputs["x"].astype(dtype)
        layer = eval(case.ours, {"nn": nn})
        of_array, of_tensor = (eval(case.call, {"m": layer, "x": each, "np": np}) for each in (x, Tensor(x)))
        of_array, of_tensor = ((r[0] if isinstance(r, tuple) else r) for r in (of_array, of_tensor))
        assert type(of_array) is np.ndarray, case.line
        assert of_array.dtype == of_tensor.dtype == dtype, case.line
        np.testing.assert_array_equal(of_array, of_tensor.numpy(), err_msg=case.line)


@pytest.mark.parametrize(
    ("layer", "fan"),
    [
        (nn.Conv1D, 4 * 50), (nn.Conv2D, 4 * 2500), (nn.ConvTranspose1D, 6 * 50), (nn.ConvTranspose2D, 6 * 2500),
        (nn.Conv3D, 4 * 2500), (nn.ConvTranspose3D, 6 * 2500),
    ],
)  # fmt: skip
def test_parameters_are_drawn_as_pytorchs(layer, fan):
    kernel_size = (2, 50, 25) if layer.axes == 3 else 50
    made = layer(8, 12, kernel_size, groups=2, rng=np.random.default_rng(0))
    bound = 1 / math.sqrt(fan)
    assert made.bias.shape == (12,)
    for parameter in made.parameters():
        assert np.abs(parameter.numpy()).max() <= bound
    assert np.abs(made.weight.numpy()).max() > 0.99 * bound


@pytest.mark.parametrize("axes", [2, 3])
@given(st.data(), st.integers(0, 2**32 - 1), st.booleans())
def test_what_was_pooled_is_put_back_where_it_was(axes, data, seed, alone):
    size = data.draw(st.tuples(*[st.integers(1, 3 if axes == 2 else 2)] * axes))
    shape = (2, 2, *(3 * length for length in size))
    x = np.random.default_rng(seed).permutation(math.prod(shape)).reshape(shape) + 1.0
    x = x[0] if alone else x
    pooled, places = getattr(nn, f"MaxPool{axes}D")(size, return_indices=True)(x)
    images = getattr(nn, f"MaxUnpool{axes}D")(size)(pooled, places)
    np.testing.assert_array_equal(images, np.where(np.isin(x, pooled), x, 0))


IMAGE, ROW = np.ones((1, 1, 3, 3)), np.ones((1, 1, 3))


@with_each(
    ("make", "error", "message"),
    [
        (lambda: nn.Conv2D(1, 1, 2, padding="sam"), ValueError, "Conv2D: padding must be .* did you mean 'same'"),
        (lambda: nn.Conv2D(1, 1, 2, 2, "same"), ShapeError, "Conv2D: padding='same' requires stride 1, got 2"),
        (lambda: nn.Conv1D(1, 1, (2, 2)), DTypeError, r"kernel_size must be an integer >= 1, got \(2, 2\)"),
        (lambda: nn.Conv1D(1, 2, 2, padding_mode="mirror"), ValueError, "must be 'zeros', 'reflect', .*, got 'mirror'"),
        (lambda: nn.ConvTranspose2D(1, 2, 2, padding_mode="reflect"), ValueError, "must be 'zeros', got 'reflect'"),
        (lambda: nn.ConvTranspose2D(1, 2, 2, padding="same"), DTypeError, "padding must be an integer >= 0"),
        (lambda: nn.ConvTranspose1D(2, 3, 2, groups=2), ShapeError, "ConvTranspose1D: groups=2 must divide 2 and 3"),
        (lambda: nn.ConvTranspose2D(1, 1, 2)(IMAGE, (5, 4)), ShapeError, r"from \(4, 4\) to \(4, 4\), got \(5, 4\)"),
        (lambda: nn.ConvTranspose2D(1, 1, 2)(IMAGE, (1, 4, 4)), ShapeError, r"must be from \(4, 4\)"),
        (lambda: nn.Conv2D(1, 1, 2, padding=3, padding_mode="reflect")(IMAGE), ShapeError, "must be at most 2"),
        (lambda: nn.Conv3D(1, 1, (2, 2)), ShapeError, r"Conv3D: kernel_size must be an integer or three integers, got"),
        (lambda: nn.Conv3D(1, 1, 2)(IMAGE[0]), ShapeError, "conv3d: x must have 5 axes, or 4 without the batch"),
        (lambda: nn.Conv3D(1, 1, 4)(IMAGE), ShapeError, "4x4x4 .* is larger than the volume 1x3x3 with padding 0x0x0"),
        (lambda: nn.ZeroPad3D((1, 2)), ShapeError, r"\(left, right, top, bottom, front, back\), got \(1, 2\)"),
        (lambda: nn.MaxPool1D(0), ValueError, "MaxPool1D: kernel_size must be an integer >= 1, got 0"),
        (lambda: nn.MaxPool2D(2, dilation=0), ValueError, "dilation must be an integer >= 1"),
        (lambda: nn.AvgPool2D(2, divisor_override=0)(IMAGE), ValueError, "divisor_override must not be 0"),
        (lambda: nn.LPPool2D(2, (1, 2, 3)), ShapeError, "kernel_size must be an integer or a pair of integers"),
        (lambda: nn.LPPool1D(0, 2), ValueError, "LPPool1D: norm_type, .* must not be 0"),
        (lambda: nn.AdaptiveAvgPool2D((1, 2, 3))(IMAGE), ShapeError, "output_size must be an integer or 2 integers"),
        (lambda: nn.MaxUnpool1D(2)(ROW, np.array([[[0, 1, 6]]])), ShapeError, "positions in an image"),
        (lambda: nn.MaxUnpool1D(2)(ROW, np.array([[[0, 1, -1]]])), ShapeError, "positions in an image"),
        (lambda: nn.MaxUnpool1D(2)(ROW, np.array([[0, 1, 2]])), ShapeError, r"got shape \(1, 3\)"),
        (lambda: nn.MaxUnpool1D(2)(ROW, ROW), DTypeError, "indices must be integers, got float64"),
        (lambda: nn.MaxUnpool1D(2)(ROW, ROW.astype(int), (8,)), ShapeError, r"from \(5,\) to \(7,\), got \(8,\)"),
        (lambda: nn.ZeroPad2D((1, 2)), ShapeError, r"ZeroPad2D: padding must be an integer or \(left, right, top, bot"),
        (lambda: nn.ConstantPad1D(0.5, 1.0), DTypeError, "ConstantPad1D: padding must be an integer, got 0.5"),
        (lambda: nn.ZeroPad2D(1)(np.ones(3)), ShapeError, r"must have at least 2 axes, got shape \(3,\)"),
        (lambda: nn.ZeroPad1D((-1, -2))(ROW), ShapeError, r"the padding \(-1, -2\) leaves no elements"),
        (lambda: nn.ReflectionPad1D(3)(ROW), ShapeError, r"of an axis of length 3 must be at most 2, got \(3, 3\)"),
        (lambda: nn.CircularPad1D((-1, 3))(ROW), ShapeError, "must be at most 2"),
        (lambda: nn.Upsample()(ROW), ValueError, "give exactly one of size and scale_factor"),
        (lambda: nn.Upsample(2, mode="bilinear")(ROW), ShapeError, "mode 'bilinear' expects x of shape"),
        (lambda: nn.PixelShuffle(2)(IMAGE), ShapeError, "pixel_shuffle: x must have shape"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_explained(make, error, message):
    with pytest.raises(error, match=message):
        make()
