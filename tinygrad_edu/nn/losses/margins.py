"""Margin losses (hinge losses)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_edu.engine import Array, Tensor, TensorLike, batched, everywhere, to_array, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.losses.additive import additive, elements, rows
from tinygrad_edu.nn.losses.common import LossModule, Reduction, compared
from tinygrad_edu.ops import clip, getitem, logsigmoid, mean, multiply, negative, relu, square, sum, where
from tinygrad_edu.ops.elementwise.arithmetic import as_floating
from tinygrad_edu.ops.elementwise.selection import keep
from tinygrad_edu.ops.networks.cross_entropies import (
    check_labels,
    class_weight,
    mean_of_samples,
    one_sample,
    reduce_losses,
    require_reduction,
)
from tinygrad_edu.ops.networks.softmax import label_index

__all__ = [
    "HingeEmbeddingLoss", "MultiLabelMarginLoss", "MultiMarginLoss", "SoftMarginLoss", "hinge_embedding_loss",
    "multi_margin_loss", "multilabel_margin_loss", "soft_margin_loss",
]  # fmt: skip

# --- Binary targets, 1 and -1 ---


def require_signs(name: str, target: Any) -> None:
    """Raise ValueError unless all targets are 1 or -1. Labels 0 and 1 would give a wrong loss silently."""
    if not everywhere(np.abs(values_of(target)) == 1):
        raise ValueError(f"{name}: targets must be 1 or -1, got other values. Convert labels 0 and 1: 2 * labels - 1.")


@additive(elements)
def hinge_embedding_loss(
    input: TensorLike, target: ArrayLike, margin: float = 1.0, reduction: Reduction = "mean"
) -> Tensor | Array:
    """Return the hinge embedding loss: input where target is 1, and max(margin - input, 0) where target is -1.

    Parameters
    ----------
    input : array_like, floating
        Distances, of any shape.
    target : array_like, of the shape of `input`
        1 for similar pairs, -1 for dissimilar pairs.
    margin : float, default 1.0
        Distance beyond which a pair with label -1 has no loss.
    reduction : {"mean", "sum", "none"}, default "mean"
        Reduction over all elements.

    Raises
    ------
    ShapeError, ValueError
        The shapes differ, a target is not 1 or -1, or the reduction is unknown.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> hinge_embedding_loss(tg.Tensor([0.25, 0.25]), [1, -1], reduction="none")
    Tensor([0.25, 0.75], shape=(2,), dtype=float32)
    """
    x, t = compared("hinge_embedding_loss", input, target, reduction)
    require_signs("hinge_embedding_loss", t)
    return reduce_losses(where(values_of(t) == 1, x, clip(margin - x, 0)), reduction)


@additive(elements)
def soft_margin_loss(input: TensorLike, target: TensorLike, reduction: Reduction = "mean") -> Tensor | Array:
    """Return log(1 + exp(-target * input)), numerically stable for all scores.

    Parameters
    ----------
    input : array_like, floating
        Scores, of any shape.
    target : array_like, of the shape of `input`
        Labels 1 and -1.
    reduction : {"mean", "sum", "none"}, default "mean"
        Reduction over all elements.

    Raises
    ------
    ShapeError, ValueError
        The shapes differ, a target is not 1 or -1, or the reduction is unknown.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> soft_margin_loss(tg.Tensor([1e4, 1e4]), [1, -1], reduction="none")
    Tensor([    0., 10000.], shape=(2,), dtype=float32)
    """
    x, t = compared("soft_margin_loss", input, target, reduction)
    require_signs("soft_margin_loss", t)
    return reduce_losses(negative(logsigmoid(t * x)), reduction)


# --- Multiclass and multilabel ---


@additive(lambda target, reduction="mean", **settings: elements(target, reduction))
@batched(mean_of_samples, inputs=2)
def multi_margin_loss(
    input: TensorLike, target: ArrayLike, p: Literal[1, 2] = 1, margin: float = 1.0, weight: TensorLike | None = None,
    reduction: Reduction = "mean",
) -> Tensor | Array:  # fmt: skip
    """Return the multiclass hinge loss: the sum over classes c != target of max(margin - x[target] + x[c], 0)**p / C.

    Parameters
    ----------
    input : (N, C) floating, or (C,) for one sample
        Scores.
    target : (N,) integers
        Labels from 0 to C - 1.
    p : {1, 2}, default 1
        Exponent.
    margin : float, default 1.0
        Difference of scores beyond which a class has no loss.
    weight : (C,), optional
        Weight of each class. "mean" divides by the number of samples.
    reduction : {"mean", "sum", "none"}, default "mean"
        Reduction over the samples.

    Raises
    ------
    ShapeError, DTypeError, ValueError
        A shape does not match, a label is not an integer or is out of range, or `p` or the reduction is unknown.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> multi_margin_loss(tg.Tensor([[0.5, 1.0, -3.0, 0.0]]), [1])
    Tensor(0.125, shape=(), dtype=float32)
    """
    name, x, labels = "multi_margin_loss", as_floating(input), to_array(target)
    require_reduction(name, reduction)
    if p not in (1, 2):
        raise ValueError(f"{name}: p must be 1 or 2, got {p!r}.")
    if x.ndim == 1:
        return one_sample(multi_margin_loss, x, labels, reduction, p=p, margin=margin, weight=weight)
    _require_2d(name, x.shape)
    check_labels(name, "scores", x.shape, labels)
    label_scores = getitem(x, label_index(labels))
    violations = keep(relu(margin - label_scores[:, None] + x), labels[:, None] != np.arange(x.shape[1]))
    losses = mean(violations if p == 1 else square(violations), axis=1)
    if weight is not None:
        losses = losses * getitem(class_weight(name, weight, x.shape[1], x), labels)
    return reduce_losses(losses, reduction)


@additive(rows)
@batched(mean_of_samples)
def multilabel_margin_loss(input: TensorLike, target: ArrayLike, reduction: Reduction = "mean") -> Tensor | Array:
    """Return the multilabel hinge loss: the sum of max(1 - x[t] + x[c], 0) / C over labels t and other classes c.

    Parameters
    ----------
    input : (N, C) floating, or (C,) for one sample
        Scores.
    target : integers, of the shape of `input`
        The labels of each sample, followed by -1 if there are fewer than C.
    reduction : {"mean", "sum", "none"}, default "mean"
        Reduction over the samples.

    Raises
    ------
    ShapeError, DTypeError, ValueError
        The shapes differ, a label is not an integer or is out of range, or the reduction is unknown.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> multilabel_margin_loss(tg.Tensor([[0.5, 1.0, -3.0, 0.0]]), [[1, 3, -1, -1]])
    Tensor(0.5, shape=(), dtype=float32)
    """
    name, x, labels = "multilabel_margin_loss", as_floating(input), to_array(target)
    require_reduction(name, reduction)
    if x.ndim == 1:
        return one_sample(multilabel_margin_loss, x, labels, reduction)
    _require_2d(name, x.shape)
    counts = _label_counts(name, labels, x.shape)
    compared = (counts > 0)[:, :, None] & (counts == 0)[:, None, :]  # [sample, label, other class]
    violations = keep(relu(1 - x[:, :, None] + x[:, None, :]), compared)
    losses = sum(multiply(violations, counts[:, :, None].astype(x.dtype)), axis=(1, 2)) / x.shape[1]
    return reduce_losses(losses, reduction)


def _label_counts(name: str, labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Count each class in the labels of each sample, up to the first -1. Return an array (N, C)."""
    if labels.shape != shape:
        raise ShapeError(f"{name}: shape mismatch: labels {labels.shape} and scores {shape}; they must be equal.")
    named = np.logical_and.accumulate(labels >= 0, axis=1)
    check_labels(name, "scores", (labels.size, shape[1]), np.where(named, labels, 0).ravel())
    times = np.zeros(shape, int)
    np.add.at(times, (np.nonzero(named)[0], labels[named]), 1)
    return times


def _require_2d(name: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 2:
        raise ShapeError(f"{name}: scores must have shape (N, C), or (C,) for one sample, got {shape}.")


class HingeEmbeddingLoss(LossModule):
    """`hinge_embedding_loss` as a module.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> HingeEmbeddingLoss()(tg.Tensor([0.5, 0.5]), [1.0, -1.0])
    Tensor(0.5, shape=(), dtype=float32)
    """

    function = staticmethod(hinge_embedding_loss)

    def __init__(self, margin: float = 1.0, reduction: Reduction = "mean") -> None:
        self._store_settings(margin=margin, reduction=reduction)


class SoftMarginLoss(LossModule):
    """`soft_margin_loss` as a module.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> SoftMarginLoss()(tg.Tensor([0.0, 0.0]), [1.0, -1.0])
    Tensor(0.6931472, shape=(), dtype=float32)
    """

    function = staticmethod(soft_margin_loss)


class MultiMarginLoss(LossModule):
    """`multi_margin_loss` as a module.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> MultiMarginLoss()(tg.Tensor([[1.0, 0.5]]), [0])
    Tensor(0.25, shape=(), dtype=float32)
    """

    function = staticmethod(multi_margin_loss)

    def __init__(
        self, p: Literal[1, 2] = 1, margin: float = 1.0, weight: Any = None, reduction: Reduction = "mean"
    ) -> None:
        self._store_settings(p=p, margin=margin, weight=weight, reduction=reduction)


class MultiLabelMarginLoss(LossModule):
    """`multilabel_margin_loss` as a module.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> MultiLabelMarginLoss()(tg.Tensor([[0.5, 1.0, 0.0, 0.0]]), [[0, 1, -1, -1]])
    Tensor(0.25, shape=(), dtype=float32)
    """

    function = staticmethod(multilabel_margin_loss)
