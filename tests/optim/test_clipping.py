"""Gradient clipping: values as in PyTorch, in place, all gradients or none."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import Tensor
from tinygrad_edu.errors import DTypeError, ReadOnlyError
from tinygrad_edu.nn import Linear
from tinygrad_edu.optim import clip_grad_norm, clip_grad_value


def with_gradients(*gradients):
    parameters = [Tensor(np.zeros(np.shape(g), np.asarray(g).dtype), requires_grad=True) for g in gradients]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = np.array(g)
    return parameters


@given(st.floats(0, 10), st.sampled_from([1, 2, 2.5, math.inf]), st.integers(0, 2**32 - 1))
def test_the_norm_is_that_of_one_vector_and_becomes_at_most_what_is_given(max_norm, norm_type, seed):
    rng = np.random.default_rng(seed)
    gradients = [rng.standard_normal((3, 2)), rng.standard_normal(()), np.zeros((0, 2)), rng.standard_normal((4, 2)).T]
    parameters = [*with_gradients(*gradients), Tensor(0.0, requires_grad=True)]
    arrays = [p.grad for p in parameters]
    before = np.linalg.norm(np.concatenate([g.ravel() for g in gradients]), norm_type)
    assert clip_grad_norm(iter(parameters), max_norm, norm_type) == pytest.approx(before, rel=1e-12)
    share = min(1, max_norm / (before + 1e-6))
    for p, array, g in zip(parameters, arrays, gradients, strict=False):
        assert p.grad is array
        np.testing.assert_allclose(p.grad, g * share, rtol=1e-12)


def test_the_norm_of_float16_does_not_overflow_where_its_squares_do():
    (p,) = with_gradients(np.full(4, 1000, np.float16))
    assert clip_grad_norm([p], 1.0) == 2000


def test_a_norm_whose_squares_overflow_is_finite_and_nothing_warns():
    (p,) = with_gradients(np.array([3e30, -4e30], np.float32))
    assert clip_grad_norm([p], 1.0) == pytest.approx(5e30)
    np.testing.assert_allclose(p.grad, [0.6, -0.8], rtol=1e-6)


@pytest.mark.parametrize("norm_type", [1, 2.5, math.inf, "inf"])
@pytest.mark.parametrize(("bad", "after"), [(math.inf, [math.nan, 0, 0]), (math.nan, [math.nan] * 3)])
def test_what_is_not_finite_becomes_what_it_becomes_in_pytorch(bad, after, norm_type):
    parameters = with_gradients([bad, 1.0], [2.0])
    assert not math.isfinite(clip_grad_norm(parameters, 1.0, norm_type))
    np.testing.assert_array_equal(np.concatenate([p.grad for p in parameters]), after)


def test_values_are_brought_into_the_range():
    parameters = with_gradients([3.0, -0.5, np.nan], [[-2.0]])
    clip_grad_value(parameters, 1)
    np.testing.assert_array_equal(parameters[0].grad, [1, -0.5, np.nan])
    np.testing.assert_array_equal(parameters[1].grad, [[-1]])


def test_an_array_that_is_the_gradient_of_two_is_clipped_once():
    p, q = with_gradients([3.0, 4.0], [0.0, 0.0])
    q.grad = p.grad
    clip_grad_norm([p, p], 1.0)
    np.testing.assert_allclose(q.grad, [0.6, 0.8], rtol=1e-6)


def test_no_gradients_have_the_norm_0():
    assert clip_grad_norm([], 1.0) == clip_grad_norm([Tensor(1.0, requires_grad=True)], 1.0) == 0


def test_mistakes_are_explained_and_nothing_is_clipped():
    p, q = with_gradients([3.0], [4.0])
    q.grad.flags.writeable = False
    for call, error, message in [
        (lambda: clip_grad_norm([p, q], 1.0), ReadOnlyError, r"clip_grad_norm: the gradient of parameter 1, .*a copy"),
        (lambda: clip_grad_value([p, q], 1.0), ReadOnlyError, "clip_grad_value: the gradient of parameter 1"),
        (lambda: clip_grad_norm([p], -1.0), ValueError, "max_norm must be a number >= 0, got -1"),
        (lambda: clip_grad_norm([p], 1.0, 0), ValueError, "norm_type must be a number > 0 or math.inf, got 0"),
        (lambda: clip_grad_norm([p], None), ValueError, "max_norm must be a number >= 0, got None"),
        (lambda: clip_grad_norm(Linear(1, 1), 1.0), DTypeError, r"got Linear: pass model.parameters\(\)"),
        (lambda: clip_grad_value([p], math.nan), ValueError, "clip_value must be a number >= 0, got nan"),
        (lambda: clip_grad_value([p, p.grad], 1.0), DTypeError, "parameter 1 must be a Tensor, got ndarray"),
    ]:
        with pytest.raises(error, match=message):
            call()
    assert p.grad.tolist() == [3]
