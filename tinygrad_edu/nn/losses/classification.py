"""Classification losses: cross entropy, negative log likelihood, binary and multilabel losses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_edu.engine import Array, Tensor, TensorLike, batched, everywhere, to_array, values_of
from tinygrad_edu.errors.checks import integer
from tinygrad_edu.nn.losses.additive import additive, elements, label_weights, rows
from tinygrad_edu.nn.losses.common import LossModule, Reduction, compared, times_weight
from tinygrad_edu.ops import cross_entropy, getitem, logsigmoid, mean, negative
from tinygrad_edu.ops.elementwise.arithmetic import as_floating
from tinygrad_edu.ops.elementwise.selection import keep
from tinygrad_edu.ops.networks.cross_entropies import (
    check_labels,
    class_weight,
    cross_entropy_of_samples,
    loss_of_labels,
    one_sample,
    reduce_losses,
    require_reduction,
)
from tinygrad_edu.ops.networks.softmax import clamped_cross_entropy, label_index, sigmoid_cross_entropy

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "MultiLabelSoftMarginLoss", "NLLLoss", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "cross_entropy", "multilabel_soft_margin_loss", "nll_loss",
]  # fmt: skip

# --- Multiclass ---

additive(label_weights)(cross_entropy)  # ops declare their gradients only


@additive(label_weights)
@batched(cross_entropy_of_samples, inputs=2)
def nll_loss(
    input: TensorLike, target: ArrayLike, weight: TensorLike | None = None, ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> Tensor | Array:  # fmt: skip
    """Return the negative log likelihood of labels, given log probabilities. For logits, use `cross_entropy`.

    Parameters
    ----------
    input : (N, C, ...) floating, or (C,) for one sample
        Log probabilities, such as the output of `LogSoftmax(axis=1)`.
    target : (N, ...) integers
        Labels from 0 to C - 1.
    weight : (C,), optional
        Weight of each class. "mean" divides by the sum of the weights of the labels.
    ignore_index : int, default -100
        Label that is ignored.
    reduction : {"mean", "sum", "none"}, default "mean"
        Reduction over samples and positions.

    Raises
    ------
    ShapeError, DTypeError, ValueError
        A shape does not match, a label is not an integer or is out of range, or the reduction is unknown.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> nll_loss(tg.Tensor([[-1.0, -5.0], [-7.0, -2.0]]), [0, 1])
    Tensor(1.5, shape=(), dtype=float32)
    """
    name, log_p, labels = "nll_loss", as_floating(input), to_array(target)
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
    """`cross_entropy` as a module, for logits (N, C, ...) and integer labels or class probabilities.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> CrossEntropyLoss()(tg.Tensor([[2.0, 2.0], [2.0, 2.0]]), [0, 1])
    Tensor(0.6931472, shape=(), dtype=float32)
    """

    function = staticmethod(cross_entropy)

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:  # fmt: skip
        self._store_settings(
            weight=weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
        )


class NLLLoss(LossModule):
    """`nll_loss` as a module, for log probabilities (N, C, ...) and integer labels.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> NLLLoss()(tg.Tensor([[-1.0, -5.0], [-7.0, -2.0]]), [0, 1])
    Tensor(1.5, shape=(), dtype=float32)
    """

    function = staticmethod(nll_loss)

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: Reduction = "mean") -> None:
        self._store_settings(weight=weight, ignore_index=ignore_index, reduction=reduction)


# --- Binary and multilabel ---


def _require_probabilities(name: str, requirement: str, p: Any) -> None:
    values = values_of(p)
    if values.size and not everywhere((values >= 0) & (values <= 1)):
        raise ValueError(f"{name}: {requirement}, got values outside of [0, 1].")


def _binary_inputs(name: str, input: Any, target: Any, reduction: str) -> tuple[Any, Any]:
    x, t = compared(name, input, target, reduction)
    _require_probabilities(name, "targets must be probabilities, or labels 0 and 1", t)
    return x, t


@additive(elements)
def binary_cross_entropy(
    input: TensorLike, target: TensorLike, weight: TensorLike | None = None, reduction: Reduction = "mean"
) -> Tensor | Array:
    """Return the binary cross entropy of probabilities. `binary_cross_entropy_with_logits` is numerically stable.

    Parameters
    ----------
    input : array_like, floating
        Probabilities of any shape. Their logarithms are clipped to at least -100, so that the loss is finite.
    target : array_like, of the shape of `input`
        Probabilities, or labels 0 and 1.
    weight : array_like, optional
        Weight of each loss, broadcast to the shape of `input`. "mean" divides by the number of losses.
    reduction : {"mean", "sum", "none"}, default "mean"
        Reduction over all elements.

    Raises
    ------
    ShapeError
        The shapes differ, or the weights do not broadcast.
    ValueError
        An input or target is outside of [0, 1], or the reduction is unknown.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> binary_cross_entropy(tg.Tensor([0.5, 1.0]), [1, 0], reduction="none").numpy().round(4)
    array([  0.6931, 100.    ], dtype=float32)
    """
    p, t = _binary_inputs("binary_cross_entropy", input, target, reduction)
    _require_probabilities("binary_cross_entropy", "inputs must be probabilities, such as outputs of Sigmoid()", p)
    return reduce_losses(times_weight("binary_cross_entropy", clamped_cross_entropy(p, t), weight), reduction)


@additive(elements)
def binary_cross_entropy_with_logits(
    input: TensorLike, target: TensorLike, weight: TensorLike | None = None, reduction: Reduction = "mean",
    pos_weight: TensorLike | None = None,
) -> Tensor | Array:  # fmt: skip
    """Return the binary cross entropy of sigmoid(input), numerically stable for all logits.

    Parameters
    ----------
    input : array_like, floating
        Logits of any shape.
    target : array_like, of the shape of `input`
        Probabilities, or labels 0 and 1.
    weight : array_like, optional
        Weight of each loss, broadcast to the shape of `input`. "mean" divides by the number of losses.
    reduction : {"mean", "sum", "none"}, default "mean"
        Reduction over all elements.
    pos_weight : array_like, optional
        Weight of the positive term of each loss, broadcast to the shape of `input`: (C,) for a target (N, C).

    Raises
    ------
    ShapeError
        The shapes differ, or the weights do not broadcast.
    ValueError
        A target is outside of [0, 1], or the reduction is unknown.

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
    """Return -targets log(sigmoid(logits)), with 0 times infinity = 0 as in `sigmoid_cross_entropy`."""
    loss = negative(logsigmoid(logits))
    return targets * keep(loss, (targets != 0) | np.isfinite(values_of(loss)))


@additive(rows)
def multilabel_soft_margin_loss(
    input: TensorLike, target: TensorLike, weight: TensorLike | None = None, reduction: Reduction = "mean"
) -> Tensor | Array:
    """Return the mean of `binary_cross_entropy_with_logits` over the classes of each sample.

    Parameters
    ----------
    input : (..., C) floating
        Logits.
    target : (..., C)
        Labels 0 and 1. A sample may have any number of classes.
    weight : (C,), optional
        Weight of each class.
    reduction : {"mean", "sum", "none"}, default "mean"
        Reduction over the samples.

    Raises
    ------
    ShapeError, ValueError
        As in `binary_cross_entropy_with_logits`.

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
    """`binary_cross_entropy` as a module, for probabilities. `BCEWithLogitsLoss` is numerically stable.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> BCELoss()(tg.Tensor([0.5, 0.5]), [0.0, 1.0])
    Tensor(0.6931472, shape=(), dtype=float32)
    """

    function = staticmethod(binary_cross_entropy)

    def __init__(self, weight: Any = None, reduction: Reduction = "mean") -> None:
        self._store_settings(weight=weight, reduction=reduction)


class BCEWithLogitsLoss(LossModule):
    """`binary_cross_entropy_with_logits` as a module.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> BCEWithLogitsLoss()(tg.Tensor([0.0, 0.0]), [0.0, 1.0])
    Tensor(0.6931472, shape=(), dtype=float32)
    """

    function = staticmethod(binary_cross_entropy_with_logits)

    def __init__(self, weight: Any = None, reduction: Reduction = "mean", pos_weight: Any = None) -> None:
        self._store_settings(weight=weight, reduction=reduction, pos_weight=pos_weight)


class MultiLabelSoftMarginLoss(LossModule):
    """`multilabel_soft_margin_loss` as a module.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> MultiLabelSoftMarginLoss()(tg.Tensor([[0.0, 0.0]]), [[0.0, 1.0]])
    Tensor(0.6931472, shape=(), dtype=float32)
    """

    function = staticmethod(multilabel_soft_margin_loss)

    def __init__(self, weight: Any = None, reduction: Reduction = "mean") -> None:
        self._store_settings(weight=weight, reduction=reduction)
