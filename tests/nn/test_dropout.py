"""Random numbers of the dropout layers and RReLU."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import Tensor, nn
from tinygrad_edu.errors import DTypeError, ShapeError

DRAWING = [nn.Dropout, nn.Dropout1D, nn.Dropout2D, nn.AlphaDropout, nn.FeatureAlphaDropout]
OF_CHANNELS = [nn.Dropout1D, nn.Dropout2D, nn.Dropout3D]
CHANNELS = {  # the axes within a channel
    (nn.Dropout3D, 4): (1, 2, 3), (nn.Dropout3D, 5): (2, 3, 4), (nn.Dropout1D, 2): (1,),
    (nn.Dropout1D, 3): (2,), (nn.Dropout2D, 3): (2,), (nn.Dropout2D, 4): (2, 3),
    (nn.FeatureAlphaDropout, 2): (), (nn.FeatureAlphaDropout, 4): (2, 3), (nn.AlphaDropout, 3): (),
}  # fmt: skip


@given(st.sampled_from(list(CHANNELS)), st.floats(0.0625, 1), st.sampled_from(["f4", "f8"]), st.integers(0, 99))
def test_whole_channels_are_dropped_and_the_gradient_is_their_mask(case, p, dtype, seed):
    kind, axes = case[0], CHANNELS[case]
    shape = (4, 3, 2, 3, 2)[: case[1]]
    x = Tensor(np.random.default_rng(seed).normal(size=shape).astype(dtype), requires_grad=True)
    out = kind(p, rng=np.random.default_rng(seed))(x)
    out.backward(np.ones(shape))
    assert out.dtype == x.grad.dtype == dtype
    np.testing.assert_array_equal(x.grad, np.broadcast_to(x.grad.max(axes, keepdims=True), shape))
    slope = x.grad.max()
    assert set(x.grad.ravel()) <= {0, slope}
    if kind in OF_CHANNELS:
        np.testing.assert_allclose(out.numpy(), x.grad * x.numpy(), rtol=1e-6)
        assert slope in (0, np.dtype(dtype).type(1 / (1 - p) if p < 1 else 0))
    else:
        added = out.numpy() - x.grad * x.numpy()
        for part in (added[x.grad == 0], added[x.grad != 0]):
            np.testing.assert_allclose(part, np.resize(part, 1)[0] if part.size else 0, atol=1e-5)


@pytest.mark.parametrize("kind", DRAWING)
@pytest.mark.parametrize("p", [0.5, 0.3])
def test_each_channel_is_dropped_with_the_probability_and_the_mean_stays(kind, p):
    x = np.random.default_rng(0).normal(size=(1000, 100, 1)).astype(np.float32)
    layer = kind(p, rng=np.random.default_rng(1))
    ones = Tensor(np.ones_like(x), requires_grad=True)
    layer(ones).backward(np.ones_like(x))
    deviation = np.sqrt(p * (1 - p) / x.size)
    assert abs(np.mean(ones.grad == 0) - p) < 4 * deviation
    out = layer(x)
    assert abs(out.mean()) < 4 * out.std() / np.sqrt(x.size)
    if isinstance(layer, nn.AlphaDropout):
        assert abs(out.var() - 1) < 0.02


@pytest.mark.parametrize("kind", DRAWING)
def test_what_drops_nothing_returns_its_input(kind):
    x = Tensor(np.ones((2, 3, 4)), requires_grad=True)
    assert kind(0.0)(x) is x
    assert kind(0.5).eval()(x) is x


REFUSED = [
    (lambda: nn.Dropout1D(1.5), ValueError, "Dropout1D: p must be a probability from 0 to 1, got 1.5"),
    (lambda: nn.AlphaDropout()(np.ones(3, int)), DTypeError, "AlphaDropout: the input must be floating"),
    (lambda: nn.Dropout1D()(np.ones(3)), ShapeError, r"\(N, C, L\) or \(C, L\), got \(3,\)"),
    (lambda: nn.Dropout2D()(np.ones((3, 2))), ShapeError, r"must have shape \(N, C, H, W\)"),
    (lambda: nn.Dropout3D()(np.ones((3, 2, 2))), ShapeError, r"Dropout3D: .* \(N, C, D, H, W\) or \(C, D, H, W\), got"),
    (lambda: nn.FeatureAlphaDropout()(np.ones(3)), ShapeError, r"\(N, C, \.\.\.\)"),
    (lambda: nn.Dropout(0.5, inplace=True), TypeError, r"Dropout\(\) got .* 'inplace': leave it out"),
    (lambda: nn.ReLU(inplace=True), TypeError, r"ReLU\(\) got .* 'inplace': leave it out"),
    (lambda: nn.Softmax(dim=1), TypeError, "dim of PyTorch is axis here"),
    (lambda: nn.ELU(slope=1.0), TypeError, "expected alpha"),
    (lambda: nn.RReLU(0.5, 0.25), ValueError, "lower must be <= upper"),
    (lambda: nn.Softmax2D()(np.ones((2, 3))), ShapeError, r"got \(2, 3\)"),
    (lambda: nn.PReLU(0), ValueError, "num_parameters must be an integer >= 1"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_rrelu_draws_a_slope_for_each_element(dtype):
    layer = nn.RReLU(0.25, 0.5, rng=np.random.default_rng(0))
    x = Tensor(np.repeat([-1.0, 1.0], 500).astype(dtype), requires_grad=True)
    out = layer(x)
    out.backward(np.ones(1000))
    assert out.dtype == dtype
    np.testing.assert_array_equal(x.grad, np.abs(out.numpy()))
    slopes, ones = x.grad.reshape(2, 500)
    assert 0.25 <= slopes.min() < 0.26
    assert 0.49 < slopes.max() <= 0.5
    assert (ones == 1).all()
    np.testing.assert_array_equal(
        layer.eval()(x).numpy(), np.where(x.numpy() < 0, np.dtype(dtype).type(-0.375), x.numpy())
    )
