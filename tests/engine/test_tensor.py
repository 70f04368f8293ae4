"""Tensor: what it is made of, which dtype it has, and what NumPy may do with it."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.errors import DTypeError


def test_numpy_cannot_change_a_tensor_behind_its_back():
    c = Tensor([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(c)[:] = 9
    np.array(c)[:] = 9
    assert c.numpy().tolist() == [1, 2]


def test_a_setting_that_would_lose_a_gradient_is_refused():
    with pytest.raises(DTypeError, match="op clip: min is a setting"):
        tg.clip(Tensor([1.0, 2.0, 3.0]), Tensor(2.0, requires_grad=True), None)


def test_a_constant_tensor_is_read_as_a_setting():
    assert tg.clip(Tensor([1.0, 2.0, 3.0]), Tensor(2.0), None).numpy().tolist() == [2, 2, 3]


def test_a_tensor_is_an_index_for_the_function_as_for_the_brackets():
    x, index = Tensor([1.0, 2.0, 3.0], requires_grad=True), Tensor(np.array([0, 0]))
    (tg.getitem(x, index) + x[index]).sum().backward()
    np.testing.assert_array_equal(x.grad, [4, 0, 0])


def test_an_empty_list_is_an_empty_index_as_in_numpy():
    assert Tensor([1.0, 2.0])[[]].shape == (0,)


def test_functions_of_booleans_are_as_exact_as_float32():
    np.testing.assert_allclose(tg.exp(Tensor([True])).numpy(), [np.e], rtol=1e-7)


def test_the_variance_of_a_plain_float32_array_is_float32():
    a = np.ones(3, np.float32)
    assert [f(a).dtype for f in (tg.sum, tg.mean, tg.var, tg.std)] == [np.float32] * 4


def test_the_mean_of_many_halves_does_not_overflow():
    assert Tensor(np.ones(70_000, np.float16)).mean().item() == 1


def test_integer_labels_stay_integers_next_to_plain_logits():
    loss = tg.cross_entropy(np.zeros((2, 4)), Tensor(np.array([0, 1])))
    np.testing.assert_allclose(loss.numpy(), np.log(4), rtol=1e-6)


def test_a_read_only_tensor_says_why_it_cannot_change():
    seen = tg.broadcast_to(Tensor([1.0, 2.0]), (3, 2))
    with pytest.raises(tg.errors.TinygradError, match="read-only"):
        seen += 1
