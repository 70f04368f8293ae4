"""SGD compared with its formulas for any schedule, and with the core."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import Tensor, core
from tinygrad_edu.optim import SGD

seeds = st.integers(0, 2**32 - 1)
rates = st.floats(0, 1)
settings = st.tuples(rates, rates, st.booleans()).map(
    lambda drawn: {"weight_decay": drawn[0], "momentum": drawn[1], "nesterov": drawn[2] and drawn[1] > 0}
)


def leaf(values, dtype=np.float64):
    return Tensor(np.asarray(values, dtype), requires_grad=True)


def by_the_formulas(p, grads, lrs, momentum, nesterov, weight_decay):
    """Compute the steps by the pseudocode in PyTorch's documentation of SGD. The first buffer is the first gradient."""
    buffer = None
    for grad, lr in zip(grads, lrs, strict=True):
        g = grad + weight_decay * p
        if momentum:
            buffer = g if buffer is None else momentum * buffer + g
            g = g + momentum * buffer if nesterov else buffer
        p = p - lr * g
    return p


@given(st.lists(st.integers(0, 4), max_size=3).map(tuple), st.lists(rates, min_size=1, max_size=5), settings, seeds)
def test_steps_follow_the_documented_formulas_with_any_schedule(shape, lrs, options, seed):
    rng = np.random.default_rng(seed)
    start = rng.standard_normal(shape)
    grads = rng.standard_normal((len(lrs), *shape))
    p, other = leaf(start), leaf(rng.standard_normal(7))
    optimizer = SGD([p, other], lr=0.0, **options)
    for grad, lr in zip(grads, lrs, strict=True):
        p.grad, optimizer.lr = grad, lr
        optimizer.step()
    np.testing.assert_allclose(p.numpy(), by_the_formulas(start, grads, lrs, **options), rtol=1e-12, atol=1e-12)


@given(settings, seeds)
def test_parameters_of_different_shapes_and_dtypes_do_not_disturb_each_other(options, seed):
    rng = np.random.default_rng(seed)
    shapes = [((3, 2), np.float32), ((), np.float64), ((5,), np.float16), ((0, 2), np.float32), ((7,), np.float64)]

    def descend(order):
        rng = np.random.default_rng(seed)
        parameters = [leaf(rng.standard_normal(shape), dtype) for shape, dtype in shapes]
        optimizer = SGD([parameters[k] for k in order], lr=0.25, **options)
        for _ in range(2):
            for p in parameters:
                p.grad = rng.standard_normal(p.shape)
            optimizer.step()
        return [p.numpy() for p in parameters]

    for mine, other in zip(descend(range(5)), descend(rng.permutation(5)), strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_it_gives_the_bits_of_the_core(dtype, momentum):
    def descend(kind):
        rng = np.random.default_rng(0)
        p = leaf(rng.standard_normal((300, 500)), dtype)  # several chunks
        optimizer = kind([p], lr=0.1, momentum=momentum)
        for _ in range(3):
            p.grad = rng.standard_normal(p.shape)
            optimizer.step()
        return p.numpy()

    np.testing.assert_array_equal(descend(SGD), descend(core.SGD), strict=True)


def test_a_parameter_without_a_gradient_is_skipped_with_its_velocity():
    p, q = leaf([1.0]), leaf([1.0])
    optimizer = SGD([p, q], lr=1.0, momentum=0.5, weight_decay=0.1)
    q.grad = [1.0]
    optimizer.step()
    assert p.item() == 1
    assert q.item() != 1
    p.grad = [1.0]
    optimizer.step()
    assert p.item() == pytest.approx(1 - (1 + 0.1))


def test_a_numpy_learning_rate_does_not_change_the_arithmetic():
    results = []
    for lr in (0.1, np.float64(0.1), np.array(0.1)):
        p = leaf(np.linspace(0, 1, 9), np.float32)
        p.grad = np.linspace(1, 2, 9)
        optimizer = SGD([p], lr=lr)
        optimizer.step()
        results.append(p.numpy())
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
