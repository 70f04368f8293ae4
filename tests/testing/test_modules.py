"""check_module: it passes right modules, random nests of layers among them, and names what a wrong one breaks."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.engine import op
from tinygrad_edu.errors import DataError
from tinygrad_edu.testing import GradientMismatch, LawBroken, check_module
from tinygrad_edu.testing.strategies import arrays, modules

X = np.random.default_rng(5).normal(size=(4, 3))


@given(modules())
def test_random_nests_of_layers(drawn):
    module, x = drawn
    check_module(module, x)


def test_a_strategy_of_inputs():
    check_module(nn.Linear(3, 2), arrays((2, 3), layouts=False))
    check_module(nn.Tanh(), st.tuples(arrays((2, 3), layouts=False)))


def test_a_strategy_of_inputs_honours_the_rng():
    rng = np.random.default_rng(3)
    check_module(nn.Tanh(), arrays((1, 1)), rng=rng)
    assert rng.random() != np.random.default_rng(3).random()


class Slow(nn.Tanh):
    def forward(self, x):
        time.sleep(0.003)  # a hundred times in a check
        return super().forward(x)


def test_the_deadline_that_nobody_set_is_not_one_for_a_strategy_of_inputs():
    ours = settings.get_current_profile_name()
    settings.register_profile("of Hypothesis", settings.get_profile("default"), max_examples=2)
    settings.load_profile("of Hypothesis")
    try:
        check_module(Slow(), arrays((1, 1)))
    finally:
        settings.load_profile(ours)


@given(arrays((2, 3)))
def test_a_strategy_is_not_drawn_from_inside_a_hypothesis_test(x):
    with pytest.raises(DataError, match="draw the inputs"):
        check_module(nn.Tanh(), arrays((2, 3)))


def test_frozen_parameters_are_held_fixed_and_are_state():
    module = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 2))
    for frozen in (module[0], module):
        frozen.requires_grad_(False)
        before, dtypes = module.state_dict(), [p.dtype for p in module.parameters()]
        check_module(module, X)
        assert [p.dtype for p in module.parameters()] == dtypes
        assert [p.frozen for p in module.parameters()] == [name[0] == "0" or frozen is module for name in before]
        assert all(np.array_equal(before[name], values) for name, values in module.state_dict().items())


class ForgetsFrozen(nn.Linear):
    def state_dict(self):
        return {name: values for name, values in super().state_dict().items() if name != "weight"}

    def load_state_dict(self, state):
        super().load_state_dict(state, strict=False)


def test_a_frozen_parameter_that_does_not_come_back():
    module = ForgetsFrozen(3, 2)
    module.weight.requires_grad = False
    with pytest.raises(LawBroken, match="does not bring back"):
        check_module(module, X)


def test_the_module_is_left_as_it_was():
    dropout = nn.Dropout(0.5, rng=np.random.default_rng(0))
    module = nn.Sequential(nn.Linear(3, 2), dropout)
    before = module.state_dict()
    check_module(module, X)
    assert module.training
    for name, values in module.state_dict().items():
        np.testing.assert_array_equal(values, before[name])
        assert values.dtype == np.float32
    assert dropout.rng.random() == np.random.default_rng(0).random()


@op
def wrong_tanh(x):
    return np.tanh(x)


wrong_tanh.vjps(x=lambda g, out: g * (1 - out))


@op
def doubled_in_float32(x):
    return np.array(x)


doubled_in_float32.vjps(x=lambda g: g * 2 if g.dtype == np.float32 else g * 1)


class Wrong(nn.Module):
    def __init__(self):
        self.scale = tg.Tensor(np.ones(3, np.float32), requires_grad=True)

    def forward(self, x):
        return wrong_tanh(x * self.scale)


def test_a_wrong_gradient_names_the_input_or_parameter():
    with pytest.raises(GradientMismatch, match=r"module Wrong \(train\): the gradient of x is wrong"):
        check_module(Wrong(), X)


class WrongInFloat32(Wrong):
    def forward(self, x):
        return tg.tanh(x * doubled_in_float32(self.scale))


def test_a_gradient_that_is_wrong_in_float32_alone():
    with pytest.raises(LawBroken, match=r"module WrongInFloat32: the gradient of scale is wrong in float32: at"):
        check_module(WrongInFloat32(), X)


class Detached(Wrong):
    def forward(self, x):
        return x * tg.Tensor(self.scale.data)


def test_a_forgotten_parameter_is_named():
    with pytest.raises(GradientMismatch, match=r"gradient of scale is wrong: it is zero"):
        check_module(Detached(), X)
    check_module(Detached().requires_grad_(False), X)


class Mixing(nn.Module):
    def forward(self, x):
        return x - tg.mean(x, axis=0, keepdims=True)


def test_samples_that_depend_on_each_other():
    with pytest.raises(LawBroken, match="samples depend on each other"):
        check_module(Mixing(), X)
    check_module(Mixing(), X, per_sample=False)


class Forgetful(Wrong):
    def forward(self, x):
        return x * self.scale

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def test_a_state_that_does_not_come_back():
    with pytest.raises(LawBroken, match="does not bring back"):
        check_module(Forgetful(), X)


class Widening(nn.Module):
    def forward(self, x):
        return x.astype(np.float64)


def test_a_module_that_widens_its_dtype():
    with pytest.raises(LawBroken, match="a result of float64"):
        check_module(Widening(), X)
