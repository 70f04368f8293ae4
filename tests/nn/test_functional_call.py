"""functional_call: outputs and gradients with the given parameters, and an unchanged model afterwards."""

import copy
import itertools
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor, nn
from tinygrad_edu.errors import DTypeError, StateDictError
from tinygrad_edu.nn import Lambda, Linear, Sequential, Tanh, functional_call
from tools.campaign import interruptions

RNG = np.random.default_rng(0)
X = RNG.standard_normal((5, 3))


def small_net():
    """Return a net with tied weights: a plain function uses the weight of the first layer."""
    first = Linear(3, 4, rng=RNG, dtype=np.float64)
    return Sequential(first, Tanh(), Lambda(lambda h: h @ first.weight), Tanh())


def by_hand(parameters, x=X):
    weight, bias = parameters["0.weight"], parameters["0.bias"]
    return tg.tanh(tg.tanh(x @ weight.T + bias) @ weight)


def loss_of(call):
    return lambda parameters: (call(parameters) ** 2).mean()


def others(model):
    return {name: Tensor(p.numpy() + 0.1, requires_grad=True) for name, p in model.named_parameters()}


@pytest.mark.parametrize(
    "derivative",
    [
        tg.grad,
        lambda loss: lambda p: tg.hvp(loss, p, p),
        lambda loss: tg.jacobian(lambda p: loss(p) * np.ones(2)),
        lambda loss: lambda p: tg.jvp(loss, (p,), (p,))[1],
        lambda loss: lambda p: tg.hessian(loss)(p)["0.weight"],
        lambda loss: lambda p: tg.hessian(lambda p, bias: loss({**p, "0.bias": bias}), (1, 0))(p, p["0.bias"])[0][1],
        lambda loss: lambda p: tg.jacobian(tg.grad(lambda p: (loss(p), p), has_aux=True), has_aux=True)(p)[0]["0.bias"],
    ],
    ids=["grad", "hvp", "jacobian", "jvp", "hessian", "hessian of two", "jacobian of grad"],
)
def test_transforms_take_derivatives_by_the_parameters(derivative):
    model = small_net()
    before = model.state_dict()
    given = others(model)
    found = derivative(loss_of(lambda p: functional_call(model, p, X)))(given)
    expected = derivative(loss_of(by_hand))(given)
    found, expected = (parts if isinstance(parts, dict) else {"": parts} for parts in (found, expected))
    for name in expected:
        np.testing.assert_allclose(found[name].numpy(), expected[name].numpy(), rtol=1e-12, atol=1e-15)
    assert all(np.array_equal(before[name], values) for name, values in model.state_dict().items())
    assert all(p.grad is None and p.is_leaf for p in model.parameters())


def test_backward_reaches_the_given_tensors_and_what_is_not_given_is_the_models_own():
    model = small_net()
    weight = Tensor(np.ones((4, 3)), requires_grad=True)
    out = functional_call(model, {"0.weight": weight}, X)
    np.testing.assert_array_equal(out.numpy(), by_hand({"0.weight": weight, "0.bias": model[0].bias}).numpy())
    out.sum().backward()
    assert weight.grad is not None
    assert model[0].weight.grad is None
    assert model[0].bias.grad is not None


def test_a_model_that_asks_for_its_parameters_while_it_runs_gets_those_given():
    class Penalized(Linear):
        def forward(self, x):
            return super().forward(x).sum() + sum((p * p).sum() for _, p in self.named_parameters())

    model = Penalized(3, 1)
    given = others(model)
    found = tg.grad(lambda p: functional_call(model, p, np.zeros((1, 3))))(given)
    np.testing.assert_allclose(found["weight"].numpy(), 2 * given["weight"].numpy())


def test_arrays_lists_and_buffers_are_given_too():
    layer = Linear(2, 1)
    layer.register_buffer("shift", [1.0])
    layer.register_forward_hook(lambda module, inputs, out: out + module.shift)
    out = functional_call(layer, {"weight": [[1.0, 2.0]], "bias": [0.0], "shift": Tensor([5.0])}, np.ones((1, 2)))
    assert out.numpy().tolist() == [[8.0]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"wieght": [[1.0]]}, "cannot replace wieght of Linear: the model has no tensor of this name."),
        ({"weight": [1.0]}, "cannot replace weight of Linear: expected shape (1, 1), got (1,)."),
        ({"steps": [1.0]}, "cannot replace steps of Linear: expected dtype int64, got float32."),
        ({"weight": [[1.0]], "tied": [[2.0]]}, "cannot replace tied of Linear: it is the same tensor as weight"),
    ],
)
def test_what_does_not_fit_is_named(given, message):
    layer = Linear(1, 1)
    layer.tied, layer.steps = layer.weight, Tensor(np.array([0]))
    with pytest.raises(StateDictError, match=re.escape(f"functional_call: {message}")):
        functional_call(layer, given, [[1.0]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda net: (net, net.parameters()), "parameters must be a Mapping, got a list"),
        (lambda net: (net, [p.numpy() for p in net.parameters()]), r"got a list.*dict\(model.named_parameters\(\)\)"),
        (lambda net: (net, net[0].weight), "parameters must be a Mapping, got a Tensor"),
        (lambda net: (Linear, {}), "model must be a Module, got a type"),
        (lambda net: (net.forward, {}), "model must be a Module, got a method"),
    ],
)
def test_other_arguments_are_refused(arguments, message):
    with pytest.raises(DTypeError, match=message):
        functional_call(*arguments(small_net()), X)


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_model_is_left_as_it_was_wherever_the_call_is_interrupted():
    model = nn.Linear(3, 2)
    before = model.state_dict()
    given = others(model)
    for place in itertools.count():
        try:
            interruptions.at(place, lambda: functional_call(model, given, X), interruptions.Interrupt)
        except interruptions.Interrupt:
            pass
        else:
            assert place > 10
            break
        assert all(np.array_equal(before[name], values) for name, values in model.state_dict().items())
        assert [name for name, _ in model.named_parameters()] == ["weight", "bias"]


# --- Several threads ---


class HeldUp(Tanh):
    """A layer that waits for an act in another thread."""

    def forward(self, x):
        with ThreadPoolExecutor(1) as pool:
            self.found = pool.submit(self.act).exception()
        return super().forward(x)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda model: model, "functional_call: another thread is in a functional_call of the same model, Sequential"),
        (lambda model: model[0], "the same tensor 0.weight.*copy.deepcopy"),
        (lambda model: Sequential(Tanh(), model[0]), "the same tensor 0.weight"),
        (copy.deepcopy, ""),
        (lambda model: small_net(), ""),
    ],
)
def test_another_thread_cannot_call_the_model_in_the_meantime(other, message):
    layers, waiting = small_net(), HeldUp()
    model, second = Sequential(*layers, waiting), other(layers)
    waiting.act = lambda: functional_call(second, {}, X)
    before = model.state_dict()
    for _ in range(2):
        functional_call(model, others(model), X)
        assert isinstance(waiting.found, RuntimeError if message else type(None))
        assert re.search(message, str(waiting.found))
        functional_call(second, {}, X)
    assert all(np.array_equal(before[name], values) for name, values in model.state_dict().items())


def test_calls_of_one_thread_nest_and_an_error_ends_them():
    model = small_net()
    given = others(model)
    with pytest.raises(tg.errors.ShapeError) as kept:  # a reference to the traceback
        functional_call(model, given, np.ones((2, 5)))
    both = Sequential(model, Lambda(lambda x: functional_call(model, given, x)))
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(functional_call, both, {"0.0.bias": given["0.bias"]}, X).result()
    first = functional_call(model, {"0.bias": given["0.bias"]}, X)
    np.testing.assert_array_equal(found.numpy(), functional_call(model, given, first).numpy())
    assert kept
