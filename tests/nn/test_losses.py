"""Losses: errors, dtypes, weights, and values and gradients for extreme inputs.

test_layer_tables.py compares them with PyTorch.
"""

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.effort import with_each
from tinygrad_edu import Tensor, grad, nn
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.nn import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    nll_loss,
)
from tinygrad_edu.nn.losses.common import LossModule
from tinygrad_edu.testing import check_vjp

seeds = st.integers(0, 2**32 - 1)
REDUCTIONS = ["mean", "sum", "none"]

SCORES, LABELS = np.array([[0.5, -1.0, 0.25], [2.0, 3.0, -2.0]]), np.array([1, 0])
P, HITS = np.array([0.25, 0.75, 0.5]), np.array([1.0, 0.0, 1.0])
PAIR = (SCORES, SCORES[::-1])

# Valid inputs of each function.
FITTING = {
    "mse_loss": PAIR, "l1_loss": PAIR, "smooth_l1_loss": PAIR, "huber_loss": PAIR, "kl_div": (SCORES, np.abs(SCORES)),
    "cross_entropy": (SCORES, LABELS), "nll_loss": (SCORES, LABELS), "multi_margin_loss": (SCORES, LABELS),
    "multilabel_margin_loss": (SCORES, np.array([[0, -1, -1], [2, 1, -1]])),
    "binary_cross_entropy": (P, HITS), "binary_cross_entropy_with_logits": (P, HITS),
    "multilabel_soft_margin_loss": (P, HITS), "soft_margin_loss": (P, 2 * HITS - 1),
    "hinge_embedding_loss": (P, 2 * HITS - 1), "poisson_nll_loss": (P, HITS), "gaussian_nll_loss": (P, HITS, P),
    "margin_ranking_loss": (P, P[::-1], HITS), "cosine_embedding_loss": (*PAIR, 2 * LABELS - 1),
    "ctc_loss": (-np.abs(SCORES)[:, None], np.array([[1]]), np.array([2]), np.array([1])),
    "triplet_margin_loss": (*PAIR, SCORES + 1), "triplet_margin_with_distance_loss": (*PAIR, SCORES + 1),
}  # fmt: skip
MODULES = {module.function.__name__: module for module in LossModule.__subclasses__()}
COMPARED = [
    name
    for name, inputs in FITTING.items()
    if inputs[0].shape == inputs[1].shape and not {"margin", "cosine"} & {*name.split("_")}
]


def loss_of(name):
    return getattr(nn, name)


def test_every_loss_is_here():
    assert set(FITTING) == set(MODULES) == {name for name in nn.losses.__all__ if name.islower()}


@with_each("name", FITTING)
def test_a_module_is_its_function_and_has_its_settings(name):
    function, module, inputs = loss_of(name), MODULES[name], FITTING[name]
    takes = inspect.signature(function).parameters
    settings = {key: value.default for key, value in inspect.signature(module).parameters.items()}
    order = [key for key in takes if key in settings]
    assert list(settings) == order
    assert {key: takes[key].default for key in order} | {"distance_function": None} == settings | {
        "distance_function": None
    }
    for reduction in REDUCTIONS:
        made = module(reduction=reduction)
        np.testing.assert_array_equal(made(*inputs), function(*inputs, reduction=reduction))
        assert made.parameters() == []
        assert f"reduction={reduction!r}" in repr(made)


@with_each("name", FITTING)
@with_each("dtype", [np.float16, np.float32, np.float64])
def test_a_loss_keeps_the_dtype_of_the_prediction(name, dtype):
    inputs = [Tensor(x.astype(dtype)) if x.dtype.kind == "f" else x for x in FITTING[name]]
    plain = [x.numpy() if isinstance(x, Tensor) else x for x in inputs]
    others = [inputs[0], *(x.numpy().astype(np.float64) if isinstance(x, Tensor) else x for x in inputs[1:])]
    assert [loss_of(name)(*each).dtype for each in (inputs, plain)] == [dtype, dtype]
    if len(inputs) == 2:
        assert loss_of(name)(*others).dtype == dtype


@with_each("name", FITTING)
def test_another_reduction_is_refused(name):
    with pytest.raises(ValueError, match="'mean', 'sum' or 'none', got 'avg'"):
        loss_of(name)(*FITTING[name], reduction="avg")
    with pytest.raises(ValueError, match="'mean', 'sum' or 'none', got 'avg'"):
        MODULES[name](reduction="avg")


def test_the_targets_of_gaussian_nll_loss_broadcast():
    rng = np.random.default_rng(0)
    means, var = rng.standard_normal((3, 2)), rng.uniform(0.5, 2, (3, 2))
    for target in (rng.standard_normal((3, 1)), rng.standard_normal((1, 2)), np.array(0.5)):
        wanted = nn.gaussian_nll_loss(means, np.broadcast_to(target, (3, 2)), var, reduction="none")
        np.testing.assert_array_equal(nn.gaussian_nll_loss(means, target, var, reduction="none"), wanted)
        loss = lambda t: nn.gaussian_nll_loss(means, t, var)  # noqa: E731
        check_vjp(loss, target)
    assert nn.gaussian_nll_loss(means[:, :1], means, var[:, :1], reduction="none").shape == (3, 2)


@pytest.mark.parametrize("name", COMPARED)
def test_a_prediction_is_never_broadcast_against_its_target(name):
    with pytest.raises(ShapeError, match=r"shape mismatch: prediction \(3, 1\) and target \(3,\)"):
        loss_of(name)(Tensor(np.ones((3, 1))), np.ones(3), *FITTING[name][2:])


@pytest.mark.parametrize(
    "name", [name for name, module in MODULES.items() if "weight" in str(inspect.signature(module))]
)
def test_weights_are_buffers_and_a_word_in_their_place_is_no_reduction(name):
    inputs = [Tensor(x.astype(np.float32)) if x.dtype.kind == "f" else x for x in FITTING[name]]
    assert loss_of(name)(*inputs, weight=np.array([1.0, 2.0, 0.5])).dtype == np.float32
    made = MODULES[name](weight=[1.0, 2.0, 0.5])
    assert {key: x.dtype for key, x in made.state_dict().items()} == {"weight": np.float32}
    assert made.buffers() == [made.weight]
    assert "weight=Tensor(3,)" in repr(made)
    with pytest.raises(DTypeError, match="weight must not be a string, got 'sum'; pass reduction='sum' by keyword"):
        MODULES[name](weight="sum")
    with pytest.raises(DTypeError, match="by keyword"):
        loss_of(name)(*FITTING[name], weight="sum")
    with pytest.raises(ShapeError):
        loss_of(name)(*FITTING[name], weight=np.ones((5, 3)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    ("loss", "of_errors", "divides_by_weights"),
    [(nn.mse_loss, np.square, True), (nn.l1_loss, np.abs, True), (nn.huber_loss, lambda e: e**2 / 2, False)],
)
def test_errors_are_weighted(loss, of_errors, divides_by_weights, dtype):
    x, weight = Tensor(P.astype(dtype)), np.array([1.0, 2.0, 5.0])
    losses = weight * of_errors(P - HITS)
    mean = losses.sum() / weight.sum() if divides_by_weights else losses.mean()
    for reduction, expected in (("none", losses), ("sum", losses.sum()), ("mean", mean)):
        found = loss(x, HITS, reduction, weight=weight)
        assert found.dtype == dtype
        np.testing.assert_allclose(found.numpy(), expected, rtol=4 * np.finfo(dtype).eps)


def test_a_distance_can_be_a_module_with_parameters():
    part = nn.Linear(3, 1, rng=np.random.default_rng(0))

    class Distance(nn.Module):
        def __init__(self):
            self.part = part

        def forward(self, x, y):
            return self.part(x - y)[:, 0]

    loss = nn.TripletMarginWithDistanceLoss(distance_function=Distance(), margin=10.0)
    assert list(loss.state_dict()) == ["distance_function.part.weight", "distance_function.part.bias"]
    loss(*FITTING["triplet_margin_loss"]).backward()
    np.testing.assert_allclose(part.weight.grad, [(SCORES + 1 - SCORES[::-1]).mean(axis=0)], rtol=1e-6)


# --- Errors ---


@pytest.mark.parametrize("loss", [cross_entropy, nll_loss, nn.multi_margin_loss])
@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([0, 2], ValueError, r"labels must be from 0 to 1 for 2 classes, got labels from 0 to 2"),
        ([-1, 0], ValueError, r"labels from -1 to 0"),
        ([True, False], DTypeError, "integers"),
        ([0, 1, 0], ShapeError, r"labels must have shape \(2,\) for .* \(2, 2\), got \(3,\)"),
        ([[0, 1], [1, 0]], ShapeError, r"labels must have shape .*, got \(2, 2\)"),
    ],
)
def test_labels_that_do_not_fit_are_explained(loss, labels, error, message):
    with pytest.raises(error, match=message):
        loss(Tensor(np.zeros((2, 2))), labels)


X = np.zeros((2, 3))


@with_each(
    ("call", "error", "message"),
    [
        (lambda: nll_loss(X, [0.0, 1.0]), DTypeError, "labels must be integers, got float64"),
        (lambda: nll_loss(X, [5, 0], ignore_index=0), ValueError, "labels from 5 to 5"),
        (lambda: cross_entropy(X, [0, 1], ignore_index=None), DTypeError, "ignore_index must be an integer, got None"),
        (lambda: cross_entropy(X, X, ignore_index=1), ValueError, "not supported for probabilities, got 1"),
        (lambda: cross_entropy(X, [0, 1], label_smoothing=1.5), ValueError, "from 0 to 1, got 1.5"),
        (lambda: cross_entropy(X, X[:1]), ShapeError, "probabilities must have shape"),
        (lambda: cross_entropy(np.array(0.0), 0), ShapeError, r"\(N, C, ...\), or \(C,\) for one sample, got \(\)"),
        (lambda: binary_cross_entropy([0.5, 1.5], [0, 1]), ValueError, "inputs must be probabilities"),
        (lambda: binary_cross_entropy([0.5, np.nan], [0, 1]), ValueError, "inputs must be probabilities"),
        (lambda: binary_cross_entropy([0.5, 0.5], [-1, 1]), ValueError, "targets must be probabilities"),
        (lambda: binary_cross_entropy_with_logits([0.5, 0.5], [-1, 1]), ValueError, "targets must be probabilities"),
        (lambda: binary_cross_entropy(P, HITS, np.ones((3, 1))), ShapeError, r"weights \(3, 1\) and losses"),
        (lambda: nn.mse_loss(X, X, weight=np.ones(3)), ShapeError, r"weights \(3,\) and losses"),
        (lambda: nn.smooth_l1_loss(X, X, beta=-1), ValueError, "must be >= 0, got -1"),
        (lambda: nn.huber_loss(X, X, delta=0), ValueError, "must be > 0, got 0"),
        (lambda: nn.gaussian_nll_loss(X, X, -1.0), ValueError, "variances must be >= 0, got negative"),
        (lambda: nn.gaussian_nll_loss(X, X, np.ones((1, 1))), ShapeError, r"variances \(1, 1\)"),
        (lambda: nn.gaussian_nll_loss(X, X, np.ones(3)), ShapeError, r"variances \(3,\)"),
        (lambda: nn.hinge_embedding_loss(P, HITS), ValueError, "1 or -1"),
        (lambda: nn.soft_margin_loss(P, HITS), ValueError, r"2 \* labels - 1"),
        (lambda: nn.cosine_embedding_loss(X, X, [0, 1]), ValueError, "1 or -1"),
        (lambda: nn.cosine_embedding_loss(X, X, 1), ShapeError, r"must have shapes \(N, D\)"),
        (lambda: nn.margin_ranking_loss(X, X, [1, 1]), ShapeError, r"target \(2,\)"),
        (lambda: nn.triplet_margin_loss(X, X, X[0]), ShapeError, r"negative \(3,\)"),
        (lambda: nn.triplet_margin_loss(X, X, X, margin=0), ValueError, "must be > 0, got 0"),
        (lambda: nn.TripletMarginLoss(margin=-1.0), ValueError, "must be > 0, got -1.0"),
        (lambda: nn.multi_margin_loss(X, [0, 1], p=3), ValueError, "p must be 1 or 2, got 3"),
        (lambda: nn.multi_margin_loss(X[None], [0]), ShapeError, r"\(N, C\), or \(C,\)"),
        (lambda: nn.multilabel_margin_loss(X, [[0, 1], [1, 0]]), ShapeError, r"labels \(2, 2\) and scores"),
        (lambda: nn.multilabel_margin_loss(X[0], [0, 3, -1]), ValueError, "labels from 0 to 3"),
        (lambda: nn.KLDivLoss("batch"), ValueError, "'batchmean', 'mean', 'sum' or 'none', got 'batch'"),
    ],
)
def test_what_does_not_fit_is_explained(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- Empty means, and ignored labels ---


@pytest.mark.parametrize("loss", [cross_entropy, nll_loss])
def test_the_mean_of_no_losses_is_nan_and_their_sum_0(loss):
    for x, labels in ((np.zeros((2, 3)), [-100, -100]), (np.zeros((0, 3)), np.zeros(0, int))):
        x = Tensor(x, requires_grad=True)
        out = loss(x, labels, reduction="sum")
        out.backward()
        assert out.item() == 0
        assert not x.grad.any()
        with pytest.warns(RuntimeWarning), np.errstate(invalid="warn"):
            assert np.isnan(loss(x, labels).item())


# --- Extreme inputs ---


@pytest.mark.parametrize("pos_weight", [0.0, 1e-3, 1.0, 3.0])
@given(st.floats(-30, 30), st.sampled_from([0.0, 0.25, 1.0]))
def test_the_weight_of_the_positive_counts_their_part_alone(pos_weight, logit, target):
    found = binary_cross_entropy_with_logits(np.array(logit), np.array(target), pos_weight=pos_weight)
    expected = pos_weight * target * np.logaddexp(0, -logit) + (1 - target) * np.logaddexp(0, logit)
    np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize("pos_weight", [None, 2.0])
@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_binary_cross_entropy_is_smooth_at_zero(target, pos_weight):
    # The terms of the usual formula have kinks at 0, which cancel in the value but not in the derivatives.
    def loss(x):
        return binary_cross_entropy_with_logits(x, np.array(target), pos_weight=pos_weight)

    scale = 1 + ((pos_weight or 1) - 1) * target
    assert float(grad(loss)(np.array(0.0))) == pytest.approx(0.5 * (1 - target) - 0.5 * target * (pos_weight or 1))
    assert float(grad(grad(loss))(np.array(0.0))) == pytest.approx(0.25 * scale)
    assert float(grad(grad(grad(loss)))(np.array(0.5))) == pytest.approx(-0.0575568 * scale, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "x", "target", "value", "slope"),
    [
        (nn.mse_loss, 1e10, 0.0, 1e20, 2e10),
        (nn.huber_loss, 1e30, 0.0, 1e30, 1),
        (nn.smooth_l1_loss, -1e30, 0.0, 1e30, -1),
        (nn.soft_margin_loss, -1e4, 1.0, 1e4, -1),
        (nn.soft_margin_loss, 1e4, 1.0, 0, 0),
        (nn.binary_cross_entropy, 1.0, 0.0, 100, 1e12),
        (nn.binary_cross_entropy, 0.0, 0.0, 0, 0),
        (nn.multilabel_soft_margin_loss, [1e4], [0.0], 1e4, [1]),
        (nn.kl_div, -1e4, 1.0, 1e4, -1),
        (nn.poisson_nll_loss, -1e4, 2.0, 2e4, -2),
    ],
)  # fmt: skip
def test_float32_is_enough_at_the_ends(loss, x, target, value, slope):
    x = Tensor(np.array(x, np.float32), requires_grad=True)
    out = loss(x, target)
    out.backward()
    np.testing.assert_allclose([out.item(), *np.ravel(x.grad)], [value, *np.ravel(slope)], rtol=1e-6)


def test_an_infinite_score_counts_in_its_own_margins_alone():
    x = Tensor([0.0, np.inf], requires_grad=True)
    with np.errstate(invalid="ignore"):
        out = nn.multilabel_margin_loss(x, [0, -1])
        out.backward()
    assert (out.item(), x.grad.tolist()) == (np.inf, [-0.5, 0.5])


def test_the_gradient_of_a_probability_of_0_or_1_is_finite_in_float16_too():
    p = Tensor(np.array([0.0, 1.0], np.float16), requires_grad=True)
    binary_cross_entropy(p, [0, 1], reduction="sum").backward()
    np.testing.assert_array_equal(p.grad, [0, 0])
