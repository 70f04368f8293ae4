"""Saved values of any type are copies: their owner may change the originals later."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import Tensor
from tinygrad_edu.errors import DTypeError, StaleValueError
from tools.campaign import statements

BEFORE, AFTER, G = [2, 0, 1], [1, 1, 0], np.array([5.0, 7.0, 11.0])
X = np.array([1.0, 2.0, 3.0])


def is_unmoved(f, change):
    """Return whether the gradient of a function is the same after a change as before."""
    x, y = (Tensor(X, requires_grad=True) for _ in range(2))
    wanted, later = f(x), f(y)
    g = G.reshape(-1)[: wanted.size].reshape(wanted.shape)
    wanted.backward(g)
    change()
    later.backward(g)
    return np.array_equal(y.grad, x.grad) and x.grad.any()


@pytest.mark.parametrize("way", statements.INDICES)
def test_an_index(way):
    index, change = statements.INDICES[way](BEFORE, AFTER)
    assert is_unmoved(lambda x: x[index], change)


@with_each("way", statements.OPERANDS)
@with_each(
    "f",
    [
        lambda x, a: x * a, lambda x, a: a / x, lambda x, a: x @ a, lambda x, a: x**a,
        lambda x, a: tg.where(a.astype(bool, copy=False), x, 0.0), lambda x, a: tg.maximum(x, a),
    ],
)  # fmt: skip
def test_an_operand(way, f):
    array, change = statements.OPERANDS[way](np.array([4.0, 0.0, 2.5]), np.array([0.0, 9.0, 1.0]))
    assert is_unmoved(lambda x: f(x, array), change)


@pytest.mark.parametrize("way", statements.LISTS)
def test_labels(way):
    labels, change = statements.LISTS[way]([2], [0])
    assert is_unmoved(lambda x: tg.cross_entropy(x.reshape(1, 3), labels), change)


@pytest.mark.parametrize("limit", [np.array(2.5), np.array([2.5, 1.5, 0.5])])
def test_a_bound(limit):
    assert is_unmoved(lambda x: tg.clip(x, None, limit), lambda: limit.fill(0))


def test_a_bound_that_is_a_tensor_is_stale():
    limit = Tensor(2.5)
    with pytest.raises(StaleValueError, match="op clip: the vjp of x saved max"):
        is_unmoved(lambda x: tg.clip(x, None, limit), lambda: limit.assign(np.zeros(())))


def test_a_setting_that_nobody_can_copy_is_refused_by_name():
    class Uncopied:
        def __deepcopy__(self, memo):
            raise RuntimeError("no")

    @tg.op
    def scaled(x, /, by):
        return x * 2.0

    scaled.vjps(x=lambda g, by: g * 2.0)
    x = Tensor(X, requires_grad=True)
    with pytest.raises(DTypeError, match="op scaled: a vjp saves by, a Uncopied, which cannot be copied"):
        scaled(x, Uncopied())
