"""Softmax, log-softmax and cross entropies, each a numerically stable op."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.typing import DTypeLike

from tinygrad_edu import core
from tinygrad_edu.engine import (
    NOT_COMPUTED,
    RULES,
    Array,
    MappedCall,
    Precomputed,
    Tensor,
    TensorLike,
    extend,
    op,
    values_of,
)
from tinygrad_edu.ops.elementwise.arithmetic import (
    are_arrays,
    as_floating,
    astype,
    cast,
    divide_evenly,
    in_dtype_of,
    multiply,
)
from tinygrad_edu.ops.elementwise.powers import exp
from tinygrad_edu.ops.elementwise.selection import drop, keep, maximum
from tinygrad_edu.ops.elementwise.sigmoids import logit, softplus_slope, softplus_values
from tinygrad_edu.ops.fast.networks import softmax as fast
from tinygrad_edu.ops.indices.indexing import getitem
from tinygrad_edu.ops.reductions.reduction import log_sum, mean, mean_along, reduce_along, sum
from tinygrad_edu.shared.speed.plain_mode import faster_than
from tinygrad_edu.shared.speed.thresholds import SizeThreshold

__all__ = ["log_softmax", "softmax", "softmin"]


def plain_subtract_max(x: ndarray, axis: int) -> ndarray:
    """Return x - max(x) along `axis`, so that exp does not overflow. Softmax does not change."""
    return np.asarray(x - np.maximum.reduce(x, axis, keepdims=True, initial=-np.inf))


subtract_max = faster_than(plain_subtract_max)(fast.subtract_max)


softmax_along = extend(core.softmax, batching="along")
log_softmax_along = extend(core.log_softmax, batching="along")
softmax_values = faster_than(softmax_along.forward)(fast.softmax_values)
softmax_vjp = faster_than(softmax_along.vjp_functions["x"])(fast.softmax_vjp)
log_softmax_vjp = faster_than(log_softmax_along.vjp_functions["x"])(fast.log_softmax_vjp)


@softmax_along.replace_forward
@faster_than(softmax_along.forward)
def softmax_forward(x: Any, /, axis: int = -1) -> Any:
    """Compute the softmax of floating-point numbers in place."""
    return softmax_values(as_floating(x), axis)


@op(name="softmax", batching="along")
def softmax_gradient(cotangent: Array, p: Array, /, axis: int) -> Array:
    """Return p * (cotangent - sum(cotangent * p)) along `axis`, the vjp of p = softmax(x)."""
    return softmax_vjp(cotangent, p, axis)


@faster_than(softmax_along.vjp_functions["x"])
def softmax_x(g: Any, out: Any, axis: int) -> Any:
    """Compute the vjp of the softmax by one op."""
    return softmax_gradient(g, out, axis)


softmax_along.vjps(x=softmax_x)
softmax_gradient.vjps(
    cotangent=lambda g, p, axis: softmax_gradient(g, p, axis),
    p=lambda g, cotangent, p, axis: (
        g * (cotangent - sum(cotangent * p, axis, keepdims=True)) - cotangent * sum(g * p, axis, keepdims=True)
    ),
)


def softmax(x: TensorLike, axis: int = -1, dtype: DTypeLike | None = None) -> Tensor | Array:
    """Return exp(x) / sum(exp(x)) along `axis`: nonnegative numbers that sum to 1. Cast x to `dtype` first if given."""
    return softmax_along(x if dtype is None else astype(x, dtype), axis)


def softmin(x: TensorLike, axis: int = -1, dtype: DTypeLike | None = None) -> Tensor | Array:
    """Return softmax(-x) along `axis`: the smallest element gets the largest value."""
    return softmax(multiply(x, -1.0), axis, dtype)  # -1.0 makes unsigned integers floating-point


@log_softmax_along.replace_forward
@faster_than(log_softmax_along.forward)
def log_softmax_forward(x: Any, /, axis: int = -1) -> Any:
    """Compute the logarithm of the softmax of floating-point numbers in place."""
    shifted = subtract_max(as_floating(x), axis)
    return np.subtract(shifted, log_sum(np.exp(shifted), axis), out=shifted)


@faster_than(log_softmax_along.vjp_functions["x"])
def log_softmax_x(g: Any, out: Any, axis: int) -> Any:
    """Compute the vjp of the logarithm of the softmax in place, if the pass is not recorded."""
    if are_arrays(g, out):
        return log_softmax_vjp(g, out, axis)
    return g - exp(out) * sum(g, axis, keepdims=True)


log_softmax_along.vjps(x=log_softmax_x)


def log_softmax(x: TensorLike, axis: int = -1, dtype: DTypeLike | None = None) -> Tensor | Array:
    """Return log(softmax(x)) along `axis`, without computing log(0). Cast x to `dtype` first if given."""
    return log_softmax_along(x if dtype is None else astype(x, dtype), axis)


def _losses_of_samples(batch: MappedCall) -> Any:
    reduction = batch.settings["reduction"]
    losses = RULES["first"](batch._replace(settings={"reduction": "none"}))
    axes = tuple(range(1, losses.ndim))
    return losses if reduction == "none" else mean(losses, axes) if reduction == "mean" else sum(losses, axes)


@op(name="cross_entropy", promotes=("logits",), batching=_losses_of_samples)
def softmax_cross_entropy(
    logits: Array, targets: Array, /, reduction: str = "none", computed: Precomputed = NOT_COMPUTED
) -> Array:
    """Return -sum(targets * log_softmax(logits)) along axis 1: one loss for each sample (and position).

    Parameters
    ----------
    logits : (N, C, ...) floating
    targets : (N, ...) integer labels, or (N, C, ...) floating probabilities
    reduction : {"none", "mean", "sum"}
        Reduction over the samples (and positions). With a separate mean, the loss would take 1.5 times as long.
    computed : Precomputed, optional
        The losses of labels, and the exponentials of the softmax and their sums, if already computed.

    Returns
    -------
    (N, ...), or () for a mean or sum, in the dtype of the logits
    """
    if targets.dtype.kind == "f":
        losses = -np.sum(cast(targets, logits.dtype) * log_softmax(logits, 1), axis=1)
    else:
        losses = computed["losses"] if computed else _label_losses(logits, targets)
    return losses if reduction == "none" else mean_along(losses, None) if reduction == "mean" else losses.sum()


def _label_losses(logits: ndarray, labels: ndarray) -> ndarray:
    shifted = subtract_max(logits, 1)
    label_scores = shifted[label_index(labels)]
    return log_sum(np.exp(shifted, out=shifted), 1)[:, 0] - label_scores


def label_index(labels: ndarray) -> tuple[ndarray, ...]:
    """Return an index that selects the elements of an array (N, C, ...) at the labels (N, ...)."""
    if labels.ndim == 1:
        return np.arange(len(labels)), labels
    sample, *other_axes = (np.arange(n).reshape(-1, *[1] * (labels.ndim - 1 - i)) for i, n in enumerate(labels.shape))
    return sample, labels, *other_axes


def as_probabilities(labels: Any, like: Any) -> ndarray:
    """Return labels as one-hot probabilities, in the dtype and memory order of the logits `like`."""
    out = np.zeros_like(values_of(like))
    out[label_index(values_of(labels))] = 1
    return out


def _expand_loss_gradient(g: Any, reduction: str, shape: tuple[int, ...]) -> Any:
    """Return the gradient of each loss, broadcastable to (N, C, ...)."""
    if reduction == "none":
        return g[:, None]
    return divide_evenly(g, math.prod((shape[0], *shape[2:]))) if reduction == "mean" else g


def _cross_entropy_logits(g: Any, logits: Any, targets: Any, reduction: str, computed: Precomputed) -> Any:
    g = _expand_loss_gradient(g, reduction, logits.shape)
    p = _flush_to_zero(_as_softmax(computed) if computed and logits.__class__ is ndarray else softmax_along(logits, 1))
    if targets.dtype.kind != "f":  # one-hot rows sum to 1
        if isinstance(p, ndarray):  # a new array, changed in place
            p[label_index(targets)] -= 1
            return np.multiply(p, g, out=p)
        return g * (p - as_probabilities(targets, logits))
    targets = cast(targets, p.dtype)
    return g * (p * sum(targets, 1, keepdims=True) - targets)


def _flush_to_zero(p: Any) -> Any:
    """Replace probabilities below 1e-31 (float64: 1e-292) by 0, except in float16.

    A well-trained network produces many. Their products in the backward pass are subnormal, and processors multiply
    subnormal numbers a hundred times slower than normal ones.
    """
    least = _flush_threshold(p.dtype)
    return p if values_of(p).min(initial=1) >= least else drop(p, p < least)


@cache
def _flush_threshold(dtype: Any) -> ndarray:
    """Return the smallest probability that is kept, as a 0-d array, which NumPy compares faster than a scalar."""
    limits = np.finfo(dtype)
    return np.asarray(0 if dtype == np.float16 else limits.tiny / limits.eps, dtype)


softmax_cross_entropy.vjps(
    logits=_cross_entropy_logits,
    targets=lambda g, logits, targets_shape, targets_dtype, reduction: cast(
        -_expand_loss_gradient(g, reduction, targets_shape) * log_softmax(logits, 1), targets_dtype
    ),
)


# Number of logits up to which their exponentials are saved; for more, recomputing them saves memory.
_MOST_SAVED = SizeThreshold(2**20)


def plain_cross_entropy_of_labels(logits: Any, labels: Any, reduction: str = "none") -> Any:
    """Return the cross entropy of integer labels (N, ...)."""
    if isinstance(labels, Tensor) and not isinstance(logits, Tensor):  # a Tensor in, a Tensor out
        logits = Tensor(logits)
    return _reduced(-getitem(log_softmax_along(logits, 1), label_index(values_of(labels))), reduction)


def _reduced(losses: Any, reduction: str) -> Any:
    return losses if reduction == "none" else mean(losses) if reduction == "mean" else sum(losses)


def plain_cross_entropy_of_probabilities(logits: Any, targets: Any, reduction: str = "none") -> Any:
    """Return the cross entropy of probabilities (N, C, ...)."""
    return _reduced(-sum(in_dtype_of(logits, targets) * log_softmax_along(logits, 1), 1), reduction)


@faster_than(plain_cross_entropy_of_probabilities)
def cross_entropy_of_probabilities(logits: Any, targets: Any, reduction: str = "none") -> Any:
    """Compute the cross entropy of probabilities by one op."""
    return softmax_cross_entropy(logits, targets, reduction)


@faster_than(plain_cross_entropy_of_labels)
def cross_entropy_of_labels(logits: Any, labels: Any, reduction: str = "none") -> Any:
    """Return `softmax_cross_entropy` for integer labels, which saves the exponentials of few logits."""
    x, y = values_of(logits), values_of(labels)
    is_small = are_arrays(x, y) and x.size <= _MOST_SAVED
    if not is_small or not getattr(logits, "requires_grad", False):
        return softmax_cross_entropy(logits, labels, reduction)
    e = subtract_max(x, 1)
    label_scores = e[label_index(y)]
    np.exp(e, out=e)
    total = reduce_along(np.add, e, 1, dtype=np.float32 if e.dtype.char == "e" else None)
    losses = np.log(total).astype(e.dtype, copy=False)[:, 0] - label_scores
    return softmax_cross_entropy(logits, labels, reduction, Precomputed(losses=losses, exponentials=e, total=total))


def _as_softmax(computed: Precomputed) -> ndarray:
    e: ndarray = computed["exponentials"]
    return (e / computed["total"]).astype(e.dtype, copy=False)


@op(name="binary_cross_entropy_with_logits", batching="elementwise")
def sigmoid_cross_entropy(logits: Array, targets: Array) -> Array:
    """Return the elementwise cross entropy of sigmoid(logits) against target probabilities.

    It is -targets log(sigmoid(logits)) - (1 - targets) log(1 - sigmoid(logits)). The identities -log(sigmoid(x)) =
    log(1 + exp(-x)) and 1 - sigmoid(x) = sigmoid(-x) avoid cancellation. A logarithm with factor 0 contributes 0, even
    if it is infinite.
    """
    missed, false = softplus_values(-logits), softplus_values(logits)
    return targets * keep(missed, targets != 0) + (1 - targets) * keep(false, targets != 1)


sigmoid_cross_entropy.vjps(
    logits=lambda g, logits, targets: g * ((1 - targets) * softplus_slope(logits) - targets * softplus_slope(-logits)),
    targets=lambda g, logits: -g * logits,
)


@op(name="binary_cross_entropy", batching="elementwise")
def clamped_cross_entropy(p: Array, targets: Array) -> Array:
    """Return -targets log(p) - (1 - targets) log(1 - p), elementwise, with logarithms clamped to at least -100.

    The loss of a probability of 0 or 1 is thus finite, as in PyTorch. The gradient of p ignores this clamping: it
    follows the formula, with p (1 - p) clamped to at least 1e-12.
    """
    with np.errstate(divide="ignore"):
        log_p, log_not_p = np.log(p), np.log1p(-p)
    return (targets - 1) * np.maximum(log_not_p, -100) - targets * np.maximum(log_p, -100)


def _bernoulli_variance(p: Any) -> Any:
    """Return p (1 - p), at least PyTorch's float32 1e-12, or in float16 the smallest normal number."""
    least = max(float(np.float32(1e-12)), np.finfo(p.dtype).tiny)
    return maximum(p * (1 - p), np.asarray(least, p.dtype))


clamped_cross_entropy.vjps(
    p=lambda g, p, targets: g * ((p - targets) / _bernoulli_variance(p)),
    targets=lambda g, p: -g * logit(p),
)
