"""Metrics: compared with manual results and plain formulas, and independent of the batching."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import errors, nn
from tinygrad_edu.training import (
    Accuracy,
    BinaryAccuracy,
    CalibrationCurve,
    ConfusionMatrix,
    F1Score,
    Mean,
    MeanAbsoluteError,
    MeanSquaredError,
    Metric,
    Perplexity,
    TopKAccuracy,
)

# Six samples of three classes. Predictions: 0, 0, 1, 2, 2, 1. Class 2 has one TP, one FP and one FN.
LOGITS = np.array([[3, 1, 0], [2, 1, 0], [0, 5, 1], [0, 1, 2], [1, 0, 2], [0, 3, 2]], np.float32)
LABELS = np.array([0, 1, 1, 2, 0, 2])
UNDECIDED = np.zeros((3, 8))

BY_HAND = {
    "accuracy": (Accuracy(), LOGITS, LABELS, 3 / 6),
    "accuracy of one logit": (Accuracy(), [[-2.0], [0.5], [3.0], [0.0]], [0, 1, 0, 0], 3 / 4),
    "accuracy of one logit, flat": (Accuracy(), [-2.0, 0.5, 3.0, 0.0], [0, 1, 0, 0], 3 / 4),
    "accuracy of positions, with ignored labels": (
        Accuracy(), [[[3.0, 0.0, 0.0], [1.0, 1.0, 1.0]]], [[0, 0, -100]], 1 / 2,
    ),
    "accuracy, ties go to the first": (Accuracy(), UNDECIDED, [0, 1, 0], 2 / 3),
    "accuracy of nothing": (Accuracy(), np.zeros((0, 3)), np.zeros(0, int), math.nan),
    "top 2": (TopKAccuracy(k=2), LOGITS, LABELS, 1.0),
    "top 1": (TopKAccuracy(k=1), LOGITS, LABELS, 3 / 6),
    "top 3, ties": (TopKAccuracy(k=3), UNDECIDED, [0, 2, 3], 2 / 3),
    "binary": (BinaryAccuracy(), [[1.5, -0.2], [-3.0, 0.1]], [[1, 0], [1, 1]], 3 / 4),
    "binary, of probabilities": (BinaryAccuracy(threshold=0.5), [0.2, 0.7, 0.6], [False, True, False], 2 / 3),
    "confusion": (ConfusionMatrix(), LOGITS, LABELS, [[1, 0, 1], [1, 1, 0], [0, 1, 1]]),
    "calibration": (
        CalibrationCurve(bins=2), np.log([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]), [0, 0, 0],
        [[math.nan, math.nan, 0], [(0.9 + 0.8 + 0.5) / 3, 2 / 3, 3]],
    ),
    "calibration, sure": (CalibrationCurve(bins=1), [[1e4, 0.0], [0.0, 1e4]], [0, 0], [[1, 0.5, 2]]),
    "calibration, NaN": (CalibrationCurve(bins=1), [[math.nan, 0.0]], [0], [[math.nan, 1, 1]]),
    "F1 of each": (F1Score(average=None), LOGITS, LABELS, [1 / 2, 1 / 2, 1 / 2]),
    "F1 of each, one perfect and one missing": (
        F1Score(average=None), [[9, 0, 0, 0], [0, 9, 0, 0], [0, 9, 0, 0]], [0, 1, 2], [1, 2 / 3, 0, math.nan],
    ),
    "F1, macro": (F1Score(), [[9, 0, 0, 0], [0, 9, 0, 0], [0, 9, 0, 0]], [0, 1, 2], (1 + 2 / 3) / 3),
    "F1, micro": (F1Score(average="micro"), LOGITS, LABELS, 3 / 6),
    "F1 of one logit": (F1Score(average=None), [1.0, 1.0, -1.0, 1.0], [1, 0, 0, 1], [2 / 3, 4 / 5]),
    "F1 of nothing": (F1Score(), np.zeros((0, 3)), np.zeros(0, int), math.nan),
    "mean absolute error": (MeanAbsoluteError(), [[1.0, 2.0], [0.0, -1.0]], [[0.0, 4.0], [0.0, 1.0]], 5 / 4),
    "mean squared error": (MeanSquaredError(), [[1.0, 2.0], [0.0, -1.0]], [[0.0, 4.0], [0.0, 1.0]], 9 / 4),
    "errors of bytes do not wrap": (MeanAbsoluteError(), np.uint8([1]), np.uint8([3]), 2.0),
    "perplexity, undecided": (Perplexity(), UNDECIDED, [0, 7, 3], 8.0),
    "perplexity, of odds 1 to 3": (Perplexity(), [[0.0, math.log(3.0)]], [1], 4 / 3),
    "perplexity, sure and wrong": (Perplexity(), [[1e4, 0.0]], [1], math.inf),
    "perplexity, with ignored labels": (Perplexity(), UNDECIDED, [0, -100, -100], 8.0),
    "mean": (Mean(lambda outputs, targets: outputs * targets), np.array([1.0, 2.0]), np.array([3.0, 4.0]), 11 / 2),
}  # fmt: skip


@pytest.mark.parametrize("case", BY_HAND)
def test_by_hand(case):
    metric, outputs, targets, wanted = BY_HAND[case]
    np.testing.assert_allclose(metric(outputs, targets), wanted, rtol=1e-12)


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def calibration(logits, labels, bins):
    """Sort the predictions into intervals one by one."""
    rows = [[] for _ in range(bins)]
    for row, label in zip(log_softmax(logits), labels, strict=True):
        sure = np.exp(row.max())
        rows[max(k for k in range(bins) if sure >= k / bins)].append((sure, row.argmax() == label, 1))
    return [[*np.mean(row, axis=0)[:2], len(row)] if row else [math.nan, math.nan, 0] for row in rows]


def f1(logits, labels, average):
    answers = logits.argmax(axis=1)
    scores = []
    for c in range(logits.shape[1]):
        right = ((answers == c) & (labels == c)).sum()
        wrong = ((answers == c) != (labels == c)).sum()
        scores.append(2 * right / (2 * right + wrong) if right + wrong else math.nan)
    return scores if average is None else np.nanmean(scores)


# Each classification metric, with a plain formula for all samples.
FORMULAS = {
    Accuracy(): lambda x, y: np.mean(x.argmax(axis=1) == y),
    TopKAccuracy(k=2): lambda x, y: np.mean([label in np.argsort(-row, kind="stable")[:2] for row, label in zip(x, y)]),  # noqa: B905
    ConfusionMatrix(): lambda x, y: [
        [((y == i) & (x.argmax(axis=1) == j)).sum() for j in range(x.shape[1])] for i in range(x.shape[1])
    ],
    CalibrationCurve(bins=7): lambda x, y: calibration(x, y, 7),
    F1Score(): lambda x, y: f1(x, y, "macro"),
    F1Score(average="micro"): lambda x, y: np.mean(x.argmax(axis=1) == y),
    F1Score(average=None): lambda x, y: f1(x, y, None),
    Perplexity(): lambda x, y: np.exp(-log_softmax(x)[np.arange(len(y)), y].mean()),
    Mean(partial(nn.cross_entropy, reduction="none")): lambda x, y: np.log(FORMULAS[Perplexity()](x, y)),
    MeanSquaredError(): lambda x, y: np.mean((x - np.eye(x.shape[1])[y]) ** 2),
    MeanAbsoluteError(): lambda x, y: np.mean(np.abs(x - np.eye(x.shape[1])[y])),
    BinaryAccuracy(): lambda x, y: np.mean((x > 0) == np.eye(x.shape[1])[y]),
}  # fmt: skip


@pytest.mark.parametrize("metric", FORMULAS, ids=lambda metric: type(metric).__name__)
@given(data=st.data())
def test_over_batches_of_any_size_it_is_the_formula_of_all_samples(metric, data):
    count, classes = data.draw(st.integers(1, 12)), data.draw(st.integers(2, 5))
    # Small integers: many ties, and many classes that do not occur.
    x = np.array(data.draw(st.lists(st.integers(-3, 3), min_size=count * classes, max_size=count * classes)), float)
    x, y = (
        x.reshape(count, classes),
        np.array(data.draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count))),
    )
    wanted = FORMULAS[metric](x, y)
    if isinstance(metric, MeanSquaredError | MeanAbsoluteError | BinaryAccuracy):
        y = np.eye(classes)[y]
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=4)))
    batches = [slice(a, b) for a, b in zip([0, *cuts], [*cuts, count], strict=True)]
    found = metric.value(sum(metric.sums(x[batch], y[batch]) for batch in batches))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    np.testing.assert_allclose(metric(x, y), wanted, rtol=1e-12)


REFUSED = [
    (Accuracy(), LOGITS, LABELS[:, None], errors.ShapeError, r"labels must have shape \(6,\), got \(6, 1\)"),
    (Accuracy(), LOGITS, LABELS + 1, errors.DataError, "from 0 to 2 for 3 classes, got labels from 1 to 3"),
    (Perplexity(), LOGITS, -LABELS, errors.DataError, "got labels from -2 to 0"),
    (F1Score(), LOGITS, LABELS.astype(float), errors.DTypeError, "integer labels, got float64"),
    (BinaryAccuracy(), LOGITS, LABELS, errors.ShapeError, r"same shape, got \(6, 3\) and \(6,\)"),
    (BinaryAccuracy(), LOGITS, LOGITS, errors.DataError, "targets must be 0 and 1"),
    (MeanSquaredError(), np.zeros((4, 1)), np.zeros(4), errors.ShapeError, "Reshape one of them"),
    (Mean(nn.cross_entropy), LOGITS, LABELS, errors.ShapeError, "set reduction='none'"),
    (Metric(), LOGITS, LABELS, NotImplementedError, r"define sums\(self, outputs, targets\)"),
]


@pytest.mark.parametrize(("metric", "outputs", "targets", "error", "message"), REFUSED)
def test_what_does_not_fit_is_refused(metric, outputs, targets, error, message):
    with pytest.raises(error, match=message):
        metric(outputs, targets)


@pytest.mark.parametrize(
    ("make", "error"), [(lambda: TopKAccuracy(k=0), ValueError), (lambda: F1Score("mean"), ValueError)]
)
def test_settings_that_cannot_be_are_refused(make, error):
    with pytest.raises(error):
        make()
