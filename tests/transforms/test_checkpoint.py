"""checkpoint: the same gradients from less memory, at every order, inside of functional_call, and clear errors."""

import tracemalloc

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.errors import DTypeError, NoGraphError, StaleValueError, WrongGradientError
from tinygrad_edu.testing import check_vjp

X = np.random.default_rng(1).standard_normal((5, 4))


def network():
    rng = np.random.default_rng(0)
    first = nn.Sequential(nn.Linear(4, 4, rng=rng), nn.BatchNorm1D(4), nn.Dropout(0.5, rng=rng), nn.Tanh())
    return nn.Sequential(first, nn.Sequential(nn.Linear(4, 4, rng=rng), nn.Tanh()))


def gradients(model, wrap):
    x = tg.Tensor(X.astype(np.float32), requires_grad=True)
    out = x
    for part in model:
        out = wrap(part)(out)
    (out * out).sum().backward()
    return [x.grad, *(p.grad for p in model.parameters())]


def test_gradients_buffers_and_random_numbers_are_those_of_a_plain_call():
    plain, saving = network(), network()
    for _ in range(2):  # the second step continues with the Generators and the running statistics of the first
        pairs = zip(gradients(plain, lambda f: f), gradients(saving, tg.checkpoint), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)
        state = saving.state_dict()
        assert all(np.array_equal(values, state[name]) for name, values in plain.state_dict().items())


def nested(x):
    return tg.checkpoint(lambda y: tg.checkpoint(tg.tanh)(y) * tg.checkpoint(lambda z: tg.exp(z) * x)(y))(x)


@pytest.mark.thorough
def test_nested_at_every_order():
    check_vjp(nested, X[0], order=3)


def test_several_results_and_nested_arguments():
    @tg.checkpoint
    def f(params, power, *, scale):
        y = params["x"] ** power
        return {"y": y * scale, "sums": (y.sum(), params["n"])}

    def results(x, scale):
        out = f({"x": x, "n": 3}, 2, scale=scale)
        return out["y"], out["sums"][0]

    check_vjp(results, X, X[0], order=2)
    assert f({"x": tg.Tensor(X, requires_grad=True), "n": 3}, 2, scale=1.0)["sums"][1] == 3


class Saving(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4, bias=False, rng=np.random.default_rng(0))

    def forward(self, x):
        return tg.tanh(tg.checkpoint(self.layer)(x))


SCALE = tg.Tensor(2.0, requires_grad=True)


class Scaler:
    def __init__(self, scale):
        self.parts = {"scale": [scale]}

    def apply(self, x):
        return x * self.parts["scale"][0]


def test_captured_tensors_of_all_kinds_get_their_gradients():
    scale = tg.Tensor(3.0, requires_grad=True)
    default = tg.Tensor(5.0, requires_grad=True)
    computed = tg.exp(scale)
    for f in (lambda x: x * SCALE, lambda x: x * scale, lambda x: x * computed, Scaler(scale).apply,
              lambda x, y=default: x * y):  # fmt: skip
        grads = []
        for function in (f, tg.checkpoint(f)):
            for t in (SCALE, scale, default):
                t.grad = None
            function(tg.Tensor(X, requires_grad=True)).sum().backward(retain_graph=True)
            grads.append([t.grad for t in (SCALE, scale, default)])
        assert grads[0] == grads[1]
        assert any(g is not None for g in grads[0])


def test_a_tensor_that_cannot_be_reached_is_an_error():
    tensors = iter([tg.Tensor(2.0, requires_grad=True)])
    with pytest.raises(NoGraphError, match=r"checkpoint: .*neither an argument nor an attribute"):
        tg.checkpoint(lambda x: x * next(tensors))(tg.Tensor(X))


def test_a_second_call_with_other_values_is_an_error():
    hidden = iter(range(5))
    out = tg.checkpoint(lambda x: x * next(hidden))(tg.Tensor(X, requires_grad=True))
    with pytest.raises(WrongGradientError, match="returned other values than the first"):
        out.sum().backward()


def test_an_argument_changed_in_place_is_an_error():
    x = tg.Tensor(X, requires_grad=True) * 1
    out = tg.checkpoint(tg.exp)(x)
    x.data[0] = 0
    with pytest.raises(StaleValueError, match=r"checkpoint of exp: args.0., of shape .5, 4., was changed in place"):
        out.sum().backward()


def test_a_changed_weight_is_an_error():
    layer = nn.Linear(4, 4)
    out = tg.checkpoint(layer)(tg.Tensor(X.astype(np.float32)))
    layer.weight.assign(layer.weight.numpy() * 2)
    with pytest.raises(StaleValueError):
        out.sum().backward()


def test_without_gradients_it_is_f_itself():
    with tg.no_grad():
        assert not tg.checkpoint(Saving())(X.astype(np.float32)).requires_grad
    assert not tg.checkpoint(tg.exp)(tg.Tensor(X)).requires_grad
    with pytest.raises(DTypeError, match="f must be a function"):
        tg.checkpoint(3)


@pytest.mark.thorough
def test_the_peak_of_twelve_blocks_is_below_a_third():
    rng = np.random.default_rng(0)
    blocks = [nn.TransformerEncoderLayer(16, 2, 64, rng=rng) for _ in range(12)]

    def peak(wrap):
        tracemalloc.start()
        out = tg.Tensor(rng.standard_normal((4, 64, 16)).astype(np.float32), requires_grad=True)
        for block in blocks:
            out = wrap(block)(out)
        out.sum().backward()
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(tg.checkpoint)  # the first use loads files
    assert peak(tg.checkpoint) < 0.3 * peak(lambda f: f)
