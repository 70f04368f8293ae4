"""Models of training programs, drawn layer by layer, and whether each layer may run in shards.

Features are (N, 4), or (N, T, 4) for sequences. Every layer keeps the shape.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import nn

FEATURES, CLASSES, STEPS = 4, 3, 3


def linear(rng, out=FEATURES):
    return nn.Linear(FEATURES, out, rng=rng)


# --- Layers whose samples are independent ---


class Experts(nn.Module):
    """Each row uses one of two matrices, so a matrix may have no gradient in a shard."""

    def __init__(self, rng):
        self.first, self.second = linear(rng), linear(rng)

    def forward(self, x):
        chosen = x.numpy()[..., :1] > 0
        if chosen.all():
            return self.first(x)
        return tg.where(chosen, self.first(x), self.second(x)) if chosen.any() else self.second(x)


def with_clipped_gradient(rng):
    """Return a layer whose hook clips the gradient and records its sum."""
    layer = linear(rng)
    layer.sums = []

    def clip(g):
        layer.sums.append(float(np.abs(g).sum()))
        return np.clip(g, -0.02, 0.02)

    layer.weight.register_hook(clip)
    return layer


# --- Layers that a shard refuses ---


class NormalizesInside(nn.Module):
    def __init__(self):
        self.layer = nn.BatchNorm1D(FEATURES)

    def forward(self, x):
        return self.layer(x.reshape(-1, FEATURES)).reshape(x.shape)


class Notes(nn.Module):
    """It records its inputs in a list."""

    def __init__(self):
        self.seen = []

    def forward(self, x):
        self.seen.append(float(x.numpy().mean()))
        return tg.tanh(x)


class Counts(nn.Module):
    def __init__(self):
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return tg.tanh(x)


class StoresPenalty(nn.Module):
    """It stores a part of the loss, as a variational autoencoder may."""

    def forward(self, x):
        if self.training:
            self.penalty, self.level = (x * x).mean(), float(x.numpy().mean())
        return tg.tanh(x)


class CachesPenalty(nn.Module):
    """It stores a part of the loss in an object, which is noticed only if a loss uses it."""

    def __init__(self):
        self.cache = SimpleNamespace(penalty=None)

    def forward(self, x):
        self.cache.penalty = (x * x).mean()
        return tg.tanh(x)


class WritesBuffer(nn.Module):
    def __init__(self):
        self.mean = tg.Tensor(np.zeros(FEATURES))

    def forward(self, x):
        if self.training:
            self.mean.assign(0.9 * self.mean.numpy() + 0.1 * x.numpy().reshape(-1, FEATURES).mean(axis=0))
        return x - self.mean.numpy().astype(x.dtype)


class ClipsWeight(nn.Linear):
    """It changes its weight in place."""

    def forward(self, x):
        if self.training:
            self.weight.assign(0.9 * self.weight.numpy())
        return super().forward(x)


class OneSequence(nn.Module):
    """A recurrent layer, or attention, gets all rows as one sequence."""

    def __init__(self, layer):
        self.layer = layer

    def forward(self, x):
        rows = x.reshape(-1, FEATURES)
        out = self.layer(rows) if isinstance(self.layer, nn.GRU) else self.layer(rows, rows, rows)
        return out[0].reshape(x.shape)


class ScalesGradient(nn.Module):
    """A hook divides the gradient of an output by its norm over the whole batch."""

    def forward(self, x):
        out = tg.tanh(x)
        if out.requires_grad:
            out.register_hook(lambda g: g / (np.linalg.norm(g) + 1))
        return out


class Layer(NamedTuple):
    """A layer for models.

    Attributes
    ----------
    make : callable
        Function of a generator that returns the layer.
    refused : bool or None
        Whether a shard refuses it; None if that depends on the samples or the loss.
    random : bool
        Whether it draws random numbers in training.
    """

    make: Callable[[Any], Any]
    refused: bool | None = False
    random: bool = False


INDEPENDENT = {
    "linear": Layer(linear),
    "tanh": Layer(lambda rng: nn.Tanh()),
    "dropout": Layer(lambda rng: nn.Dropout(0.3, rng=rng), random=True),
    "dropout without a generator": Layer(lambda rng: nn.Dropout(0.3), random=True),
    "experts": Layer(Experts),
    "clipped gradient": Layer(with_clipped_gradient),
}
REFUSED = {
    "normalizes inside": Layer(lambda rng: NormalizesInside(), refused=True),
    "notes": Layer(lambda rng: Notes(), refused=True),
    "counts": Layer(lambda rng: Counts(), refused=True),
    "stores a penalty": Layer(lambda rng: StoresPenalty(), refused=True),
    "caches a penalty": Layer(lambda rng: CachesPenalty(), refused=None),
    "writes a buffer": Layer(lambda rng: WritesBuffer(), refused=True),
    "clips its weight": Layer(lambda rng: ClipsWeight(FEATURES, FEATURES, rng=rng), refused=True),
    "scales the gradient": Layer(lambda rng: ScalesGradient(), refused=True),
}
LAYERS = INDEPENDENT | REFUSED


# --- Outputs ---


class Object:
    def __init__(self, out):
        self.out, self.more = out, None


# Functions of the last layer, the features and the logits that return the model's output; "more" is an extra output.
OUTPUTS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "array": lambda head, x, out: out,
    "dict": lambda head, x, out: {"out": out, "more": x, "none": None},
    "list": lambda head, x, out: [out, [x]],
    "twice": lambda head, x, out: {"out": out, "more": out},
    "integers": lambda head, x, out: {"out": out, "more": out.numpy().argmax(axis=1)},
    "parameter": lambda head, x, out: {"out": out, "more": head.layer.weight},
    "number": lambda head, x, out: {"out": out, "more": (x * x).mean()},
    "word": lambda head, x, out: {"out": out, "more": "words"},
    "object": lambda head, x, out: Object(out),
    "some": lambda head, x, out: {"out": out, "more": x} if x.numpy()[0].sum() > 0 else {"out": out, "more": (x, x)},
}  # fmt: skip
REFUSED_OUTPUTS = {"parameter", "number", "word", "object"}


class Head(nn.Module):
    def __init__(self, kind, rng):
        self.layer, self.table, self.kind = linear(rng, CLASSES), tg.Tensor(np.ones((2, CLASSES))), kind

    def forward(self, x):
        out = self.layer(x)
        return OUTPUTS[self.kind](self, x, out.swapaxes(1, -1) if out.ndim == 3 else out)


def logits_of(out):
    if isinstance(out, tg.Tensor | np.ndarray | list):
        return out[0] if isinstance(out, list) else out
    return out["out"] if isinstance(out, dict) else out.out


def more_of(out):
    """Return a number from the extra output, for a loss."""
    if isinstance(out, tg.Tensor | np.ndarray):
        return 0.0
    more = out[1] if isinstance(out, list) else out["more"] if isinstance(out, dict) else out.more
    more = more[-1] if isinstance(more, tuple | list) else more
    return 0.0 if more is None or isinstance(more, str) else 0.3 * tg.tanh(more).mean()


# --- Stems: functions of the inputs that return features ---


class Tagger(nn.Module):
    def __init__(self, rng):
        self.layer = nn.GRU(FEATURES, FEATURES, batch_first=True, rng=rng)

    def forward(self, x):
        return self.layer(x)[0]


STEMS: dict[str, Callable[[Any], Any]] = {"rows": linear, "sequences": Tagger}


class Inputs(nn.Module):
    """Input of a model: an array, or a dict with a second array that scales the features."""

    def __init__(self, stem):
        self.stem = stem

    def forward(self, x):
        if not isinstance(x, dict):
            return self.stem(x)
        features = self.stem(x["x"])
        return features * x["scale"].reshape(-1, *[1] * (features.ndim - 1))
