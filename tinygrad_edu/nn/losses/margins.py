"""Margin losses (hinge losses)."""

from typing import Any, Literal

import numpy as np

from tinygrad_edu.engine import values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.additive import additive, elements, rows
from tinygrad_edu.nn.losses.common import LossModule, Reduction, compared
from tinygrad_edu.ops import clip, getitem, logsigmoid, mean, multiply, negative, relu, square, sum, where
from tinygrad_edu.ops.arithmetic import as_floating
from tinygrad_edu.ops.classification import label_index
from tinygrad_edu.ops.cross_entropies import check_labels, class_weight, one_sample, reduce_losses, require_reduction
from tinygrad_edu.ops.selection import keep

__all__ = [
    "HingeEmbeddingLoss", "MultiLabelMarginLoss", "MultiMarginLoss", "SoftMarginLoss", "hinge_embedding_loss",
    "multi_margin_loss", "multilabel_margin_loss", "soft_margin_loss",
]  # fmt: skip

# --- Yes or no, as 1 and -1 ---


def require_signs(name: str, target: Any) -> None:
    """Refuse targets that are not 1 and -1, labels 0 and 1 for example, of which the loss would be another."""
    if not np.all(np.abs(values_of(target)) == 1):
        raise ValueError(f"{name}: targets are 1 and -1, and these are others. Of labels 0 and 1, 2 * labels - 1 is.")


@additive(elements)
def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, reduction: Reduction = "mean") -> Any:
    """Return distances of what belongs together, and of what does not, how much less than the margin theirs are.

    Parameters
    ----------
    input : array_like, floating
        Distances, of any shape.
    target : array_like, of that shape
        1 for what belongs together, -1 for what does not.
    margin : float
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ShapeError, ValueError
        For different shapes; for other targets, and another reduction.

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
def soft_margin_loss(input: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Return log(1 + exp(-target * input)), stable for scores of any size.

    Parameters
    ----------
    input : array_like, floating
        Scores, of any shape.
    target : array_like, of that shape
        1 and -1.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ShapeError, ValueError
        For different shapes; for other targets, and another reduction.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> soft_margin_loss(tg.Tensor([1e4, 1e4]), [1, -1], reduction="none")
    Tensor([    0., 10000.], shape=(2,), dtype=float32)
    """
    x, t = compared("soft_margin_loss", input, target, reduction)
    require_signs("soft_margin_loss", t)
    return reduce_losses(negative(logsigmoid(t * x)), reduction)


# --- One class of several, or some of them ---


@additive(lambda target, reduction="mean", **settings: elements(target, reduction))
def multi_margin_loss(
    input: Any, target: Any, p: Literal[1, 2] = 1, margin: float = 1.0, weight: Any = None,
    reduction: Reduction = "mean",
) -> Any:  # fmt: skip
    """Return for each sample how much its class misses the margin before each of the others, over their number.

    Parameters
    ----------
    input : (N, C) floating, or (C,) for one sample
        Scores.
    target : (N,) integers
        Labels, each from 0 to C - 1.
    p : {1, 2}
        What is missed counts to this power.
    margin : float
    weight : (C,), optional
        What the loss of each class counts; "mean" divides by the number of samples.
    reduction : {"mean", "sum", "none"}
        Over the samples.

    Raises
    ------
    ShapeError, DTypeError, ValueError
        For labels or weights that do not fit, labels that are not integers or are out of range, other settings.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> multi_margin_loss(tg.Tensor([[0.5, 1.0, -3.0, 0.0]]), [1])
    Tensor(0.125, shape=(), dtype=float32)
    """
    name, x, labels = "multi_margin_loss", as_floating(input), np.asarray(values_of(target))
    require_reduction(name, reduction)
    if p not in (1, 2):
        raise ValueError(f"{name}: p is 1 or 2, not {p!r}.")
    if x.ndim == 1:
        return one_sample(multi_margin_loss, x, labels, reduction, p=p, margin=margin, weight=weight)
    _require_2d(name, x.shape)
    check_labels(name, "scores", x.shape, labels)
    own = getitem(x, label_index(labels))
    missed = keep(relu(margin - own[:, None] + x), labels[:, None] != np.arange(x.shape[1]))
    losses = mean(missed if p == 1 else square(missed), axis=1)
    if weight is not None:
        losses = losses * getitem(class_weight(name, weight, x.shape[1], x), labels)
    return reduce_losses(losses, reduction)


@additive(rows)
def multilabel_margin_loss(input: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Return for each sample how much its classes miss a margin of 1 before each of the others, over their number.

    Parameters
    ----------
    input : (N, C) floating, or (C,) for one sample
        Scores.
    target : integers, of that shape
        The labels of a sample, one after the other, and then -1, if there are less than C.
    reduction : {"mean", "sum", "none"}
        Over the samples.

    Raises
    ------
    ShapeError, DTypeError, ValueError
        For labels that do not fit, are not integers or are out of range; for another reduction.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> multilabel_margin_loss(tg.Tensor([[0.5, 1.0, -3.0, 0.0]]), [[1, 3, -1, -1]])
    Tensor(0.5, shape=(), dtype=float32)
    """
    name, x, labels = "multilabel_margin_loss", as_floating(input), np.asarray(values_of(target))
    require_reduction(name, reduction)
    if x.ndim == 1:
        return one_sample(multilabel_margin_loss, x, labels, reduction)
    _require_2d(name, x.shape)
    times = _label_counts(name, labels, x.shape)
    compared = (times > 0)[:, :, None] & (times == 0)[:, None, :]  # [sample, its class, another]
    others = keep(relu(1 - x[:, :, None] + x[:, None, :]), compared)
    losses = sum(multiply(others, times[:, :, None].astype(x.dtype)), axis=(1, 2)) / x.shape[1]
    return reduce_losses(losses, reduction)


def _label_counts(name: str, labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Count each class in the labels of each sample, up to the first -1. Return an array (N, C)."""
    if labels.shape != shape:
        raise ShapeError(f"{name}: labels of shape {labels.shape} for scores of shape {shape}; they need that shape.")
    named = np.logical_and.accumulate(labels >= 0, axis=1)
    check_labels(name, "scores", (labels.size, shape[1]), np.where(named, labels, 0).ravel())
    times = np.zeros(shape, int)
    np.add.at(times, (np.nonzero(named)[0], labels[named]), 1)
    return times


def _require_2d(name: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 2:
        raise ShapeError(f"{name}: scores have a shape (N, C), or (C,) for one sample, not {shape}.")


class HingeEmbeddingLoss(LossModule):
    """`hinge_embedding_loss` as a module."""

    function = staticmethod(hinge_embedding_loss)

    def __init__(self, margin: float = 1.0, reduction: Reduction = "mean") -> None:
        self._store_settings(margin=margin, reduction=reduction)


class SoftMarginLoss(LossModule):
    """`soft_margin_loss` as a module."""

    function = staticmethod(soft_margin_loss)


class MultiMarginLoss(LossModule):
    """`multi_margin_loss` as a module."""

    function = staticmethod(multi_margin_loss)

    def __init__(
        self, p: Literal[1, 2] = 1, margin: float = 1.0, weight: Any = None, reduction: Reduction = "mean"
    ) -> None:
        self._store_settings(p=p, margin=margin, weight=weight, reduction=reduction)


class MultiLabelMarginLoss(LossModule):
    """`multilabel_margin_loss` as a module."""

    function = staticmethod(multilabel_margin_loss)
