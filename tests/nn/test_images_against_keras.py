"""Layers of images and sequences compared with Keras on the JAX backend, with channels last."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.effort import share
from tinygrad_edu import nn

pytest.importorskip("jax", reason="needs the extra keras")

from tests.nn.test_against_keras import agree, drawn, few, jax, seeds, sizes, stateless, theirs

pytestmark = pytest.mark.thorough
fewer = settings(max_examples=share(5), deadline=None)  # for functions that JAX compiles in seconds

# Padding modes: our names, and those of `jax.numpy.pad`.
MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def channels_last(layer):
    """Return a layer of Keras as a function of images with channels first."""
    return lambda x, *parameters: jax.numpy.moveaxis(layer(jax.numpy.moveaxis(x, 1, -1), *parameters), -1, 1)


def every(axes, low, high):
    return st.tuples(*[st.integers(low, high)] * axes)


def kernels_last(ours):
    """(out, in, kh, kw) -> (kh, kw, in, out); for a transposed convolution, with in and out exchanged."""
    return [np.moveaxis(ours[0], (0, 1), (-1, -2)), *ours[1:]]


@st.composite
def kernels(draw, axes):
    """Draw a kernel with a stride or a dilation (Keras does not support both), and the size of images for it."""
    window = {"kernel_size": draw(every(axes, 1, 3)), "stride": (1,) * axes, "dilation": (1,) * axes}
    window[draw(st.sampled_from(["stride", "dilation"]))] = draw(every(axes, 1, 3))
    reach = [d * (k - 1) + 1 for d, k in zip(window["dilation"], window["kernel_size"], strict=True)]
    image = tuple(n + draw(st.integers(0, 4)) for n in reach)
    return {**window, "bias": draw(st.booleans())}, (draw(st.integers(1, 2)), image)


def twin(layer, options, channels, shape, **more):
    """Return the layer of Keras with these options."""
    window = {"strides": options["stride"], "dilation_rate": options["dilation"], "use_bias": options["bias"]}
    made = layer(channels, options["kernel_size"], **window, data_format="channels_last", **more)
    return channels_last(stateless(made, (shape[0], *shape[2:], shape[1])))


@pytest.mark.parametrize(
    ("ours", "keras_layer", "axes"), [(getattr(nn, f"Conv{axes}D"), f"Conv{axes}D", axes) for axes in (1, 2, 3)]
)
@settings(max_examples=share(15), deadline=None)
@given(st.data(), seeds)
def test_convolutions_of_every_padding(ours, keras_layer, axes, data, seed):
    options, (n, image) = data.draw(kernels(axes))
    groups, mode = data.draw(st.integers(1, 3)), data.draw(st.sampled_from([*MODES]))
    c_in, c_out = (groups * count for count in data.draw(every(2, 1, 2)))
    padding = tuple(data.draw(st.integers(0, min(2, length - 1))) for length in image)
    more = {"groups": groups, "padding": "valid"}
    if mode == "zeros" and max(options["stride"]) == 1 and data.draw(st.booleans()):
        padding, more["padding"] = "same", "same"
    layer = ours(
        c_in, c_out, **options, groups=groups, padding=padding, padding_mode=mode, rng=np.random.default_rng(seed)
    )
    x = drawn((n, c_in, *image), seed)
    keras_twin = twin(getattr(theirs, keras_layer), options, c_out, x.shape, **more)

    def padded(images, *parameters):
        border = () if padding == "same" else [(0, 0), (0, 0), *((p, p) for p in padding)]
        return keras_twin(jax.numpy.pad(images, border, mode=MODES[mode]) if border else images, *parameters)

    agree(layer, padded, [x], seed, layer.parameters(), kernels_last)


@pytest.mark.parametrize(
    ("ours", "keras_layer", "axes"),
    [(getattr(nn, f"ConvTranspose{axes}D"), f"Conv{axes}DTranspose", axes) for axes in (1, 2, 3)],
)
@few
@given(st.data(), seeds)
def test_transposed_convolutions(ours, keras_layer, axes, data, seed):
    options, (n, image) = data.draw(kernels(axes))
    c_in, c_out = data.draw(every(2, 1, 3))
    extra = tuple(data.draw(st.integers(0, stride - 1)) for stride in options["stride"])
    reach = [d * (k - 1) + 1 for d, k in zip(options["dilation"], options["kernel_size"], strict=True)]
    whole = [(i - 1) * s + r + e for i, s, r, e in zip(image, options["stride"], reach, extra, strict=True)]
    padding = tuple(data.draw(st.integers(0, min(2, (length - 1) // 2))) for length in whole)
    layer = ours(c_in, c_out, **options, padding=padding, output_padding=extra, rng=np.random.default_rng(seed))
    x = drawn((n, c_in, *image), seed)
    keras_twin = twin(getattr(theirs, keras_layer), options, c_out, x.shape, output_padding=extra)
    cut = (..., *(slice(p, length - p) for p, length in zip(padding, whole, strict=True)))
    agree(layer, lambda *given: keras_twin(*given)[cut], [x], seed, layer.parameters(), kernels_last)


@few
@given(st.data(), seeds)
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(("ours", "keras_layer"), [("MaxPool", "MaxPooling"), ("AvgPool", "AveragePooling")])
def test_pooling_is_pooling(ours, keras_layer, axes, data, seed):
    kernel, stride = data.draw(every(axes, 1, 3)), data.draw(st.none() | every(axes, 1, 3))
    x = drawn((*data.draw(every(2, 1, 4)), *(k + data.draw(st.integers(0, 3)) for k in kernel)), seed)
    pool = getattr(theirs, f"{keras_layer}{axes}D")(kernel, strides=stride, data_format="channels_last")
    agree(getattr(nn, f"{ours}{axes}D")(kernel, stride), channels_last(pool), [x], seed)


@fewer
@given(st.data(), seeds)
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(
    ("ours", "keras_layer"), [("AdaptiveMaxPool", "AdaptiveMaxPooling"), ("AdaptiveAvgPool", "AdaptiveAveragePooling")]
)
def test_adaptive_pooling_is_adaptive_pooling(ours, keras_layer, axes, data, seed):
    x = drawn((*data.draw(every(2, 1, 3)), *data.draw(every(axes, 1, 6))), seed)
    size = tuple(data.draw(st.integers(1, length)) for length in x.shape[2:])
    pool = getattr(theirs, f"{keras_layer}{axes}D")(size, data_format="channels_last")
    agree(getattr(nn, f"{ours}{axes}D")(size), channels_last(pool), [x], seed)


@few
@given(every(2, 1, 3), every(2, 1, 4), st.sampled_from(["nearest", "bilinear"]), seeds)
def test_upsample_is_upsampling(factors, image, mode, seed):
    keras_twin = theirs.UpSampling2D(factors, interpolation=mode, data_format="channels_last")
    agree(nn.Upsample(scale_factor=factors, mode=mode), channels_last(keras_twin), [drawn((2, 2, *image), seed)], seed)


@fewer
@given(sizes, sizes, every(4, 0, 3), seeds)
def test_a_padding_of_zeros_is_zero_padding_and_a_negative_one_is_cropping(height, width, sides, seed):
    left, right, top, bottom = sides
    x, border = drawn((2, 2, height, width), seed), ((top, bottom), (left, right))
    padded = channels_last(theirs.ZeroPadding2D(border, data_format="channels_last"))
    agree(nn.ZeroPad2D(sides), padded, [x], seed)
    large = drawn((2, 2, height + top + bottom, width + left + right), seed)
    cropped = channels_last(theirs.Cropping2D(border, data_format="channels_last"))
    agree(nn.ZeroPad2D([-n for n in sides]), cropped, [large], seed)
    agree(nn.ReflectionPad2D([-n for n in sides]), cropped, [large], seed)
