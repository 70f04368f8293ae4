"""Losses: the plain formula where it is safe, a finite answer where it is not, and errors for what does not fit.

Their gradients are judged by Keras in test_against_keras.py.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import Tensor, grad
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.nn import (
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    nll_loss,
)

seeds = st.integers(0, 2**32 - 1)
shapes = st.lists(st.integers(1, 4), max_size=3).map(tuple)


def drawn(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape)


def probabilities(shape, seed):
    return np.random.default_rng(seed).random(shape)


FORMULAS = {
    mse_loss: lambda x, t: (x - t) ** 2,
    l1_loss: lambda x, t: np.abs(x - t),
    binary_cross_entropy_with_logits: lambda x, t: -t * np.log(1 / (1 + np.exp(-x))) - (1 - t) * np.log(
        1 / (1 + np.exp(x))
    ),
}  # fmt: skip


@given(st.sampled_from(list(FORMULAS)), shapes, seeds)
def test_losses_are_their_formulas_in_every_reduction(loss, shape, seed):
    x, t = drawn(shape, seed), probabilities(shape, seed + 1)
    expected = FORMULAS[loss](x, t)
    for reduction, reduced in (("none", expected), ("sum", expected.sum()), ("mean", expected.mean())):
        found = loss(Tensor(x), t, reduction)
        assert found.shape == np.shape(reduced)
        np.testing.assert_allclose(found.numpy(), reduced, rtol=1e-12, atol=1e-12)


@given(st.lists(st.integers(1, 4), min_size=2, max_size=4).map(tuple), seeds)
def test_nll_takes_the_log_probability_of_each_label(shape, seed):
    log_p = drawn(shape, seed)
    labels = np.random.default_rng(seed).integers(shape[1], size=(shape[0], *shape[2:]))
    losses = nll_loss(Tensor(log_p), labels, "none").numpy()
    for place in np.ndindex(labels.shape):
        assert losses[place] == -log_p[place[0], labels[place], *place[1:]]
    np.testing.assert_allclose(nll_loss(Tensor(log_p), Tensor(labels)).numpy(), losses.mean())


@given(st.integers(1, 5), st.integers(1, 5), seeds)
def test_cross_entropy_is_nll_of_log_softmax(n, classes, seed):
    x = Tensor(drawn((n, classes), seed))
    labels = np.random.default_rng(seed).integers(classes, size=n)
    np.testing.assert_allclose(cross_entropy(x, labels).numpy(), nll_loss(x.log_softmax(1), labels).numpy())


@pytest.mark.parametrize(
    ("module", "function", "target"),
    [
        (CrossEntropyLoss, cross_entropy, [1, 0]),
        (NLLLoss, nll_loss, [1, 0]),
        (MSELoss, mse_loss, [[1.0, 0.0], [0.0, 1.0]]),
        (L1Loss, l1_loss, [[1.0, 0.0], [0.0, 1.0]]),
        (BCEWithLogitsLoss, binary_cross_entropy_with_logits, [[1.0, 0.0], [0.0, 1.0]]),
    ],
)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_module_is_its_function(module, function, target, reduction):
    x = Tensor([[0.5, -1.0], [2.0, 3.0]])
    found = module(reduction)(x, target).numpy()
    np.testing.assert_array_equal(found, function(x, target, reduction).numpy())
    assert repr(module(reduction)) == f"{module.__name__}(reduction={reduction!r})"
    assert module().parameters() == []


# --- binary cross entropy ---


def test_binary_cross_entropy_is_stable_for_logits_of_any_size():
    x = Tensor(np.array([1e4, -1e4, 1e4, -1e4], np.float32), requires_grad=True)
    losses = binary_cross_entropy_with_logits(x, [1, 0, 0, 1], "none")
    np.testing.assert_array_equal(losses.numpy(), [0, 0, 1e4, 1e4])
    cotangent = np.array([0.5, -2.0, 3.0, 0.25], np.float32)
    losses.backward(cotangent)
    np.testing.assert_array_equal(x.grad, cotangent * [0, 0, 1, -1])


@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_binary_cross_entropy_is_smooth_at_zero(target):
    # The usual formula has kinks at 0 that cancel in the value but not in its derivatives, term by term.
    def loss(x):
        return binary_cross_entropy_with_logits(x, np.array(target), "sum")

    assert float(grad(loss)(np.array(0.0))) == pytest.approx(0.5 - target)
    assert float(grad(grad(loss))(np.array(0.0))) == pytest.approx(0.25)
    assert float(grad(grad(grad(loss)))(np.array(0.5))) == pytest.approx(-0.0575568, rel=1e-5)  # s(1-s)(1-2s)


def test_binary_cross_entropy_gives_gradients_to_targets_too():
    t = Tensor(np.array([0.25, 0.5]), requires_grad=True)
    binary_cross_entropy_with_logits(np.array([1.0, -2.0]), t, "sum").backward()
    np.testing.assert_allclose(t.grad, [-1, 2])


# --- dtypes and errors ---


@pytest.mark.parametrize("loss", list(FORMULAS))
def test_float32_predictions_give_float32_losses_whatever_the_targets(loss):
    for target in ([0.0, 1.0], [0, 1], np.array([0.0, 1.0]), np.array([False, True]), Tensor(np.array([0, 1]))):
        assert loss(Tensor([1.0, 2.0]), target).dtype == np.float32


@pytest.mark.parametrize("loss", list(FORMULAS))
def test_a_prediction_is_never_broadcast_against_its_target(loss):
    with pytest.raises(ShapeError, match=r"prediction of shape \(3, 1\) and a target of shape \(3,\)"):
        loss(Tensor(np.ones((3, 1))), np.ones(3))


@pytest.mark.parametrize("loss", [*FORMULAS, nll_loss, cross_entropy])
def test_another_reduction_is_refused(loss):
    target = [0] if loss in (nll_loss, cross_entropy) else [[0.0]]
    with pytest.raises(ValueError, match="reduction is 'mean', 'sum' or 'none', not 'avg'"):
        loss(Tensor([[0.0]]), target, "avg")


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([0, 2], ValueError, r"labels from 0 to 2; with 2 classes they are from 0 to 1"),
        ([-1, 0], ValueError, r"labels from -1 to 0"),
        ([0.0, 1.0], DTypeError, "labels are integers, not float64"),
        ([0, 1, 0], ShapeError, r"labels of shape \(3,\) for log probabilities of shape \(2, 2\)"),
        ([[0, 1], [1, 0]], ShapeError, r"labels of shape \(2, 2\)"),
    ],
)
def test_labels_that_do_not_fit_are_explained(labels, error, message):
    with pytest.raises(error, match=message):
        nll_loss(Tensor(np.zeros((2, 2))), labels)


def test_targets_of_binary_cross_entropy_are_probabilities():
    with pytest.raises(ValueError, match="targets are probabilities, or labels 0 and 1"):
        binary_cross_entropy_with_logits(Tensor([1.0, 2.0]), [-1, 1])
