"""Losses of training programs, each with the denominator that weights its batches."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, NamedTuple

import numpy as np

import tinygrad_edu as tg
from tests.training.program_models import CLASSES, logits_of, more_of
from tinygrad_edu import nn

CLASS_WEIGHTS = np.array([0.25, 1.0, 3.0])  # their sums are exact in any order
ROW_WEIGHTS = np.array([[0.5, 1.0, 2.0]])


# --- Denominators, independent of those in the losses ---


def count_of_labels(target):
    return float((target != -100).sum())


def weight_of_labels(target):
    return float(sum(CLASS_WEIGHTS[label] for label in target.ravel() if label != -100))


def size(target):
    return float(target.size)


# --- Losses of labels ---


def reduced(reduction):
    """Return a loss with one of the reductions. All of them share one code object."""

    def loss(out, target):
        return nn.cross_entropy(out, target, reduction=reduction)

    return loss


def picked(out, target):
    """Return the negative log probabilities of the labels, and a mask of labels that count."""
    log_p, counts = tg.log_softmax(out, axis=1), target != -100
    hot = np.moveaxis(np.eye(CLASSES)[np.where(counts, target, 0)], -1, 1).astype(out.dtype)
    return -(log_p * hot).sum(axis=1), counts


def masked_mean(out, target):
    losses, counts = picked(out, target)
    return (losses * counts).sum() / counts.sum()


def copied(out, target):
    """Add a term that couples samples to a loss whose denominator `functools.wraps` copies."""
    return nn.cross_entropy(out, target) + 0.5 * out.mean(axis=0).std()


class Sharpened(nn.CrossEntropyLoss):
    """A subclass of a loss that overrides the forward and inherits the denominator."""

    def forward(self, out, target):
        return super().forward(out, target) ** 2


class Called:
    """A callable object that declares its denominator."""

    def __call__(self, out, target):
        return masked_mean(out, target)

    def denominator(self, target):
        return count_of_labels(target)


class Projected(nn.Module):
    """A loss with its own layer, which the optimizer holds."""

    def __init__(self, rng):
        self.layer = nn.Linear(CLASSES, CLASSES, rng=rng)

    def logits(self, out):
        return self.layer(out.swapaxes(1, -1)).swapaxes(1, -1) if out.ndim == 3 else self.layer(out)

    def forward(self, out, target):
        return nn.cross_entropy(self.logits(out), target) ** 2


class CountingAdditive(nn.CrossEntropyLoss):
    """An additive loss that counts its calls."""

    calls = 0

    def forward(self, out, target):
        self.calls += 1
        return super().forward(out, target)

    def denominator(self, target):
        return super().denominator(target)


def in_place(out, target):
    """Change the output in place."""
    out -= out.mean(axis=0).detach()
    return nn.cross_entropy(out, target)


class RunningCentre(nn.Module):
    """A loss with a buffer and a counter that change in each call."""

    def __init__(self):
        self.centre, self.calls = tg.Tensor(np.zeros(CLASSES)), 0

    def forward(self, out, target):
        mean = out.mean(axis=0) if out.ndim == 2 else out.mean(axis=(0, 2))
        self.centre.assign(0.5 * self.centre.numpy() + 0.5 * mean.numpy())
        self.calls += 1
        return nn.cross_entropy(out, target) + ((mean - self.centre.numpy().astype(out.dtype)) ** 2).sum()


def with_weights_of(model):
    """Return a loss that uses the parameters of the model."""
    return lambda out, target: nn.cross_entropy(out, target) + 0.05 * sum((p * p).sum() for p in model.parameters())


def with_penalties_of(model):
    """Return a loss that uses tensors stored by the forward pass."""

    def loss(out, target):
        stored = [vars(m).get("penalty", getattr(getattr(m, "cache", None), "penalty", None)) for m in model.modules()]
        return nn.cross_entropy(out, target) + sum((p for p in stored if p is not None), 0.0)

    return loss


class Noisy(nn.Module):
    """A loss with a generator of its own."""

    def __init__(self, rng):
        self.rng = rng

    def forward(self, out, target):
        noise = nn.current_stream(self.rng).normal(size=out.shape).astype(out.dtype)
        return nn.cross_entropy(out + noise, target)


class NoisyAdditive(Noisy):
    def denominator(self, target):
        return count_of_labels(target)


# --- Losses of values with a mask: the target is a tuple ---


def masked(out, target):
    values, mask = target
    errors = ((out - values) ** 2).reshape(len(values), -1).mean(axis=1)
    return (errors * mask).sum() / mask.sum()


class Losses(NamedTuple):
    """A loss for programs.

    Attributes
    ----------
    make : callable
        Function of the model and a generator that returns the loss.
    target : str
        One of "labels", "values", "shares" and "masked".
    denominator : callable, optional
        Function of the target that returns the weight of a batch, if the loss is additive.
    random : bool
        Whether it draws random numbers.
    reads : bool
        Whether it uses tensors stored by the forward pass.
    refused : bool or None
        Whether a shard refuses it; None if that depends on the model or the samples.
    only_rows : bool
        Whether it accepts only (N, C) outputs.
    """

    make: Callable[[Any, Any], Any]
    target: str
    denominator: Callable[[Any], float] | None = None
    random: bool = False
    reads: bool = False
    only_rows: bool = False
    refused: bool | None = False


def given(loss, *args, **attributes):
    return Losses(lambda model, rng: loss, *args, **attributes)


LOSSES = {
    # Losses of this package
    "cross entropy": given(nn.cross_entropy, "labels", count_of_labels),
    "class weights": given(partial(nn.cross_entropy, weight=CLASS_WEIGHTS), "labels", weight_of_labels),
    "mse": given(nn.mse_loss, "values", size),
    "huber, summed": given(partial(nn.huber_loss, reduction="sum"), "values"),
    "binary, row weights": given(
        partial(nn.binary_cross_entropy_with_logits, weight=ROW_WEIGHTS, pos_weight=ROW_WEIGHTS[0]),
        "shares", size, only_rows=True,
    ),
    # Losses as users write them
    "closure, mean": Losses(lambda model, rng: reduced("mean"), "labels"),
    "closure, sum": Losses(lambda model, rng: reduced("sum"), "labels"),
    "masked mean": given(masked_mean, "labels"),
    "declared masked mean": given(
        nn.additive(count_of_labels)(lambda out, y: masked_mean(out, y)), "labels", count_of_labels
    ),
    "copied by wraps": given(wraps(nn.cross_entropy)(copied), "labels"),
    "subclass": Losses(lambda model, rng: Sharpened(weight=CLASS_WEIGHTS), "labels"),
    "called": Losses(lambda model, rng: Called(), "labels", count_of_labels),
    "own layer": Losses(lambda model, rng: Projected(rng), "labels"),
    "counting, additive": Losses(lambda model, rng: CountingAdditive(), "labels", count_of_labels, refused=None),
    "in place": given(in_place, "labels", refused=None),
    "running centre": Losses(lambda model, rng: RunningCentre(), "labels"),
    "weights": Losses(lambda model, rng: with_weights_of(model), "labels"),
    "stored": Losses(lambda model, rng: with_penalties_of(model), "labels", reads=True, refused=None),
    "noisy": Losses(lambda model, rng: Noisy(rng), "labels", random=True),
    "noisy, additive": Losses(lambda model, rng: NoisyAdditive(rng), "labels", count_of_labels, random=True),
    "masked": given(masked, "masked"),
}  # fmt: skip


def of_output(loss, kind, denominator):
    """Return a loss of the model's output: of the logits in a pytree, and of the other outputs.

    If a denominator is declared, it is a loss of the logits only.
    """
    if kind == "array":
        return loss
    if denominator is None:
        return lambda out, target: loss(logits_of(out), target) + more_of(out)
    return nn.additive(denominator)(lambda out, target: loss(logits_of(out), target))
