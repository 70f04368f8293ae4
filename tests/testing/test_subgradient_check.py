"""The gradients of our ops at kinks are subgradients, and check_subgradient detects other values."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.testing.test_tensor_checks import broken
from tinygrad_edu.testing import GradientMismatch, check_subgradient

TIED = np.array([[1.0, 1.0, -2.0], [3.0, 3.0, 3.0]])


CONVENTIONS = {
    "relu": (tg.relu, [-1.0, 0.0, 2.0]), "abs": (tg.abs, [-1.0, 0.0, 2.0]),
    "maximum": (tg.maximum, [1.0, 2.0], [1.0, 3.0]), "minimum": (tg.minimum, [1.0, 2.0], [1.0, 3.0]),
    "max": (lambda x: tg.max(x, 1), TIED), "min": (lambda x: tg.min(x, 1), TIED),
    "max of all": (lambda x: tg.max(x), TIED), "clip": (lambda x: tg.clip(x, -1.0, 1.0), [-1.0, 0.0, 1.0, 2.0]),
    "max_pool2d": (lambda x: tg.max_pool2d(x, 2), np.ones((1, 1, 4, 4))),
    "relu of x @ w": (lambda x, w: tg.relu(x @ w), np.zeros((2, 3)), np.ones((3, 2))), "tanh": (tg.tanh, [0.5, -0.5]),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVENTIONS)
def test_our_conventions_are_subgradients(name):
    f, *arrays = CONVENTIONS[name]
    for seed in range(5):
        check_subgradient(f, *arrays, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("slope_at_zero", [-0.01, 1.01, 2.0])
def test_a_number_outside_the_two_slopes_is_found(slope_at_zero):
    kinked = broken("relu", x=lambda g, x: g * np.where(x == 0, slope_at_zero, x > 0))
    with pytest.raises(GradientMismatch, match=r"relu: the gradient of input 0 is not a subgradient: along"):
        check_subgradient(kinked, [1.0, 0.0])


def test_where_the_function_is_smooth_it_must_be_the_derivative():
    with pytest.raises(GradientMismatch):
        check_subgradient(broken("square", x=lambda g, x: g * 2.0002 * x), [1.0])


@pytest.mark.parametrize("share", ["all of g", "nothing"])
def test_ties_have_one_gradient_between_them(share):
    """Element by element, each of these gradients is between the one-sided slopes."""

    @tg.op
    def greatest_of(x):
        return np.max(x, axis=-1)

    def vjp(g, x, out):
        tied = x == out[..., None]
        if share == "nothing":
            tied &= tied.sum(axis=-1, keepdims=True) == 1
        return g[..., None] * tied

    greatest_of.vjps(x=vjp)
    check_subgradient(greatest_of, [[1.0, 2.0, 3.0]])
    with pytest.raises(GradientMismatch, match="not a subgradient"):
        check_subgradient(greatest_of, TIED)
