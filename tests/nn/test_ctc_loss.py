"""ctc_loss: the sum over all alignments, infinities, derivatives, vmap and errors.

test_layer_tables.py compares it with PyTorch.
"""

from itertools import chain, groupby, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import Tensor, nn
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.testing import check_vjp, check_vmap

RNG = np.random.default_rng(0)
LOG_P = np.log(RNG.dirichlet(np.ones(3), (4, 2)))
GIVEN = (np.array([[1, 1], [2, 1]]), np.array([4, 3]), np.array([2, 1]))


def spelled(alignment, blank):
    return [label for label, _ in groupby(alignment) if label != blank]


def enumerated(log_p, target, blank):
    """Return the loss of one sample (T, C), from all C**T alignments."""
    steps, classes = log_p.shape
    alignments = product(range(classes), repeat=steps)
    found = [log_p[range(steps), a].sum() for a in alignments if spelled(a, blank) == target]
    return -np.logaddexp.reduce(found) if found else np.inf


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2), st.integers(1, 4), st.integers(0, 3), st.booleans())
def test_the_likelihood_is_the_sum_over_all_alignments(seed, blank, steps, longest, padded):
    rng = np.random.default_rng(seed)
    log_p = 3 * rng.standard_normal((steps, 3, 3))
    log_p[rng.random(log_p.shape) < 0.2] = -np.inf
    labels, lengths = np.delete(np.arange(3), blank), rng.integers(0, steps + 1, 3)
    targets = [rng.choice(labels, rng.integers(0, longest + 1)).tolist() for _ in range(3)]
    wanted = [enumerated(log_p[:t, k], targets[k], blank) for k, t in enumerate(lengths)]
    sizes = np.array([len(target) for target in targets])
    packed = [target + [-7] * (longest - len(target)) for target in targets] if padded else [*chain(*targets)]
    packed = np.array(packed, int)
    found = nn.ctc_loss(log_p, packed, lengths, sizes, blank, "none")
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    finite = np.where(np.isfinite(wanted), wanted, 0)
    np.testing.assert_allclose(
        nn.ctc_loss(log_p, packed, lengths, sizes, blank, "mean", True), (finite / np.maximum(sizes, 1)).mean(),
        rtol=1e-12, atol=1e-12,
    )  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_derivatives_and_vmap(reduction):
    def loss(log_p, *given):
        return nn.ctc_loss(log_p, *(given or GIVEN), reduction=reduction)

    check_vjp(loss, LOG_P)
    check_vjp(tg.grad(lambda x: (loss(x) ** 2).sum()), LOG_P)
    check_vmap(loss, np.stack([LOG_P, LOG_P[::-1]]))
    check_vmap(loss, np.stack([LOG_P, LOG_P[::-1]]), *(np.stack([x, x[::-1]]) for x in GIVEN))
    check_vmap(loss, np.swapaxes(LOG_P, 0, 1), *GIVEN)


def test_a_step_of_probability_0_has_a_gradient_of_0():
    log_p = LOG_P.copy()
    log_p[0, 0, 1] = log_p[2, 1, 0] = -np.inf
    found = tg.grad(lambda x: nn.ctc_loss(x, *GIVEN, reduction="sum"))(log_p)
    assert found[0, 0, 1] == found[2, 1, 0] == 0
    # Each step of an alignment has one label, so the gradient of a step sums to -1.
    np.testing.assert_allclose(found.sum(axis=2), [[-1, -1]] * 3 + [[-1, 0]], rtol=1e-12)


def test_a_target_without_an_alignment():
    x = Tensor(LOG_P.astype(np.float32), requires_grad=True)
    given = (GIVEN[0], [2, 3], [2, 1])  # equal neighbors need a blank between them: three steps
    losses = nn.ctc_loss(x, *given, reduction="none")
    assert np.isfinite(losses.numpy()).tolist() == [False, True]
    with np.errstate(invalid="ignore"):
        losses.backward(np.array([0.5, -2.0], np.float32))
    assert not np.isfinite(x.grad[:, 0]).all()
    assert np.isfinite(x.grad[:, 1]).all()
    x.grad = None
    losses = nn.ctc_loss(x, *given, reduction="none", zero_infinity=True)
    losses.backward(np.array([0.5, -2.0], np.float32))
    assert losses.numpy()[0] == 0 < losses.numpy()[1]
    assert not x.grad[:, 0].any()
    np.testing.assert_allclose(x.grad[:3, 1].sum(axis=1), [2] * 3, rtol=1e-6)


@pytest.mark.thorough
def test_a_thousand_improbable_steps_are_finite_in_float32():
    x = Tensor(np.full((1000, 1, 3), -1000, np.float32), requires_grad=True)
    loss = nn.ctc_loss(x, [[1, 2]], [1000], [2], reduction="sum")
    loss.backward()
    np.testing.assert_allclose(loss.item(), 1e6, rtol=1e-4)
    np.testing.assert_allclose(x.grad.sum(axis=2), -1, rtol=1e-2)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ((LOG_P[0, 0], *GIVEN), ShapeError, r"log_probs must have shape \(T, N, C\), .*, got \(3,\)"),
        ((LOG_P, GIVEN[0][:1], *GIVEN[1:]), ShapeError, r"targets must have shape \(2, S\) with S >= 2.*\(3,\)"),
        ((LOG_P, GIVEN[0][:, :1], *GIVEN[1:]), ShapeError, r"got \(2, 1\)"),
        ((LOG_P, [1, 1], *GIVEN[1:]), ShapeError, r"got \(2,\)"),
        ((LOG_P, GIVEN[0] + 0.0, *GIVEN[1:]), DTypeError, "targets must be integers, got float64"),
        ((LOG_P, GIVEN[0], [4], GIVEN[2]), ShapeError, r"input_lengths must have shape \(2,\)"),
        ((LOG_P, GIVEN[0], [4, 5], GIVEN[2]), ValueError, "input_lengths must be at most 4, .* got 5"),
        ((LOG_P, GIVEN[0], GIVEN[1], [1.0, 2.0]), DTypeError, "target_lengths must be integers, got float64"),
        ((LOG_P, GIVEN[0], GIVEN[1], [1, -1]), ValueError, "target_lengths must be >= 0, got -1"),
        ((LOG_P, GIVEN[0] + 1, *GIVEN[1:]), ValueError, "labels must be from 0 to 2 .* got \\[2, 3\\]"),
        ((LOG_P, *GIVEN, 1), ValueError, "not the blank 1"),
        ((LOG_P, *GIVEN, 3), ValueError, "blank must be from 0 to 2, got 3"),
    ],
)
def test_what_does_not_fit_is_explained(given, error, message):
    with pytest.raises(error, match=message):
        nn.ctc_loss(*given)
