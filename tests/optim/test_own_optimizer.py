"""A custom optimizer: hyperparameters, state, groups, saving, training and errors."""

import inspect
from typing import ClassVar

import numpy as np
import pytest

from tinygrad_edu import Tensor, optim
from tinygrad_edu.errors import StateDictError
from tinygrad_edu.optim.settings import FRACTION


class Centered(optim.Optimizer):
    """Momentum of the gradient minus its mean, which is not elementwise."""

    lr: float = optim.hyperparameter(default=0.5)
    momentum: float = optim.hyperparameter(default=0.5, rule=FRACTION)
    slow: bool = optim.hyperparameter(default=False, kw_only=True)
    state_slots: ClassVar = {
        "step": optim.Slot(scalar=True),
        "buffer": optim.Slot(initial="momentum"),
        "slow_buffer": optim.Slot(initial=1.0, when="slow"),
    }

    def update(self, param, grad, state, group):
        state["step"] += 1
        state["buffer"] *= group["momentum"]
        state["buffer"] += grad - grad.mean()
        if group["slow"]:
            state["slow_buffer"] += state["buffer"]
        param -= group["lr"] / float(state["step"]) * state["buffer"]


def reference(w, gradients, lr, momentum):
    buffer = np.full_like(w, momentum)
    for k, g in enumerate(gradients, 1):
        buffer = momentum * buffer + g - g.mean()
        w = w - lr / k * buffer
    return w


def leaf(values):
    return Tensor(np.asarray(values, np.float64), requires_grad=True)


def take(optimizer, p, gradients):
    for g in gradients:
        p.grad = g
        optimizer.step()
    return p.numpy()


@pytest.fixture
def draws():
    return np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(), (3, 2), (600, 100)])  # the last is larger than a chunk
def test_it_follows_its_reference(shape, draws):
    start, gradients = draws.standard_normal(shape), draws.standard_normal((4, *shape))
    w = leaf(start)
    found = take(Centered([w], 0.1, 0.25), w, gradients)
    np.testing.assert_allclose(found, reference(start, gradients, 0.1, 0.25), rtol=1e-12, atol=1e-14)


def test_groups_frozen_parameters_and_a_setting_turned_on_later(draws):
    start, gradients = draws.standard_normal((3, 2)), draws.standard_normal((3, 3, 2))
    w, frozen = leaf(start), leaf([1.0])
    frozen.requires_grad = False
    optimizer = Centered([{"params": [w], "momentum": 0.25}, {"params": [frozen]}], lr=0.1)
    optimizer.apply_schedule(optim.schedules.constant(0.2), 0)
    found = take(optimizer, w, gradients)
    np.testing.assert_allclose(found, reference(start, gradients, 0.2, 0.25), rtol=1e-12, atol=1e-14)
    assert frozen.item() == 1
    assert set(optimizer.state[w]) == {"step", "buffer"}
    optimizer.slow = True
    take(optimizer, w, gradients[:1])
    assert set(optimizer.state[w]) == {"step", "buffer", "slow_buffer"}


class WithInit(optim.SGD):
    """An optimizer with its own constructor."""

    def __init__(self, params, rate):
        super().__init__(params, lr=rate, momentum=0.5)


class Inherits(WithInit):
    """An optimizer that inherits a constructor."""


def test_the_constructor_has_the_settings_as_arguments_unless_the_class_writes_another():
    assert str(inspect.signature(Centered)) == "(params, lr=0.5, momentum=0.5, *, slow=False)"
    assert str(inspect.signature(optim.AdamW)) == (
        "(params, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01, amsgrad=False, *, maximize=False)"
    )
    w = leaf([1.0])
    assert (Inherits([w], 0.25).lr, Inherits([w], rate=0.25).momentum) == (0.25, 0.5)
    assert (Centered([w]).lr, Centered([w], 0.1).lr, Centered(params=[w], lr=0.2).lr) == (0.5, 0.1, 0.2)
    assert Centered.lr is not optim.Optimizer.lr


def test_a_misspelt_attribute_is_an_error():
    with pytest.raises(AttributeError, match="Centered has no 'momentun'; did you mean 'momentum'"):
        Centered([leaf([1.0])]).momentun = 0.1


class Misnamed(optim.Optimizer):
    def __init__(self, params, rho):
        super().__init__(params, rho=rho)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda w: Centered([w], rho=1), TypeError, "'rho': expected params, lr, momentum, slow"),
        (
            lambda w: Centered([w], 0.1, 0.2, True),
            TypeError,
            "takes the positional arguments params, lr, momentum, got 4",
        ),
        (
            lambda w: Misnamed([w], rho=1),
            TypeError,
            r"Misnamed\(\) got an unexpected keyword .* 'rho': expected lr",
        ),
        (lambda w: Centered([w], momentum=2), ValueError, "Centered: momentum must be a number from 0 to 1, got 2"),
        (
            lambda w: Centered([{"params": [w], "rho": 1}]),
            ValueError,
            "unknown hyperparameter 'rho' in a group; expected lr, mom",
        ),
        (lambda w: optim.AdamW([w], decoupled_weight_decay=True), TypeError, "'decoupled_weight_decay': expected"),
        (lambda w: Centered([w]).load_state_dict(saved(buffer=[1.0])), StateDictError, "parameter 0: missing: step"),
        (lambda w: Centered([w]).load_state_dict(saved(step=1, other=1)), StateDictError, "unexpected: other"),
    ],
)
def test_mistakes_are_explained(make, error, message):
    with pytest.raises(error, match=message):
        make(leaf([1.0]))


def saved(**state):
    return {**Centered([leaf([1.0])]).state_dict(), "state": {0: state}}


def test_without_update_a_step_says_what_to_define():
    w = leaf([1.0])
    optimizer = type("Empty", (optim.Optimizer,), {})([w])
    w.grad = [1.0]
    with pytest.raises(NotImplementedError, match=r"Empty has no update: define update\(self, param, grad, state, g"):
        optimizer.step()
