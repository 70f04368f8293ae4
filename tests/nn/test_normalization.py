"""Normalization layers: accuracy, running statistics and errors; and embeddings."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, nn
from tinygrad_edu.errors import ShapeError

RNG = np.random.default_rng(0)
NORMALIZING = [
    (lambda: nn.BatchNorm1D(16), (64, 16)),
    (lambda: nn.BatchNorm2D(4), (8, 4, 6, 6)),
    (lambda: nn.InstanceNorm2D(4, affine=True), (8, 4, 6, 6)),
    (lambda: nn.GroupNorm(2, 4), (8, 4, 6, 6)),
    (lambda: nn.LayerNorm(64), (32, 64)),
]


@pytest.mark.parametrize(("make", "shape"), NORMALIZING)
@pytest.mark.parametrize("mean", [0.0, 1e2, 1e4])
def test_float32_is_exact_to_rounding_beside_a_large_mean(make, shape, mean):
    x, cotangent = (mean + RNG.normal(size=shape)).astype(np.float32), RNG.normal(size=shape).astype(np.float32)

    def both(dtype):
        layer, inputs = make().astype(dtype), Tensor(x.astype(dtype), requires_grad=True)
        out = layer(inputs)
        out.backward(cotangent.astype(dtype))
        return out.numpy(), inputs.grad, layer.weight.grad

    for ours, exact in zip(both(np.float32), both(np.float64), strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, exact, rtol=0, atol=2e-6 * np.abs(exact).max())


@pytest.mark.parametrize("shape", [(200_000, 1), (1, 1, 200_000)])
def test_the_variance_of_many_numbers_loses_no_digits(shape):
    x = RNG.normal(size=shape).astype(np.float32)
    ours, exact = (nn.BatchNorm1D(1).astype(t)(x.astype(t)).numpy() for t in (np.float32, np.float64))
    np.testing.assert_allclose(ours, exact, rtol=0, atol=2e-6)


@pytest.mark.parametrize(("make", "shape"), NORMALIZING)
def test_half_precision_stays_and_squares_do_not_overflow(make, shape):
    x = Tensor((120 * RNG.normal(size=shape)).astype(np.float16), requires_grad=True)
    out = make().astype(np.float16)(x)
    assert out.dtype == np.float16
    assert np.abs(out.numpy().astype(float)).max() < 10


EMPTY = [
    *NORMALIZING,
    (lambda: nn.RMSNorm(5), (8, 5)),
    (lambda: nn.Embedding(3, 2), (8, 5)),
    (lambda: nn.InstanceNorm1D(4, track_running_stats=True), (8, 4, 6)),
]


@pytest.mark.parametrize(("make", "shape"), EMPTY)
def test_an_empty_batch_has_an_empty_result_and_moves_nothing(make, shape):
    layer = make()
    before = layer.state_dict()
    out = layer(np.zeros((0, *shape[1:])))
    assert out.shape[0] == 0
    if isinstance(out, Tensor) and out.requires_grad:
        out.backward(np.zeros(out.shape))
    for name, values in layer.state_dict().items():
        counted = name == "num_batches_tracked" and isinstance(layer, (nn.BatchNorm1D, nn.BatchNorm2D))
        np.testing.assert_array_equal(values, before[name] + counted)


@pytest.mark.parametrize("momentum", [None, 0.25])
def test_running_statistics_are_the_means_of_all_batches_or_move_towards_the_last(momentum):
    layer = nn.BatchNorm1D(3, momentum=momentum, dtype=np.float64)
    mean, var = np.zeros(3), np.ones(3)
    for count in range(1, 5):
        x = RNG.normal(size=(6, 3))
        layer(x)
        part = 1 / count if momentum is None else momentum
        mean, var = mean + part * (x.mean(0) - mean), var + part * (x.var(0, ddof=1) - var)
        np.testing.assert_allclose(layer.running_mean.numpy(), mean)
        np.testing.assert_allclose(layer.running_var.numpy(), var)
    assert layer.num_batches_tracked.item() == 4
    layer.eval()(x)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean)
    layer.reset_running_stats()
    for name, values in nn.BatchNorm1D(3).state_dict().items():
        np.testing.assert_array_equal(layer.state_dict()[name], values)


def test_a_batch_that_is_refused_moves_nothing():
    layer = nn.BatchNorm1D(3)
    with pytest.raises(ShapeError, match="more than one value"):
        layer(np.ones((1, 3)))
    assert layer.num_batches_tracked.item() == 0


REFUSED = [
    (lambda: nn.BatchNorm1D(3)(np.ones((2, 4))), r"BatchNorm1D\(3.*must have 3 channels along axis 1"),
    (lambda: nn.BatchNorm1D(3)(np.ones((2, 3, 4, 5))), r"must have shape \(N, C\) or \(N, C, L\)"),
    (lambda: nn.BatchNorm2D(3)(np.ones((3, 4, 5))), r"must have shape \(N, C, H, W\)"),
    (lambda: nn.BatchNorm3D(3)(np.ones((3, 4, 5, 6))), r"must have shape \(N, C, D, H, W\), got"),
    (lambda: nn.InstanceNorm2D(3)(np.ones((4, 3, 5))), "3 channels along axis 0"),
    (lambda: nn.InstanceNorm1D(3)(np.ones((3, 1))), "more than one value"),
    (lambda: nn.GroupNorm(2, 5), "num_groups=2 must divide num_channels=5"),
    (lambda: nn.GroupNorm(2, 4)(np.ones((3, 6))), "4 channels along axis 1"),
    (lambda: nn.LayerNorm(4)(np.ones((4, 3))), "normalized_shape"),
    (lambda: nn.LayerNorm(()), "LayerNorm: normalized_shape must have at least one axis"),
    (lambda: nn.Embedding.from_pretrained([1.0, 2.0]), r"must have 2 axes, got shape \(2,\)"),
    (lambda: nn.Bilinear(2, 3, 4)(np.ones((5, 2)), np.ones((5, 2))), r"\(\.\.\., n\)"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ShapeError, match=message):
        call()
