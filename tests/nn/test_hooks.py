"""Backward hooks of modules: which gradients they get and may change, in plain and recorded passes."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor, nn
from tinygrad_edu.errors import WrongGradientError
from tinygrad_edu.testing import check_module

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 3))


class Two(nn.Module):
    """Two results of two inputs; the second result saves its value."""

    def __init__(self):
        self.scale = Tensor(RNG.standard_normal(3), requires_grad=True)

    def forward(self, x, y, power=2):
        return {"product": x * y * self.scale, "tanh": tg.tanh(x) ** power}


def run(module, *inputs, cotangents):
    out = module(*inputs)
    sum((out[name] * g).sum() for name, g in cotangents.items()).backward()
    return out


@pytest.mark.parametrize("used", [["product", "tanh"], ["tanh"]])
def test_a_hook_gets_the_gradients_of_inputs_and_results_once(used):
    calls, g = [], {name: RNG.standard_normal((4, 3)) for name in used}
    module = Two()
    module.register_full_backward_hook(lambda *called: calls.append(called))
    x, y = (Tensor(RNG.standard_normal((4, 3)), requires_grad=True) for _ in range(2))
    run(module, x, y, cotangents=g)
    ((called, grad_input, grad_output),) = calls
    assert called is module
    for found, expected in zip(grad_output, [g.get("product", np.zeros((4, 3))), g["tanh"]], strict=True):
        np.testing.assert_array_equal(found, expected)
    for found, leaf in zip(grad_input, (x, y), strict=True):
        np.testing.assert_array_equal(found, leaf.grad)
    plain = Two()
    plain.load_state_dict(module.state_dict())
    u, v = (Tensor(leaf.numpy(), requires_grad=True) for leaf in (x, y))
    run(plain, u, v, cotangents=g)
    for leaf, twin in ((x, u), (y, v), (module.scale, plain.scale)):
        if twin.grad is not None:
            np.testing.assert_allclose(leaf.grad, twin.grad, rtol=1e-12, atol=1e-12)


def test_hooks_change_gradients_in_order():
    layer, x = nn.Linear(3, 2, dtype=np.float64), Tensor(X, requires_grad=True)
    layer.register_full_backward_pre_hook(lambda module, grad_output: grad_output[0] + 1)
    layer.register_full_backward_pre_hook(lambda module, grad_output: (2 * grad_output[0],))
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: (grad_input[0] * grad_output[0].mean(),))
    g = RNG.standard_normal((4, 2))
    layer(x).backward(g)
    changed = 2 * (g + 1)
    np.testing.assert_allclose(layer.bias.grad, changed.sum(0))
    np.testing.assert_allclose(x.grad, changed @ layer.weight.numpy() * changed.mean())


def test_without_an_input_that_requires_a_gradient_the_hook_gets_none():
    calls, layer = [], nn.Linear(3, 2, dtype=np.float64)
    layer.register_full_backward_hook(lambda module, *gradients: calls.append(gradients))
    layer(Tensor(X)).sum().backward()
    (((grad_input,), (grad_output,)),) = calls
    assert grad_input is None
    np.testing.assert_array_equal(grad_output, np.ones((4, 2)))
    with tg.no_grad():
        layer(Tensor(X))
    assert len(calls) == 1


def test_a_recorded_pass_gives_tensors_and_stays_differentiable():
    kinds, layer, plain = [], nn.Linear(3, 2, dtype=np.float64), nn.Linear(3, 2, dtype=np.float64)
    plain.load_state_dict(layer.state_dict())
    layer.register_full_backward_hook(
        lambda module, grad_input, grad_output: kinds.append({type(x) for x in (*grad_input, *grad_output)})
    )

    def penalty(layer):
        return tg.grad(lambda x: (tg.grad(lambda x: (tg.tanh(layer(x)) ** 2).sum())(x) ** 2).sum())(Tensor(X))

    np.testing.assert_allclose(penalty(layer), penalty(plain), rtol=1e-12)
    assert kinds[0] == {Tensor}


def test_gradients_with_hooks_are_correct_and_hooks_can_be_removed():
    seen = []
    layer = nn.Linear(3, 2)
    handle = layer.register_full_backward_hook(lambda module, *gradients: seen.append(len(gradients)))
    check_module(layer, X)
    assert set(seen) == {2}
    assert layer.has_hooks
    handle.remove()
    assert not layer.has_hooks


def test_a_result_that_the_module_saved_may_be_changed_in_place():
    module = nn.Tanh()
    module.register_full_backward_pre_hook(lambda module, grad_output: None)
    x = Tensor(X, requires_grad=True)
    out = module(x)
    out += 1.0
    out.backward(np.ones((4, 3)))
    np.testing.assert_allclose(x.grad, 1 - np.tanh(X) ** 2)


@pytest.mark.parametrize("returned", [(), (None,), np.ones(3), (np.ones((4, 3)), np.ones((4, 3)))])
def test_gradients_that_do_not_fit_are_an_error(returned):
    module = nn.Tanh()
    module.register_full_backward_hook(lambda module, *gradients: returned)
    out = module(Tensor(X, requires_grad=True)).sum()
    with pytest.raises(WrongGradientError, match=r"a backward hook of Tanh returned .* expected \[\(4, 3\)\]"):
        out.backward()
