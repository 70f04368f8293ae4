"""Connectionist temporal classification (CTC)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike

from tinygrad_edu.engine import Array, MappedCall, Tensor, TensorLike, batched, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.errors.checks import integer
from tinygrad_edu.nn.losses.common import LossModule, Reduction
from tinygrad_edu.ops import astype, expand_dims, getitem, logaddexp, maximum, moveaxis, negative, reshape, where
from tinygrad_edu.ops.elementwise.arithmetic import as_floating
from tinygrad_edu.ops.networks.alignments import alignment_scores
from tinygrad_edu.ops.networks.cross_entropies import reduce_losses, require_reduction

if TYPE_CHECKING:
    from tinygrad_edu.nn.calls import LossOfSequences

__all__ = ["CTCLoss", "ctc_loss"]


def _losses_of_samples(batch: MappedCall) -> Any:
    """Compute the losses of all samples of vmap as one batch, and reduce those of each sample."""
    log_p, *given = batch.spread().inputs
    alone = batch.sample_ndim() == 2
    if not alone and batch.sample_ndim(1) == 1:  # concatenated labels
        return NotImplemented
    log_p = moveaxis(log_p, 0, 1)
    n = 1 if alone else log_p.shape[2]
    log_p = reshape(log_p, (len(log_p), batch.size * n, log_p.shape[-1]))
    targets, steps, sizes = (reshape(x, (batch.size * n, *rest)) for x, rest in zip(given, ([-1], [], []), strict=True))
    losses = batch.call(log_p, targets, steps, sizes, **{**batch.settings, "reduction": "none"})
    losses, reduction = reshape(losses, (batch.size, n)), batch.settings["reduction"]
    if reduction == "none":
        return losses[:, 0] if alone else losses
    if reduction == "sum":
        return losses.sum(axis=1)
    return (losses / astype(maximum(reshape(sizes, (batch.size, n)), 1), losses.dtype)).mean(axis=1)


@batched(_losses_of_samples)
def ctc_loss(
    log_probs: TensorLike, targets: ArrayLike, input_lengths: ArrayLike, target_lengths: ArrayLike, blank: int = 0,
    reduction: Reduction = "mean", zero_infinity: bool = False,
) -> Tensor | Array:  # fmt: skip
    """Return the negative log likelihood of label sequences, summed over their alignments to the input.

    An alignment gives each step a label or the blank. Merging equal neighbors, then removing blanks gives the target.
    (A. Graves and others, "Connectionist temporal classification", ICML 2006.)

    Parameters
    ----------
    log_probs : (T, N, C) floating, or (T, C) for one sample
        Log probabilities of the classes, such as the output of `log_softmax`.
    targets : (N, S) or (sum of the target lengths,) integers
        Labels, padded to S at the end, or concatenated. The padding may have any value.
    input_lengths, target_lengths : (N,) integers, or integers for one sample
        Number of steps, at most T, and number of labels of each sample.
    blank : int, default 0
        Class of the blank.
    reduction : {"mean", "sum", "none"}, default "mean"
        "mean" divides each loss by its target length, and takes the mean over the samples, as in PyTorch.
    zero_infinity : bool, default False
        Whether the loss and the gradient of a target without an alignment, as one that is longer than the input, are 0.
        By default, the loss is infinite, and the gradient is not finite.

    Raises
    ------
    ShapeError, DTypeError, ValueError
        A shape does not match, a label or length is not an integer or is out of range, or the reduction is unknown.

    Notes
    -----
    The gradient is that of `log_probs`. PyTorch's has the term ``exp(log_probs)`` in addition, which `log_softmax`
    cancels, so that the gradients of the logits agree.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> log_probs = tg.log_softmax(tg.zeros((3, 1, 2)), axis=2)
    >>> round(ctc_loss(log_probs, [[1]], [3], [1]).item(), 4)  # 6 of 8 alignments: -log(6 / 8)
    0.2877
    """
    require_reduction("ctc_loss", reduction)
    log_p = as_floating(log_probs)
    if log_p.ndim == 2:
        shapes = ((targets, (1, -1)), (input_lengths, (1,)), (target_lengths, (1,)))
        given: Any = [reshape(x, shape) for x, shape in shapes]  # type: ignore[arg-type] # any sequence
        out = ctc_loss(expand_dims(log_p, 1), given[0], given[1], given[2], blank, reduction, zero_infinity)
        return out[0] if reduction == "none" else out
    steps, sizes, labels = _checked(log_p.shape, targets, input_lengths, target_lengths, blank)
    wide = astype(log_p, np.float32) if log_p.dtype == np.float16 else log_p  # float16 would round the sums
    losses = negative(_log_likelihood(wide, labels, steps, sizes, blank, zero_infinity))
    if reduction == "mean":
        losses = losses / np.maximum(sizes, 1).astype(wide.dtype)
    out = reduce_losses(losses, reduction)
    return out if wide is log_p else astype(out, log_p.dtype)


def _log_likelihood(
    log_p: Any, labels: ndarray, steps: ndarray, sizes: ndarray, blank: int, is_finite: bool
) -> Any:  # fmt: skip
    """Return the log likelihood of each sample, by the forward recursion over states: blanks around the labels.

    If it shall be finite, that of an impossible target is 0.
    """
    n = np.arange(len(labels))
    states = np.full((len(n), 2 * labels.shape[1] + 1), blank)
    states[:, 1::2] = labels
    can_skip = np.pad((states[:, 2:] != blank) & (states[:, 2:] != states[:, :-2]), ((0, 0), (2, 0)))
    emitted = getitem(log_p, (slice(int(steps.max(initial=0))), n[:, None], states))
    scores = alignment_scores(emitted, can_skip=can_skip, steps=steps)[-1]
    ends = [scores[n, 2 * sizes], where(sizes > 0, scores[n, np.maximum(2 * sizes - 1, 0)], -np.inf)]
    if not is_finite:
        return logaddexp(*ends)
    impossible = np.maximum(*map(values_of, ends)) == -np.inf
    return where(impossible, 0, logaddexp(*(where(impossible, 0, end) for end in ends)))


def _checked(
    shape: tuple[int, ...], targets: Any, input_lengths: Any, target_lengths: Any, blank: Any
) -> tuple[ndarray, ndarray, ndarray]:
    """Return the lengths, and the labels (N, S) with S >= 1, padded with blanks."""
    if len(shape) != 3:
        raise ShapeError(f"ctc_loss: log_probs must have shape (T, N, C), or (T, C) for one sample, got {shape}.")
    steps, samples, classes = shape
    if not 0 <= integer("ctc_loss: blank", blank) < classes:
        raise ValueError(f"ctc_loss: blank must be from 0 to {classes - 1}, got {blank}.")
    lengths = _checked_lengths("input_lengths", input_lengths, samples)
    if (lengths > steps).any():
        raise ValueError(f"ctc_loss: input_lengths must be at most {steps}, the number of steps, got {lengths.max()}.")
    sizes, given = _checked_lengths("target_lengths", target_lengths, samples), np.asarray(values_of(targets))
    if given.dtype.kind not in "iu" and given.size:
        raise DTypeError(f"ctc_loss: targets must be integers, got {given.dtype}.")
    longest = int(sizes.max(initial=0))
    counts = np.arange(max(longest, 1)) < sizes[:, None]
    if given.shape != (sizes.sum(),) and (given.ndim != 2 or len(given) != samples or given.shape[1] < longest):
        raise ShapeError(
            f"ctc_loss: targets must have shape ({samples}, S) with S >= {longest}, the greatest of the "
            f"target_lengths, or ({sizes.sum()},), their sum, got {given.shape}."
        )
    labels = np.full(counts.shape, blank)
    labels[counts] = given[:, : counts.shape[1]][counts[:, : given.shape[1]]] if given.ndim == 2 else given
    used = labels[counts]
    if used.size and (used.min() < 0 or used.max() >= classes or (used == blank).any()):
        raise ValueError(
            f"ctc_loss: labels must be from 0 to {classes - 1} for {classes} classes, and not the blank {blank}, got "
            f"{np.unique(used).tolist()}."
        )
    return lengths, sizes, labels


def _checked_lengths(name: str, lengths: Any, samples: int) -> ndarray:
    array = np.asarray(values_of(lengths))
    if array.shape != (samples,):
        raise ShapeError(f"ctc_loss: {name} must have shape ({samples},), one for each sample, got {array.shape}.")
    if array.dtype.kind not in "iu" and array.size:
        raise DTypeError(f"ctc_loss: {name} must be integers, got {array.dtype}.")
    if (array < 0).any():
        raise ValueError(f"ctc_loss: {name} must be >= 0, got {array.min()}.")
    return array.astype(np.intp)


class CTCLoss(LossModule):
    """`ctc_loss` as a module.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> log_probs = tg.log_softmax(tg.zeros((5, 2, 4)), axis=2)
    >>> CTCLoss(reduction="none")(log_probs, [[1, 2], [3, 0]], [5, 4], [2, 1]).shape
    (2,)
    """

    __call__: LossOfSequences  # type: ignore[assignment]
    function = staticmethod(ctc_loss)

    def __init__(self, blank: int = 0, reduction: Reduction = "mean", zero_infinity: bool = False) -> None:
        self._store_settings(blank=blank, reduction=reduction, zero_infinity=zero_infinity)

    def forward(  # type: ignore[override]
        self, log_probs: TensorLike, targets: ArrayLike, input_lengths: ArrayLike, target_lengths: ArrayLike
    ) -> Tensor | Array:
        """Apply `ctc_loss`."""
        return self._loss(log_probs, targets, input_lengths, target_lengths)
