"""check_additive: our losses are additive with their declared denominators, and wrong denominators are detected."""

from functools import partial, wraps

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.errors import DataError, DTypeError
from tinygrad_edu.nn.losses.additive import denominator_of
from tinygrad_edu.testing import LawBroken, check_additive

RNG = np.random.default_rng(0)
SCORES, SHARES = RNG.normal(size=(7, 4)), RNG.random(size=(7, 4))
LABELS, SIGNS, BITS = RNG.integers(0, 4, 7), RNG.choice([-1, 1], size=(7, 4)), RNG.integers(0, 2, (7, 4))
SOME = np.where(np.arange(7) < 3, -100, LABELS)
WORDS, TAGS = RNG.normal(size=(5, 4, 3)), RNG.integers(0, 4, (5, 3))
WEIGHTS = np.array([0.5, 2.0, 1.0, 0.0])
NAMED = np.where(np.arange(4) < 2, BITS.cumsum(axis=1) % 4, -1)

ADDITIVE = [
    *((nn.cross_entropy, SCORES, target) for target in (LABELS, SOME, SHARES)), (nn.cross_entropy, WORDS, TAGS),
    (partial(nn.cross_entropy, weight=WEIGHTS + 0.1, label_smoothing=0.2), SCORES, SOME),
    (partial(nn.cross_entropy, ignore_index=1), WORDS, TAGS), (nn.NLLLoss(WEIGHTS), SCORES, LABELS),
    (nn.CrossEntropyLoss(WEIGHTS, ignore_index=2), WORDS, TAGS), (nn.nll_loss, SCORES, SOME),
    (nn.binary_cross_entropy, SHARES, BITS), (nn.BCELoss(WEIGHTS), SHARES, BITS),
    (nn.BCEWithLogitsLoss(pos_weight=WEIGHTS), SCORES, BITS), (nn.MultiLabelSoftMarginLoss(WEIGHTS), SCORES, BITS),
    (nn.mse_loss, SCORES, SHARES), (nn.L1Loss(), SCORES, SHARES), (nn.SmoothL1Loss(beta=0.3), SCORES, SHARES),
    (nn.HuberLoss(delta=0.3), SCORES[:, 0], SHARES[:, 0]), (nn.PoissonNLLLoss(full=True), SCORES, SHARES),
    (nn.kl_div, SCORES, SHARES), (nn.KLDivLoss("batchmean", log_target=True), SCORES, SHARES),
    (nn.HingeEmbeddingLoss(), SCORES, SIGNS), (nn.SoftMarginLoss(), SCORES, SIGNS),
    (nn.MultiMarginLoss(weight=WEIGHTS), SCORES, LABELS), (nn.MultiLabelMarginLoss(), SCORES, NAMED),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "output", "target"), ADDITIVE)
def test_a_mean_of_ours_is_additive(loss, output, target):
    check_additive(loss, output, target)


def test_every_loss_of_an_output_and_a_target_is_in_the_table():
    of_more = {"gaussian_nll_loss", "margin_ranking_loss", "cosine_embedding_loss", "triplet_margin_loss"}
    of_more |= {"triplet_margin_with_distance_loss", "ctc_loss"}
    names = {name for name in nn.losses.__all__ if not isinstance(getattr(nn, name), type)}
    functions = {getattr(nn, name) for name in names - of_more} | {nn.cross_entropy}
    tested = {
        loss.func if isinstance(loss, partial) else getattr(type(loss), "function", loss) for loss, *_ in ADDITIVE
    }
    assert functions <= tested


NOT_ADDITIVE = [
    (partial(nn.cross_entropy, reduction="sum"), LABELS),
    (nn.CrossEntropyLoss(reduction="none"), LABELS),
    (nn.KLDivLoss("sum"), SHARES),
    (nn.cross_entropy, SHARES[:, 0]),  # the class probabilities of one sample
    (nn.MultiLabelMarginLoss(), NAMED[:, 0]),
    (partial(nn.mse_loss, weight=SHARES), SHARES),  # the weights of the samples in the batch
    (nn.CrossEntropyLoss(WEIGHTS, label_smoothing=0.2), LABELS),  # with label smoothing, labels of weight 0 have a loss
    (nn.BCELoss(SHARES), BITS),
    (nn.BCELoss(SHARES[:, :1]), BITS),
    (partial(nn.cross_entropy, SCORES), LABELS),
    (lambda out, y: nn.cross_entropy(out, y), LABELS),
    (nn.mse_loss, (SHARES, SHARES)),
]


@pytest.mark.parametrize(("loss", "target"), NOT_ADDITIVE)
def test_another_loss_declares_nothing(loss, target):
    assert denominator_of(loss, target) is None


class Sharper(nn.CrossEntropyLoss):
    def forward(self, out, y):
        return super().forward(out, y) * out.max()


@wraps(nn.cross_entropy)
def wrapped(out, y):
    return nn.cross_entropy(out, y) * out.max()


class Called:
    def __call__(self, out, y):
        return nn.mse_loss(out, y)

    def denominator(self, target):
        return target.size


class CalledOtherwise(Called):
    def __call__(self, out, y):
        return nn.mse_loss(out, y, reduction="sum")


def run_hooks():
    loss = nn.CrossEntropyLoss()
    loss.register_forward_hook(lambda module, inputs, out: out * 2)
    return loss


def test_a_declaration_counts_for_the_function_that_it_was_written_for():
    assert denominator_of(Called(), SHARES) == SHARES.size
    for loss in (Sharper(), wrapped, CalledOtherwise(), run_hooks()):
        assert denominator_of(loss, LABELS) is None
    Sharper.denominator = lambda self, target: None
    assert denominator_of(Sharper(), LABELS) is None


@nn.additive(lambda target: len(target))
def root_mean_square(out, target):
    return tg.sqrt(((out - target) ** 2).mean())


@nn.additive(lambda target: np.count_nonzero(target))
def masked(out, target):
    return (out * (target != 0)).sum() / max(np.count_nonzero(target), 1)


@nn.additive(lambda target: len(target))
def wrongly_counted(out, target):
    return (out * (target != 0)).sum() / np.count_nonzero(target)


@nn.additive(lambda target: 1.0)
def summed(out, target):
    return (out * target).sum()


def test_a_wrong_denominator_is_found():
    check_additive(masked, SCORES, BITS)
    for loss in (root_mean_square, wrongly_counted, summed):
        with pytest.raises(LawBroken, match=f"{loss.__name__} is not additive: the (losses|gradients|denominators) of"):
            check_additive(loss, SCORES, BITS + (np.arange(7) == 0)[:, None])


def test_what_cannot_be_checked_is_refused():
    with pytest.raises(DataError, match="<lambda> with the denominator None"):
        check_additive(lambda out, y: out.mean(), SCORES, LABELS)
    with pytest.raises(DataError, match="got 1 samples, and"):
        check_additive(nn.mse_loss, SCORES[:1], SHARES[:1])
    with pytest.raises(DTypeError, match="denominator of a loss must be a number"):
        denominator_of(nn.additive(lambda target: "many")(lambda out, y: out), LABELS)
