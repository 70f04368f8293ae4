"""Objects of the core in a process that has imported the library: they mix with its objects, or are refused by name."""

import copy
import pickle

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import core, nn, optim
from tinygrad_edu.errors import DTypeError

RNG = np.random.default_rng(0)
SHARED_OPS = [name for name, x in vars(core).items() if isinstance(x, core.Op) and name != "scatter"]


@with_each("name", SHARED_OPS)
def test_an_op_of_the_core_is_the_librarys(name):
    made = getattr(core, name)
    assert type(made) is type(tg.cos)
    assert pickle.loads(pickle.dumps(made)) is made
    assert made.__module__.startswith("tinygrad_edu.core.")
    if name not in ("softmax", "log_softmax"):  # the public functions have one more argument
        assert getattr(tg, name) is made


def test_there_is_one_class_of_tensors():
    x = core.Tensor([1.0, 2.0], requires_grad=True)
    assert type(x) is tg.Tensor
    assert type(core.exp(x)) is tg.Tensor
    assert type(core.Linear(2, 1).weight) is tg.Tensor
    (tg.tanh(x) * core.exp(x)).sum().backward()
    slope = np.exp(x.numpy()) * (np.tanh(x.numpy()) + 1 - np.tanh(x.numpy()) ** 2)
    np.testing.assert_allclose(x.grad, slope, rtol=1e-6)


def test_a_subclass_of_the_cores_tensor_is_refused_by_name():
    class Wrapped(core.Tensor):
        pass

    with pytest.raises(DTypeError, match="got a Wrapped"):
        tg.exp(Wrapped([1.0]))
    with pytest.raises(DTypeError, match="got a Wrapped"):
        core.exp(Wrapped([1.0]))


def test_no_grad_of_the_core_and_of_the_library_are_one_mode():
    x = tg.Tensor([1.0], requires_grad=True)
    with core.no_grad():
        assert not (x * 2).requires_grad
        assert not tg.is_grad_enabled()
        with tg.enable_grad():
            assert (x * 2).requires_grad
        assert not tg.is_grad_enabled()
    with tg.no_grad():
        assert not core.exp(x).requires_grad
    assert tg.is_grad_enabled()


def test_an_op_that_the_decorator_of_the_core_makes_has_higher_derivatives_and_vmap():
    @core.op
    def cube(x):
        return x**3

    cube.vjps(x=lambda g, x: g * 3 * x * x)
    assert float(tg.grad(tg.grad(cube))(2.0)) == 12
    with pytest.warns(UserWarning, match="cube"):
        np.testing.assert_array_equal(tg.vmap(cube)(np.arange(3.0)), np.arange(3.0) ** 3)


@pytest.mark.parametrize("optimizer", [core.SGD, optim.SGD])
@pytest.mark.parametrize("layers", [core, nn])
def test_either_optimizer_trains_either_network(layers, optimizer):
    rng = np.random.default_rng(1)
    model = layers.Sequential(layers.Linear(3, 8, rng=rng), layers.Tanh(), layers.Linear(8, 2, rng=rng))
    x, labels = RNG.standard_normal((16, 3)).astype(np.float32), RNG.integers(0, 2, 16)
    step, losses = optimizer(model.parameters(), lr=0.5, momentum=0.9), []
    for k in range(80):
        step.zero_grad()
        loss = (core, nn)[k % 2].cross_entropy(model(x), labels)
        loss.backward()
        step.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_a_step_of_the_cores_optimizer_makes_saved_values_stale():
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    y = (w * w).sum()
    w.grad = [1.0, 1.0]
    core.SGD([w], lr=0.1).step()
    with pytest.raises(tg.errors.StaleValueError, match="multiply"):
        y.backward()


def test_gradients_are_checked_by_the_core_and_pass_hooks():
    core.check_gradient(lambda x: tg.logsumexp(x, axis=1), RNG.standard_normal((2, 3)))
    x = core.Tensor([3.0], requires_grad=True)
    x.register_hook(lambda g: 2 * g)
    core.multiply(x, x).sum().backward()
    assert x.grad.tolist() == [12]


@pytest.mark.parametrize("made", [lambda: core.Tensor([1.0, 2.0], requires_grad=True), lambda: core.Linear(2, 3)])
def test_copies_keep_the_class_and_the_values(made):
    before = made()
    for after in (pickle.loads(pickle.dumps(before)), copy.deepcopy(before)):
        assert type(after) is type(before)
        ours, theirs = ([x] if isinstance(x, tg.Tensor) else x.parameters() for x in (before, after))
        for a, b in zip(ours, theirs, strict=True):
            assert b is not a
            assert b.requires_grad
            np.testing.assert_array_equal(a.numpy(), b.numpy())
