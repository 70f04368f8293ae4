"""The walk back: each gradient once and right, nobody's array changed, and nothing kept that is not needed."""

import sys
import threading

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor


def test_threads_that_share_a_leaf_lose_no_gradient():
    w, turns = Tensor(np.zeros(1000), requires_grad=True), 500

    def work():
        for _ in range(turns):
            (w * 1.0).backward(np.ones(1000))

    threads = [threading.Thread(target=work) for _ in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    np.testing.assert_array_equal(w.grad, np.full(1000, 4.0 * turns))


def test_a_gradient_is_not_the_array_that_a_rule_saved():
    @tg.op
    def half_square(x):
        return x * x / 2

    half_square.vjps(x=lambda g, x: x)  # right for g = 1, and the very array of the tensor
    x = Tensor([1.0, 2.0], requires_grad=True)
    half_square(x).backward([1.0, 1.0])
    assert not np.shares_memory(x.grad, x.data)
    (x * 3 + half_square(x)).sum().backward()
    np.testing.assert_array_equal(x.numpy(), [1, 2])


@pytest.mark.parametrize("axis", [0, -1, ()])
@pytest.mark.parametrize("name", ["sum", "max", "min", "logsumexp"])  # NumPy's mean takes only ()
def test_a_reduction_of_one_number_over_the_axis_that_numpy_lends_it(name, axis):
    x = Tensor(3.0, requires_grad=True)
    getattr(x, name)(axis=axis).backward()
    assert x.grad == 1


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([0.0, 2.0, 3.0], 0),
        ([0.0, 2.0, 3.0], 0.0),
        ([0.0, 2.0, 3.0], [0, 1, 2]),
        ([0.0, 2.0, 3.0], np.array([0, 1, 2], np.uint8)),
        ([0.0, 2.0, 3.0], np.array([0, 1, 2], np.int16)),
        ([0.0, 2.0, 3.0], np.array([False, True, True])),
    ],
    ids=["int", "float", "list", "uint8", "int16", "bool"],
)
def test_powers_with_zero_exponents_give_float32_gradients(x, y):
    t = Tensor(x, requires_grad=True)
    (t**y).sum().backward()
    exponents = np.broadcast_to(np.asarray(y, np.float64), 3)
    wanted = [0 if p == 0 else p * b ** (p - 1) for b, p in zip(x, exponents, strict=True)]
    np.testing.assert_allclose(t.grad, wanted)
    assert t.grad.dtype == np.float32


@pytest.mark.parametrize("base", [2.0, 2, 0, 0.0, np.float64(2), [2.0, 0.0, 1.0], np.array([2, 0, 1], np.int16)])
def test_powers_of_plain_bases_give_float32_gradients(base):
    t = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    (base**t).sum().backward()
    bases = np.broadcast_to(np.asarray(base, np.float64), 3)
    wanted = [0 if b == 0 else b**p * np.log(b) for b, p in zip(bases, [1.0, 2.0, 3.0], strict=True)]
    np.testing.assert_allclose(t.grad, wanted, rtol=1e-6)
    assert t.grad.dtype == np.float32


@pytest.mark.parametrize("product", [lambda x: x.T @ x, lambda x: x @ x.T])
def test_matrix_products_of_empty_stacks_have_gradients(product):
    x = Tensor(np.zeros((0, 3)), requires_grad=True)
    out = product(x)
    out.backward(np.ones(out.shape))
    assert x.grad.shape == (0, 3)
