"""Cross entropy with class weights, ignored labels, label smoothing and reductions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu import core
from tinygrad_edu.engine import RULES, Array, MappedCall, Tensor, TensorLike, batched, open_levels, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.errors.checks import integer, invalid_choice
from tinygrad_edu.ops.elementwise.arithmetic import astype, in_dtype_of, multiply
from tinygrad_edu.ops.elementwise.selection import keep
from tinygrad_edu.ops.indices.indexing import getitem
from tinygrad_edu.ops.networks.softmax import as_probabilities, cross_entropy_of_labels, cross_entropy_of_probabilities
from tinygrad_edu.ops.reductions.reduction import mean, sum
from tinygrad_edu.ops.shapes.shape import expand_dims, holds_floats, reshape, shaped
from tinygrad_edu.shared.speed.plain_mode import PLAIN

__all__ = ["cross_entropy"]

# --- Reductions ---


def require_reduction(name: str, reduction: Any, *others: str) -> None:
    """Raise unless `reduction` is "mean", "sum", "none" or one of `others`."""
    if reduction not in ("mean", "sum", "none") and reduction not in others:
        raise invalid_choice(f"{name}: reduction", reduction, (*others, "mean", "sum", "none"))


def reduce_losses(losses: Any, reduction: str, weights: Any = None) -> Tensor | Array:
    """Return the losses, their sum or their mean. `weights` are already in the losses; the mean divides by their sum.

    If the weights sum to 0, for example if all labels are ignored, the mean is NaN, as in PyTorch.
    """
    if reduction == "none":
        return losses
    if reduction == "sum":
        return sum(losses)
    if weights is None:
        return mean(losses)
    if losses.dtype == np.float16:  # the sum of the weights could overflow
        return astype(reduce_losses(astype(losses, np.float32), "mean", astype(weights, np.float32)), np.float16)
    return sum(losses) / sum(weights)


# --- Labels and weights ---


def check_labels(
    name: str, scores: str, shape: tuple[int, ...], labels: ndarray, ignore_index: int | None = None
) -> ndarray | None:
    """Raise unless the labels (N, ...) are valid for scores of `shape` (N, C, ...); `scores` names them in messages.

    Returns
    -------
    ndarray of bool, or None
        Mask of the labels that differ from `ignore_index`; None if all do.
    """
    _check_scores(name, scores, shape)
    if labels.dtype.kind not in "iu":
        raise DTypeError(f"{name}: labels must be integers, got {labels.dtype}.")
    if labels.shape != (shape[0], *shape[2:]):
        raise ShapeError(
            f"{name}: labels must have shape {(shape[0], *shape[2:])} for {scores} {shape}, got {labels.shape}."
        )
    if _is_in_range(labels, shape[1]) and (ignore_index is None or not 0 <= ignore_index < shape[1]):
        return None
    counts = np.ones(labels.shape, bool) if ignore_index is None else labels != ignore_index
    counted = labels[counts]
    if counted.size and not _is_in_range(counted, shape[1]):
        raise ValueError(
            f"{name}: labels must be from 0 to {shape[1] - 1} for {shape[1]} classes, got labels from "
            f"{counted.min()} to {counted.max()}."
        )
    return None if counts.all() else counts


def _is_in_range(labels: ndarray, classes: int) -> bool:
    return bool(labels.size and labels.min() >= 0 and labels.max() < classes)


def _check_scores(name: str, scores: str, shape: tuple[int, ...]) -> None:
    if len(shape) < 2:
        raise ShapeError(f"{name}: {scores} must have shape (N, C, ...), or (C,) for one sample, got {shape}.")


def refuse_word(name: str, weight: Any) -> None:
    """Raise if a reduction was passed as the weight, by position."""
    if isinstance(weight, str):
        raise DTypeError(f"{name}: weight must not be a string, got {weight!r}; pass reduction={weight!r} by keyword.")


def convert_like(like: Any, value: Any) -> Any:
    """Return a number, list, array or Tensor as an array or Tensor with the dtype of `like`."""
    return in_dtype_of(like, shaped(value))


def as_weight(name: str, weight: Any, like: Any) -> Any:
    """Return weights as an array or Tensor with the dtype of `like`."""
    refuse_word(name, weight)
    return convert_like(like, weight)


def class_weight(name: str, weight: Any, classes: int, like: Any) -> Any:
    """Return the weight of each class, (C,), in the dtype of `like`."""
    weight = as_weight(name, weight, like)
    if weight.shape != (classes,):
        raise ShapeError(f"{name}: weight must have shape ({classes},), one value per class, got {weight.shape}.")
    return weight


def loss_of_labels(
    losses_of: Callable[[Any, ndarray], Any], scores: Any, labels: ndarray, counts: ndarray | None, weight: Any,
    reduction: str,
) -> Tensor | Array:  # fmt: skip
    """Return the reduced losses of labels, each times its class weight; a mean divides by the sum of those weights.

    Parameters
    ----------
    losses_of : callable
        Maps scores (N, C, ...) and labels (N, ...), each in [0, C), to losses (N, ...).
    counts : ndarray of bool, or None
        Mask from `check_labels`. The loss of an ignored label is 0.
    weight : (C,), or None
        In the dtype of the scores.
    """
    labels = labels if counts is None else np.where(counts, labels, 0)
    losses = losses_of(scores, labels)
    weights = None if weight is None else getitem(weight, labels)
    losses = losses if weights is None else losses * weights
    if counts is None:
        return reduce_losses(losses, reduction, weights)
    weights = counts.astype(losses.dtype) if weights is None else keep(weights, counts)
    return reduce_losses(keep(losses, counts), reduction, weights)


# --- The loss ---


def losses_of_samples(batch: MappedCall) -> Any:
    """Compute the losses of all samples as one batch, with the reduction "none": (n, N, ...), or (n,) for vectors."""
    inputs, is_vector = batch.spread().inputs, batch.sample_ndim() == 1
    if is_vector:  # a sample has one loss
        inputs = [expand_dims(x, 1) for x in inputs]
    losses = RULES["first"](batch.with_inputs(*inputs)._replace(settings={**batch.settings, "reduction": "none"}))
    return losses[:, 0] if is_vector else losses


def mean_of_samples(batch: MappedCall) -> Any:
    """Compute the losses of all samples as one batch, and reduce those of each sample."""
    if not batch.sample_ndim():
        return NotImplemented
    losses, reduction = losses_of_samples(batch), batch.settings["reduction"]
    axes = tuple(range(1, losses.ndim))
    return losses if reduction == "none" else sum(losses, axes) if reduction == "sum" else mean(losses, axes)


def cross_entropy_of_samples(batch: MappedCall) -> Any:
    """Compute the losses of labels or probabilities, and reduce those of each sample. Ignored labels do not count."""
    settings, labels = batch.settings, batch.spread().inputs[1]
    if settings["reduction"] != "mean" or labels.dtype.kind == "f":
        return mean_of_samples(batch)
    if not batch.sample_ndim():
        return NotImplemented
    losses, labels = losses_of_samples(batch), values_of(labels)
    counted = labels != settings["ignore_index"]
    weights = counted.astype(losses.dtype)
    if settings["weight"] is not None:
        weight = astype(shaped(settings["weight"]), losses.dtype)
        weights = weights * getitem(weight, np.where(counted, labels, 0))
    return sum(losses, tuple(range(1, losses.ndim))) / sum(weights, tuple(range(1, labels.ndim)))


def cross_entropy(
    input: TensorLike, target: TensorLike, weight: TensorLike | None = None, ignore_index: int = -100,
    reduction: str = "mean", label_smoothing: float = 0.0,
) -> Tensor | Array:  # fmt: skip
    """Return the cross entropy between softmax(input) and the targets, numerically stable for logits of any magnitude.

    Parameters
    ----------
    input : (N, C, ...) floating, or (C,) for one sample
        Logits: unnormalized scores.
    target : array_like
        Integer labels of shape (N, ...), each in [0, C); or probabilities of the shape of the logits, which
        receive gradients, too.
    weight : (C,), optional
        Weight of each class. "mean" divides by the sum of the weights of the labels, or, for probabilities, by the
        number of samples, as in PyTorch.
    ignore_index : int, default -100
        Label that is ignored: it contributes neither to the loss nor to the mean.
    reduction : {"mean", "sum", "none"}, default "mean"
        Reduction over the samples and positions.
    label_smoothing : float, default 0.0
        Fraction of each target, from 0 to 1, that is distributed evenly over all classes.

    Raises
    ------
    ShapeError, DTypeError, ValueError
        If the targets or weights do not match the logits, a label is out of range, or an option is invalid.

    References
    ----------
    Label smoothing: Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2016.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> logits = tg.Tensor([[2.0, 0.0], [0.0, 0.0]], requires_grad=True)
    >>> loss = cross_entropy(logits, [0, 1])
    >>> loss.backward()
    >>> logits.grad.round(3)
    array([[-0.06,  0.06],
           [ 0.25, -0.25]], dtype=float32)
    """
    is_ordinary = _are_labels(target, input) and weight is None and reduction == "mean" and label_smoothing == 0
    if is_ordinary and type(ignore_index) is int and ignore_index < 0 and not open_levels():
        return core.cross_entropy(input, target) if PLAIN else cross_entropy_of_labels(input, target, reduction)
    return (_cross_entropy_in_vmap if open_levels() else _cross_entropy)(
        input, target, weight, ignore_index, reduction, label_smoothing
    )


def _are_labels(labels: Any, logits: Any) -> bool:
    """Return whether an array has one class for each row of logits (N, C)."""
    if holds_floats(logits) and logits.ndim == 2 and isinstance(labels, ndarray) and labels.dtype.kind in "iu":
        return labels.shape == logits.shape[:1] and _is_in_range(labels, logits.shape[1])
    return False


def _cross_entropy(
    input: Any, target: Any, weight: Any, ignore_index: int, reduction: str, label_smoothing: float
) -> Tensor | Array:
    logits, target = shaped(input), shaped(target)
    if logits.dtype.kind != "f":
        raise DTypeError(f"cross_entropy: logits must be floating-point, got {logits.dtype}.")
    require_reduction("cross_entropy", reduction)
    if logits.ndim == 1:
        settings = {"weight": weight, "ignore_index": ignore_index, "label_smoothing": label_smoothing}
        return one_sample(cross_entropy, logits, target, reduction, **settings)
    _check_scores("cross_entropy", "logits", logits.shape)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be from 0 to 1, got {label_smoothing!r}.")
    if weight is not None:
        weight = class_weight("cross_entropy", weight, logits.shape[1], logits)
    if target.dtype.kind == "f":
        return _class_probabilities_loss(logits, target, weight, ignore_index, reduction, label_smoothing)
    return _class_indices_loss(logits, target, weight, ignore_index, reduction, label_smoothing)


_cross_entropy_in_vmap = batched(cross_entropy_of_samples, inputs=2, name="cross_entropy")(_cross_entropy)


def one_sample(loss: Callable[..., Any], scores: Any, target: Any, reduction: str, **settings: Any) -> Tensor | Array:
    """Return the loss of scores (C,), computed as a batch of one sample."""
    out = loss(expand_dims(scores, 0), expand_dims(target, 0), reduction=reduction, **settings)
    return out[0] if reduction == "none" else out


def _class_indices_loss(
    logits: Any, target: Any, weight: Any, ignore_index: int, reduction: str, smoothing: float
) -> Any:
    labels, ignored = values_of(target), integer("cross_entropy: ignore_index", ignore_index)
    counts = check_labels("cross_entropy", "logits", logits.shape, labels, ignored)
    if smoothing:
        return _smoothed_class_indices_loss(logits, labels, counts, weight, reduction, smoothing)
    if counts is None and weight is None:
        return cross_entropy_of_labels(logits, target, reduction)
    return loss_of_labels(cross_entropy_of_labels, logits, labels, counts, weight, reduction)


def _smoothed_class_indices_loss(
    logits: Any, labels: ndarray, counts: ndarray | None, weight: Any, reduction: str, smoothing: float
) -> Any:
    """Return the loss for smoothed one-hot targets; a mean divides by the sum of the weights of the labels."""
    counts = np.ones(labels.shape, bool) if counts is None else counts
    labels = np.where(counts, labels, 0)
    targets = _weight_targets(_smooth_targets(as_probabilities(labels, logits), smoothing), weight)
    losses = keep(cross_entropy_of_probabilities(logits, targets), counts)
    weights = counts.astype(logits.dtype) if weight is None else keep(getitem(weight, labels), counts)
    return reduce_losses(losses, reduction, weights)


def _class_probabilities_loss(
    logits: Any, target: Any, weight: Any, ignore_index: int, reduction: str, smoothing: float
) -> Any:
    if target.shape != logits.shape:
        raise ShapeError(
            f"cross_entropy: probabilities must have shape {logits.shape}, got {target.shape} and {target.dtype}. "
            f"Labels must be integers: target.astype(int)."
        )
    if integer("cross_entropy: ignore_index", ignore_index) >= 0:
        raise ValueError(f"cross_entropy: ignore_index is not supported for probabilities, got {ignore_index}.")
    targets = _smooth_targets(target, smoothing) if smoothing else target
    return cross_entropy_of_probabilities(logits, _weight_targets(targets, weight), reduction)


def _smooth_targets(probabilities: Any, smoothing: float) -> Any:
    return probabilities * (1 - smoothing) + smoothing / probabilities.shape[1]


def _weight_targets(targets: Any, weight: Any) -> Any:
    if weight is None:
        return targets
    return multiply(in_dtype_of(weight, targets), reshape(weight, (-1, *[1] * (targets.ndim - 2))))
