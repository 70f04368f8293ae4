"""Tensor: what it is made of, which dtype it has, and what NumPy may do with it."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor


def test_numpy_cannot_change_a_tensor_behind_its_back():
    c = Tensor([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(c)[:] = 9
    np.array(c)[:] = 9
    assert c.numpy().tolist() == [1, 2]


@pytest.mark.parametrize("bound", [Tensor(2.0), Tensor(2.0, requires_grad=True)])
def test_a_tensor_where_a_number_belongs_is_refused(bound):
    with pytest.raises(tg.errors.DTypeError, match="clip"):
        tg.clip(Tensor([1.0, 2.0, 3.0]), bound, None)


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
