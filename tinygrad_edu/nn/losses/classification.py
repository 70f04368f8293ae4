"""Classification losses: cross entropy, negative log likelihood, binary and multilabel losses."""

from typing import Any

import numpy as np

from tinygrad_edu._checks import integer
from tinygrad_edu.engine import values_of
from tinygrad_edu.nn.additive import additive, elements, label_weights, rows
from tinygrad_edu.nn.losses.common import LossModule, Reduction, compared, times_weight
from tinygrad_edu.ops import cross_entropy, getitem, logsigmoid, mean, negative
from tinygrad_edu.ops.arithmetic import as_floating
from tinygrad_edu.ops.classification import clamped_cross_entropy, label_index, sigmoid_cross_entropy
from tinygrad_edu.ops.cross_entropies import (
    check_labels,
    class_weight,
    loss_of_labels,
    one_sample,
    reduce_losses,
    require_reduction,
)
from tinygrad_edu.ops.selection import keep

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "MultiLabelSoftMarginLoss", "NLLLoss", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "cross_entropy", "multilabel_soft_margin_loss", "nll_loss",
]  # fmt: skip

# --- One class of several ---

additive(label_weights)(cross_entropy)  # an op, which declares no more than its derivative


@additive(label_weights)
def nll_loss(
    input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: Reduction = "mean"
) -> Any:
    """Return the negative log likelihood of the labels. `cross_entropy` takes the logits instead.

    Parameters
    ----------
    input : (N, C, ...) floating, or (C,) for one sample
        Logarithms of probabilities, for example from `LogSoftmax(axis=1)`.
    target : (N, ...) integers
        Labels, each from 0 to C - 1.
    weight : (C,), optional
        What the loss of each class counts; "mean" divides by the weights of the labels.
    ignore_index : int
        Labels that equal it do not count.
    reduction : {"mean", "sum", "none"}
        Over the samples, and positions.

    Raises
    ------
    ShapeError, DTypeError, ValueError
        For labels or weights that do not fit, labels that are not integers or are out of range, another reduction.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> nll_loss(tg.Tensor([[-1.0, -5.0], [-7.0, -2.0]]), [0, 1])
    Tensor(1.5, shape=(), dtype=float32)
    """
    name, log_p, labels = "nll_loss", as_floating(input), np.asarray(values_of(target))
    require_reduction(name, reduction)
    if log_p.ndim == 1:
        return one_sample(nll_loss, log_p, labels, reduction, weight=weight, ignore_index=ignore_index)
    index = integer(f"{name}: ignore_index", ignore_index)
    counts = check_labels(name, "log probabilities", log_p.shape, labels, index)
    weight = None if weight is None else class_weight(name, weight, log_p.shape[1], log_p)
    return loss_of_labels(
        lambda log_p, labels: negative(getitem(log_p, label_index(labels))), log_p, labels, counts, weight, reduction
    )


class CrossEntropyLoss(LossModule):
    """`cross_entropy` as a module: of logits (N, C, ...) and integer labels or probabilities."""

    function = staticmethod(cross_entropy)

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:  # fmt: skip
        self._store_settings(
            weight=weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
        )


class NLLLoss(LossModule):
    """`nll_loss` as a module: of logarithms of probabilities (N, C, ...) and integer labels."""

    function = staticmethod(nll_loss)

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: Reduction = "mean") -> None:
        self._store_settings(weight=weight, ignore_index=ignore_index, reduction=reduction)


# --- Yes or no, once or several times ---


def _require_probabilities(name: str, what: str, p: Any) -> None:
    values = values_of(p)
    if values.size and not np.all((values >= 0) & (values <= 1)):
        raise ValueError(f"{name}: {what}; these are not all from 0 to 1.")


def _binary_inputs(name: str, input: Any, target: Any, reduction: str) -> tuple[Any, Any]:
    x, t = compared(name, input, target, reduction)
    _require_probabilities(name, "targets are probabilities, or labels 0 and 1", t)
    return x, t


@additive(elements)
def binary_cross_entropy(input: Any, target: Any, weight: Any = None, reduction: Reduction = "mean") -> Any:
    """Return the cross entropy of probabilities against the targets: `binary_cross_entropy_with_logits` is safer.

    Parameters
    ----------
    input : array_like, floating
        Probabilities, of any shape. Their logarithms are held at -100, so that of 0 and 1 the loss is finite.
    target : array_like, of that shape
        Probabilities, or labels 0 and 1.
    weight : array_like, optional
        What each loss counts; it broadcasts to that shape. "mean" divides by the number of losses.
    reduction : {"mean", "sum", "none"}
        Over all elements.

    Raises
    ------
    ShapeError
        For different shapes, and weights that do not fit.
    ValueError
        For inputs or targets outside of [0, 1], and another reduction.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> binary_cross_entropy(tg.Tensor([0.5, 1.0]), [1, 0], reduction="none").numpy().round(4)
    array([  0.6931, 100.    ], dtype=float32)
    """
    p, t = _binary_inputs("binary_cross_entropy", input, target, reduction)
    _require_probabilities("binary_cross_entropy", "the input has probabilities, such as from Sigmoid()", p)
    return reduce_losses(times_weight("binary_cross_entropy", clamped_cross_entropy(p, t), weight), reduction)


@additive(elements)
def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, reduction: Reduction = "mean", pos_weight: Any = None
) -> Any:
    """Return the cross entropy of sigmoid(input) against the targets, stable for logits of any size.

    Parameters
    ----------
    input : array_like, floating
        Logits, of any shape.
    target : array_like, of that shape
        Probabilities, or labels 0 and 1.
    weight : array_like, optional
        What each loss counts; it broadcasts to that shape. "mean" divides by the number of losses.
    reduction : {"mean", "sum", "none"}
        Over all elements.
    pos_weight : array_like, optional
        What the part of a loss counts that the target 1 has; it broadcasts, too: (C,) for a target (N, C).

    Raises
    ------
    ShapeError
        For different shapes, and weights that do not fit.
    ValueError
        For targets outside of [0, 1], and another reduction.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> binary_cross_entropy_with_logits(tg.Tensor([1e4, -1e4]), [0, 0], reduction="sum")
    Tensor(10000., shape=(), dtype=float32)
    """
    name = "binary_cross_entropy_with_logits"
    x, t = _binary_inputs(name, input, target, reduction)
    if pos_weight is None:
        losses = sigmoid_cross_entropy(x, t)
    else:
        losses = times_weight(name, _binary_term(t, x), pos_weight) + _binary_term(1 - t, -x)
    return reduce_losses(times_weight(name, losses, weight), reduction)


def _binary_term(targets: Any, logits: Any) -> Any:
    """Return -targets log(sigmoid(logits)), where as in `sigmoid_cross_entropy` 0 times infinity counts as 0."""
    missed = negative(logsigmoid(logits))
    return targets * keep(missed, (targets != 0) | np.isfinite(values_of(missed)))


@additive(rows)
def multilabel_soft_margin_loss(input: Any, target: Any, weight: Any = None, reduction: Reduction = "mean") -> Any:
    """Return, for each sample, the mean over its classes of `binary_cross_entropy_with_logits`.

    Parameters
    ----------
    input : (..., C) floating
        Logits.
    target : (..., C)
        Labels 0 and 1: any number of classes may be right.
    weight : (C,), optional
        What the loss of each class counts.
    reduction : {"mean", "sum", "none"}
        Over the samples.

    Raises
    ------
    ShapeError, ValueError
        As `binary_cross_entropy_with_logits`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> multilabel_soft_margin_loss(tg.Tensor([[0.0, 0.0], [1e4, 1.0]]), [[1, 0], [0, 1]], reduction="none").shape
    (2,)
    """
    name = "multilabel_soft_margin_loss"
    x, t = _binary_inputs(name, input, target, reduction)
    return reduce_losses(mean(times_weight(name, sigmoid_cross_entropy(x, t), weight), axis=-1), reduction)


class BCELoss(LossModule):
    """`binary_cross_entropy` as a module: of probabilities. `BCEWithLogitsLoss` is safer."""

    function = staticmethod(binary_cross_entropy)

    def __init__(self, weight: Any = None, reduction: Reduction = "mean") -> None:
        self._store_settings(weight=weight, reduction=reduction)


class BCEWithLogitsLoss(LossModule):
    """`binary_cross_entropy_with_logits` as a module."""

    function = staticmethod(binary_cross_entropy_with_logits)

    def __init__(self, weight: Any = None, reduction: Reduction = "mean", pos_weight: Any = None) -> None:
        self._store_settings(weight=weight, reduction=reduction, pos_weight=pos_weight)


class MultiLabelSoftMarginLoss(LossModule):
    """`multilabel_soft_margin_loss` as a module."""

    function = staticmethod(multilabel_soft_margin_loss)

    def __init__(self, weight: Any = None, reduction: Reduction = "mean") -> None:
        self._store_settings(weight=weight, reduction=reduction)
