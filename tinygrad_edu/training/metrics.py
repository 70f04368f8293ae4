"""Metrics, computed from sums and counts, so that batching does not change them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import values_of
from tinygrad_edu.errors import DataError, DTypeError, ShapeError
from tinygrad_edu.errors.checks import integer, invalid_choice

__all__ = [
    "Accuracy", "BinaryAccuracy", "CalibrationCurve", "ConfusionMatrix", "F1Score", "Mean", "MeanAbsoluteError",
    "MeanSquaredError", "Metric", "Perplexity", "TopKAccuracy",
]  # fmt: skip


class Metric:
    """Base class of metrics. A subclass defines `sums` and `value`.

    A metric is a function of outputs and targets. Over several batches, the results of `sums` are added, and `value`
    computes the metric from the total.

    Examples
    --------
    The coefficient of determination (R squared):

    >>> class R2Score(Metric):
    ...     def sums(self, outputs, targets):
    ...         return np.array([((outputs - targets) ** 2).sum(), (targets**2).sum(), targets.sum(), targets.size])
    ...
    ...     def value(self, sums):
    ...         unexplained, squares, total, count = sums
    ...         return 1 - unexplained / (squares - total**2 / count)
    >>> r2 = R2Score()
    >>> float(r2([1.0, 2.0, 4.0], [1.0, 2.0, 3.0]))
    0.5
    >>> batches = [(np.array([1.0, 2.0]), np.array([1.0, 2.0])), (np.array([4.0]), np.array([3.0]))]
    >>> float(r2.value(sum(r2.sums(*batch) for batch in batches)))
    0.5
    """

    def __call__(self, outputs: Any, targets: Any) -> Any:
        """Return the metric of a single batch of outputs and targets."""
        return self.value(self.sums(np.asarray(values_of(outputs)), np.asarray(values_of(targets))))

    def sums(self, outputs: Any, targets: Any) -> ndarray:
        """Return the sums of a batch, an array that is added over batches."""
        raise NotImplementedError(f"{type(self).__name__} must define sums(self, outputs, targets).")

    def value(self, sums: ndarray) -> Any:
        """Return the metric from the sums of all batches. By default, it is a mean: total / count."""
        total, count = sums.tolist()
        return total / count if count else math.nan


@dataclass(frozen=True)
class Accuracy(Metric):
    """Fraction of samples whose label has the largest logit. Among equal logits, the first counts.

    Parameters
    ----------
    ignore_index : int, default -100
        Label of samples to ignore, as in `cross_entropy`.

    Notes
    -----
    Outputs are logits (N, C, ...), and targets are integer labels (N, ...). A single logit per sample, (N,) or (N, 1),
    is the logit of class 1 against class 0. All classification metrics use this convention, and raise a ShapeError,
    DTypeError or DataError for invalid arrays.

    Examples
    --------
    >>> Accuracy()([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0], [0.5, 0.0]], [0, 1, 1, 0])
    0.75
    """

    ignore_index: int = -100

    def sums(self, outputs: ndarray, targets: ndarray) -> ndarray:
        """Return the number of correct predictions, and the number of all predictions."""
        logits, labels = _logits_and_labels("Accuracy", outputs, targets, self.ignore_index)
        return _total_and_count(logits.argmax(axis=1) == labels)


@dataclass(frozen=True)
class TopKAccuracy(Metric):
    """Fraction of samples whose label is among the `k` largest logits. With k = 1 it equals `Accuracy`.

    Parameters
    ----------
    k : int, default 5
        Number of largest logits.
    ignore_index : int, default -100
        Label of samples to ignore, as in `cross_entropy`.

    Examples
    --------
    >>> logits = [[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]
    >>> TopKAccuracy(k=2)(logits, [1, 2])
    0.5
    """

    k: int = 5
    ignore_index: int = -100

    def __post_init__(self) -> None:
        integer("k", self.k, 1)

    def sums(self, outputs: ndarray, targets: ndarray) -> ndarray:
        """Return the number of correct predictions, and the number of all predictions."""
        logits, labels = _logits_and_labels("TopKAccuracy", outputs, targets, self.ignore_index)
        own, columns = np.take_along_axis(logits, labels[:, None], axis=1), np.arange(logits.shape[1])
        before = (logits > own) | ((logits == own) & (columns < labels[:, None]))
        return _total_and_count((before.sum(axis=1) < self.k) & ~np.isnan(own[:, 0]))


@dataclass(frozen=True)
class BinaryAccuracy(Metric):
    """Fraction of correct binary predictions, for one or several labels per sample.

    Parameters
    ----------
    threshold : float, default 0.0
        Outputs above it predict 1. Use 0 for logits and 0.5 for probabilities.

    Notes
    -----
    Targets have the shape of the outputs, and are 0 and 1, or booleans.

    Examples
    --------
    >>> BinaryAccuracy()([[1.5, -0.2], [-3.0, 0.1]], [[1, 0], [1, 1]])
    0.75
    """

    threshold: float = 0.0

    def sums(self, outputs: ndarray, targets: ndarray) -> ndarray:
        """Return the number of correct predictions, and the number of all predictions."""
        _require_same_shape("BinaryAccuracy", outputs, targets)
        if not np.isin(targets, (0, 1)).all():
            raise DataError("BinaryAccuracy: targets must be 0 and 1, or booleans. For class labels, use Accuracy.")
        return _total_and_count((outputs > self.threshold) == targets.astype(bool))


@dataclass(frozen=True)
class CalibrationCurve(Metric):
    """Accuracy of predictions by their confidence. A model is calibrated if the two are equal.

    The confidence of a prediction is its probability, the largest one of the softmax of the logits.

    Parameters
    ----------
    bins : int, default 10
        Number of intervals of equal width from 0 to 1. A confidence on a boundary belongs to the upper interval.
    ignore_index : int, default -100
        Label of samples to ignore, as in `cross_entropy`.

    Notes
    -----
    The result is an array (bins, 3): in each row the mean confidence, the accuracy and the number of the predictions
    with a confidence in this interval. Without predictions, the first two are NaN. The expected calibration error is
    the mean of abs(confidence - accuracy), weighted by the numbers: C. Guo and others, "On Calibration of Modern Neural
    Networks", 2017.

    Examples
    --------
    >>> logits = np.log([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])
    >>> CalibrationCurve(bins=4)(logits, [0, 1, 0, 0]).round(2)
    array([[ nan,  nan, 0.  ],
           [ nan,  nan, 0.  ],
           [0.65, 0.5 , 2.  ],
           [0.85, 1.  , 2.  ]])
    """

    bins: int = 10
    ignore_index: int = -100

    def __post_init__(self) -> None:
        integer("bins", self.bins, 1)

    def sums(self, outputs: ndarray, targets: ndarray) -> ndarray:
        """Return the sum of the confidences, the number of correct predictions and the number of all, by interval."""
        logits, labels = _logits_and_labels("CalibrationCurve", outputs, targets, self.ignore_index)
        confidence = np.exp(_log_softmax(logits).max(axis=1, initial=-np.inf))
        interval = np.searchsorted(np.linspace(0, 1, self.bins + 1)[1:-1], confidence, side="right")
        columns = (confidence, logits.argmax(axis=1) == labels, np.ones(len(labels)))
        return np.stack([np.bincount(interval, column, self.bins) for column in columns], axis=1)

    def value(self, sums: ndarray) -> ndarray:
        """Return the mean confidence, the accuracy and the number of predictions, by interval."""
        count = sums[:, 2:]
        means = np.divide(sums[:, :2], count, out=np.full_like(sums[:, :2], np.nan), where=count > 0)
        return np.concatenate([means, count], axis=1)


@dataclass(frozen=True)
class ConfusionMatrix(Metric):
    """Counts of samples by true class (row) and predicted class (column), as integers (C, C).

    Parameters
    ----------
    ignore_index : int, default -100
        Label of samples to ignore, as in `cross_entropy`.

    Examples
    --------
    >>> ConfusionMatrix()([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]], [0, 1, 1])
    array([[1, 0],
           [1, 1]])
    """

    ignore_index: int = -100

    def sums(self, outputs: ndarray, targets: ndarray) -> ndarray:
        """Return the confusion matrix of a batch."""
        return _confusion_matrix("ConfusionMatrix", outputs, targets, self.ignore_index)

    def value(self, sums: ndarray) -> ndarray:
        """Return the confusion matrix."""
        return sums


@dataclass(frozen=True)
class F1Score(Metric):
    """F1 score, the harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN) for each class.

    Parameters
    ----------
    average : {"macro", "micro", None}, default "macro"
        "macro": the mean over the classes that occur among labels or predictions. "micro": the score of the summed
        counts, which is the accuracy. None: the score of each class, an array (C,), NaN for classes that do not occur.
    ignore_index : int, default -100
        Label of samples to ignore, as in `cross_entropy`.

    Examples
    --------
    >>> outputs, targets = [[2.0, 1.0], [0.0, 3.0], [1.0, 0.0], [0.5, 0.0]], [0, 1, 1, 0]
    >>> F1Score(average=None)(outputs, targets).round(3)
    array([0.8  , 0.667])
    >>> round(F1Score()(outputs, targets), 3)
    0.733
    """

    average: Literal["macro", "micro"] | None = "macro"
    ignore_index: int = -100

    def __post_init__(self) -> None:
        if self.average not in ("macro", "micro", None):
            raise invalid_choice("F1Score: average", self.average, ("macro", "micro", None))

    def sums(self, outputs: ndarray, targets: ndarray) -> ndarray:
        """Return the confusion matrix of a batch."""
        return _confusion_matrix("F1Score", outputs, targets, self.ignore_index)

    def value(self, sums: ndarray) -> Any:
        """Return the score, or the scores of the classes."""
        right, all_of = np.diag(sums), sums.sum(axis=0) + sums.sum(axis=1)
        if self.average == "micro":
            right, all_of = right.sum(keepdims=True), all_of.sum(keepdims=True)
        scores = np.divide(2.0 * right, all_of, out=np.full(len(right), np.nan), where=all_of > 0)
        if self.average is None:
            return scores
        return float(scores[all_of > 0].mean()) if all_of.any() else math.nan


@dataclass(frozen=True)
class Mean(Metric):
    """Mean of a function over samples, such as a loss.

    Parameters
    ----------
    function : callable
        Function of outputs and targets that returns an array with one number per sample (or position), not a mean.

    Examples
    --------
    >>> from functools import partial
    >>> from tinygrad_edu import nn
    >>> loss = Mean(partial(nn.huber_loss, reduction="none"))
    >>> loss(np.array([1.0, 4.0]), np.array([1.0, 2.0]))
    0.75
    """

    function: Callable[[Any, Any], Any]

    def sums(self, outputs: ndarray, targets: ndarray) -> ndarray:
        """Return the total and the number of values."""
        values = np.asarray(values_of(self.function(outputs, targets)))
        if not values.ndim:
            raise ShapeError(
                "Mean: the function must return one number per sample, got a scalar; a mean of batch means is wrong if "
                "batches differ in size. For a loss, set reduction='none'."
            )
        return _total_and_count(values)


@dataclass(frozen=True)
class MeanAbsoluteError(Metric):
    """Mean of abs(output - target) over all elements.

    Examples
    --------
    >>> MeanAbsoluteError()([[1.0, 2.0]], [[0.0, 4.0]])
    1.5
    """

    def sums(self, outputs: ndarray, targets: ndarray) -> ndarray:
        """Return the sum and the number of the errors."""
        return _total_and_count(np.abs(_differences("MeanAbsoluteError", outputs, targets)))


@dataclass(frozen=True)
class MeanSquaredError(Metric):
    """Mean of (output - target)**2 over all elements.

    Examples
    --------
    >>> MeanSquaredError()([[1.0, 2.0]], [[0.0, 4.0]])
    2.5
    """

    def sums(self, outputs: ndarray, targets: ndarray) -> ndarray:
        """Return the sum and the number of the squared errors."""
        return _total_and_count(_differences("MeanSquaredError", outputs, targets) ** 2)


@dataclass(frozen=True)
class Perplexity(Metric):
    """Perplexity: the exponential of the mean cross entropy.

    Parameters
    ----------
    ignore_index : int, default -100
        Label of samples to ignore, as in `cross_entropy`.

    Examples
    --------
    >>> round(Perplexity()([[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]], [3, 1]), 6)
    4.0
    """

    ignore_index: int = -100

    def sums(self, outputs: ndarray, targets: ndarray) -> ndarray:
        """Return the sum and the number of the cross entropies."""
        logits, labels = _logits_and_labels("Perplexity", outputs, targets, self.ignore_index)
        return _total_and_count(-np.take_along_axis(_log_softmax(logits), labels[:, None], axis=1))

    def value(self, sums: ndarray) -> float:
        """Return the exponential of the mean, or infinity if it overflows."""
        with np.errstate(over="ignore"):
            return float(np.exp(super().value(sums)))


def _log_softmax(logits: ndarray) -> ndarray:
    """Return the logarithms of the probabilities of each row in float64, without overflow."""
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True, initial=-np.inf)
    log_probabilities: ndarray = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
    return log_probabilities


def _total_and_count(values: ndarray) -> ndarray:
    total = np.count_nonzero(values) if values.dtype == bool else values.sum(dtype=np.float64)
    return np.array([total, values.size], np.float64)


def _logits_and_labels(name: str, outputs: ndarray, targets: ndarray, ignore_index: int) -> tuple[ndarray, ndarray]:
    """Return the logits (M, C) and labels (M,) of the positions that are not ignored."""
    if outputs.ndim < 2 or (outputs.shape[1] == 1 and outputs.ndim == 2):
        outputs = np.stack([np.zeros(outputs.size, outputs.dtype), outputs.reshape(-1)], axis=1)
    if targets.dtype.kind not in "iub":
        raise DTypeError(f"{name}: targets must be integer labels, got {targets.dtype}.")
    if targets.shape != outputs.shape[:1] + outputs.shape[2:]:
        raise ShapeError(
            f"{name}: for outputs of shape {outputs.shape}, labels must have shape "
            f"{outputs.shape[:1] + outputs.shape[2:]}, got {targets.shape}. Reshape the labels."
        )
    labels, classes = targets.reshape(-1), outputs.shape[1]
    logits = outputs if outputs.ndim == 2 else np.moveaxis(outputs, 1, -1).reshape(-1, classes)
    if _in_range(labels, classes) and not 0 <= ignore_index < classes:  # no label is ignored
        return logits, labels.astype(np.intp, copy=False)
    counted = labels != ignore_index
    logits, labels = logits[counted], labels[counted]
    if labels.size and not _in_range(labels, classes):
        raise DataError(
            f"{name}: labels must be from 0 to {classes - 1} for {classes} classes, got labels from {labels.min()} to "
            f"{labels.max()}."
        )
    return logits, labels.astype(np.intp)


def _in_range(labels: ndarray, classes: int) -> bool:
    return bool(labels.size and labels.min() >= 0 and labels.max() < classes)


def _confusion_matrix(name: str, outputs: ndarray, targets: ndarray, ignore_index: int) -> ndarray:
    logits, labels = _logits_and_labels(name, outputs, targets, ignore_index)
    classes = logits.shape[1]
    counts = np.bincount(classes * labels + logits.argmax(axis=1), minlength=classes**2)
    return counts.reshape(classes, classes)


def _differences(name: str, outputs: ndarray, targets: ndarray) -> ndarray:
    _require_same_shape(name, outputs, targets)
    return np.asarray(np.subtract(outputs, targets, dtype=np.float64))


def _require_same_shape(name: str, outputs: ndarray, targets: ndarray) -> None:
    if outputs.shape != targets.shape:
        raise ShapeError(
            f"{name}: outputs and targets must have the same shape, got {outputs.shape} and {targets.shape}. "
            f"Reshape one of them."
        )
