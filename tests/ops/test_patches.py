"""A convolution through im2col equals the fast one, up to second derivatives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.ops.rounding import assert_same
from tinygrad_edu.ops.images.correlation import convolution, transposed_convolution
from tinygrad_edu.ops.images.patches import plain_convolution, plain_transposed_convolution
from tinygrad_edu.testing.strategies import arrays, calls
from tinygrad_edu.testing.thresholds import lowered_thresholds

WINDOW = ("stride", "padding", "dilation", "groups")
PAIRS = {
    "correlate": (convolution, plain_convolution, WINDOW),
    "correlate_images": (transposed_convolution, plain_transposed_convolution, ("size", *WINDOW)),
}


def derivatives(function, inputs, settings):
    """Return the result, and first and second derivatives with respect to the inputs, for random cotangents."""
    numbers = np.random.default_rng(0)
    places = tuple(range(len(inputs)))

    def first(*inputs):
        out = function(*inputs, *[None] * (3 - len(inputs)), *settings)
        cotangent = np.random.default_rng(1).standard_normal(out.shape)
        return tg.grad(lambda *x: (function(*x, *[None] * (3 - len(x)), *settings) * cotangent).sum(), places)(*inputs)

    directions = [numbers.standard_normal(x.shape) for x in inputs]

    def along(*inputs):
        return sum((g * v).sum() for g, v in zip(first(*inputs), directions, strict=True))

    out = function(*map(tg.Tensor, inputs), *[None] * (3 - len(inputs)), *settings)
    return [out.numpy(), *first(*inputs), *tg.grad(along, places)(*inputs)]


@pytest.mark.parametrize("name", PAIRS)
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_a_convolution_through_im2col_equals_the_fast_one(name, data, seed):
    fast, plain, names = PAIRS[name]
    call = data.draw(calls(name))
    (x, weight), settings = call.arrays, [call.settings[key] for key in names]
    channels = len(weight) if name == "correlate" else weight.shape[1] * call.settings["groups"]
    bias = data.draw(st.none() | arrays((channels,)))
    inputs = [x, weight] if bias is None else [x, weight, bias]
    with lowered_thresholds(seed):
        found = derivatives(fast, inputs, settings)
    for one, other in zip(found, derivatives(plain, inputs, settings), strict=True):
        assert_same(np.asarray(one), np.asarray(other), inputs)
