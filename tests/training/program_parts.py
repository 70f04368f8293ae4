"""Parts of training programs, by name: layers, outputs and losses.

Features are (N, 4), or (N, 3, 4) for sequences. Every layer keeps the shape.
"""

from functools import partial, wraps
from types import SimpleNamespace

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import nn

FEATURES, CLASSES, STEPS = 4, 3, 3


def linear(rng, out=FEATURES):
    return nn.Linear(FEATURES, out, rng=rng)


class Part(nn.Module):
    """A layer or a loss, whose forward is a function of itself and its inputs."""

    def __init__(self, function, **attributes):
        vars(self).update(attributes, function=function)

    def forward(self, *inputs):
        return self.function(self, *inputs)


# --- Layers whose samples are independent ---


def experts(layer, x):
    """Compute each row with one of two matrices, so a matrix may have no gradient in a shard."""
    chosen = x.numpy()[..., :1] > 0
    if chosen.all():
        return layer.first(x)
    return tg.where(chosen, layer.first(x), layer.second(x)) if chosen.any() else layer.second(x)


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


def tanh(act, **attributes):
    """Return tanh as a layer, which then calls a function of itself, the input and the output."""

    def function(layer, x):
        out = tg.tanh(x)
        act(layer, x, out)
        return out

    return Part(function, **attributes)


def store_penalty(layer, x, out):
    """Store a part of the loss, as a variational autoencoder may."""
    if layer.training:
        layer.penalty, layer.level = (x * x).mean(), float(x.numpy().mean())


def cache_penalty(layer, x, out):
    """Store a part of the loss in an object, which is noticed only if a loss uses it."""
    layer.cache.penalty = (x * x).mean()


def write_buffer(layer, x, out):
    if layer.training:
        layer.mean.assign(0.9 * layer.mean.numpy() + 0.1 * x.numpy().reshape(-1, FEATURES).mean(axis=0))


def scale_gradient(layer, x, out):
    """Divide the gradient of the output by its norm over the whole batch."""
    if out.requires_grad:
        out.register_hook(lambda g: g / (np.linalg.norm(g) + 1))


def clip_weight(layer, x):
    if layer.training:
        layer.inside.weight.assign(0.9 * layer.inside.weight.numpy())
    return layer.inside(x)


def normalize(layer, x):
    return layer.inside(x.reshape(-1, FEATURES)).reshape(x.shape)


INDEPENDENT = {
    "linear": linear,
    "tanh": lambda rng: nn.Tanh(),
    "dropout": lambda rng: nn.Dropout(0.3, rng=rng),
    "dropout without a generator": lambda rng: nn.Dropout(0.3),
    "experts": lambda rng: Part(experts, first=linear(rng), second=linear(rng)),
    "clipped gradient": with_clipped_gradient,
}
COUPLED = {
    "normalizes inside": lambda rng: Part(normalize, inside=nn.BatchNorm1D(FEATURES)),
    "notes": lambda rng: tanh(lambda layer, x, out: layer.seen.append(float(x.numpy().mean())), seen=[]),
    "counts": lambda rng: tanh(lambda layer, x, out: setattr(layer, "calls", layer.calls + 1), calls=0),
    "stores a penalty": lambda rng: tanh(store_penalty),
    "caches a penalty": lambda rng: tanh(cache_penalty, cache=SimpleNamespace(penalty=None)),
    "writes a buffer": lambda rng: tanh(write_buffer, mean=tg.Tensor(np.zeros(FEATURES))),
    "clips its weight": lambda rng: Part(clip_weight, inside=linear(rng)),
    "scales the gradient": lambda rng: tanh(scale_gradient),
}
LAYERS = INDEPENDENT | COUPLED


# --- Outputs ---

# Functions of the last layer, the features and the logits that return the model's output; "more" is an extra output.
OUTPUTS = {
    "array": lambda head, x, out: out,
    "dict": lambda head, x, out: {"out": out, "more": x, "none": None},
    "list": lambda head, x, out: [out, [x]],
    "twice": lambda head, x, out: {"out": out, "more": out},
    "integers": lambda head, x, out: {"out": out, "more": out.numpy().argmax(axis=1)},
    "parameter": lambda head, x, out: {"out": out, "more": head.last.weight},
    "number": lambda head, x, out: {"out": out, "more": (x * x).mean()},
    "word": lambda head, x, out: {"out": out, "more": "words"},
    "object": lambda head, x, out: SimpleNamespace(out=out, more=None),
    "some": lambda head, x, out: {"out": out, "more": x} if x.numpy()[0].sum() > 0 else {"out": out, "more": (x, x)},
}  # fmt: skip


def head(kind, rng):
    """Return the last layer, with one of the outputs."""
    return Part(lambda head, x: OUTPUTS[kind](head, x, head.last(x).swapaxes(1, -1)), last=linear(rng, CLASSES))


def logits_and_more(out):
    """Return the logits of an output, and a number from the extra output, for a loss."""
    if isinstance(out, tg.Tensor | np.ndarray):
        return out, 0.0
    parts = out if isinstance(out, dict | list) else vars(out)
    logits, more, *_ = parts.values() if isinstance(parts, dict) else parts
    more = more[-1] if isinstance(more, tuple | list) else more
    return logits, 0.0 if more is None or isinstance(more, str) else 0.3 * tg.tanh(more).mean()


# --- Losses ---

CLASS_WEIGHTS = np.array([0.25, 1.0, 3.0])  # their sums are exact in any order
ROW_WEIGHTS = np.array([[0.5, 1.0, 2.0]])


def reduced(reduction):
    """Return a loss with one of the reductions. All of them share one code object."""

    def loss(out, target):
        return nn.cross_entropy(out, target, reduction=reduction)

    return loss


def masked_mean(out, target):
    """Return the mean of the negative log probabilities of the labels that count."""
    log_p, counts = tg.log_softmax(out, axis=1), target != -100
    hot = np.moveaxis(np.eye(CLASSES)[np.where(counts, target, 0)], -1, 1).astype(out.dtype)
    return (-(log_p * hot).sum(axis=1) * counts).sum() / counts.sum()


@wraps(nn.cross_entropy)
def copied(out, target):
    """Add a term that couples samples to a loss whose denominator `functools.wraps` copies."""
    return nn.cross_entropy(out, target) + 0.5 * out.mean(axis=0).std()


class Called:
    """A callable object that declares its denominator."""

    def __call__(self, out, target):
        return masked_mean(out, target)

    def denominator(self, target):
        return count_of_labels(target)


class CountingAdditive(nn.CrossEntropyLoss):
    """An additive loss that counts its calls."""

    calls = 0

    def forward(self, out, target):
        self.calls += 1
        return super().forward(out, target)

    def denominator(self, target):
        return super().denominator(target)


def projected(loss, out, target):
    """Return a loss of logits of its own layer, which the optimizer holds."""
    return nn.cross_entropy(loss.layer(out.swapaxes(1, -1)).swapaxes(1, -1), target) ** 2


def in_place(out, target):
    """Change the output in place."""
    out -= out.mean(axis=0).detach()
    return nn.cross_entropy(out, target)


def running_centre(loss, out, target):
    """Return a loss with a buffer and a counter that change in each call."""
    mean = out.mean(axis=0) if out.ndim == 2 else out.mean(axis=(0, 2))
    loss.centre.assign(0.5 * loss.centre.numpy() + 0.5 * mean.numpy())
    loss.calls += 1
    return nn.cross_entropy(out, target) + ((mean - loss.centre.numpy().astype(out.dtype)) ** 2).sum()


def with_weights_of(model):
    """Return a loss that uses the parameters of the model."""
    return lambda out, target: nn.cross_entropy(out, target) + 0.05 * sum((p * p).sum() for p in model.parameters())


def with_penalties_of(model):
    """Return a loss that uses tensors stored by the forward pass."""

    def loss(out, target):
        stored = [vars(m).get("penalty", getattr(getattr(m, "cache", None), "penalty", None)) for m in model.modules()]
        return nn.cross_entropy(out, target) + sum((p for p in stored if p is not None), 0.0)

    return loss


def noisy(loss, out, target):
    """Return a loss with a generator of its own."""
    noise = nn.current_stream(loss.rng).normal(size=out.shape).astype(out.dtype)
    return nn.cross_entropy(out + noise, target)


def masked(out, target):
    values, mask = target
    errors = ((out - values) ** 2).reshape(len(values), -1).mean(axis=1)
    return (errors * mask).sum() / mask.sum()


def count_of_labels(target):
    return float((target != -100).sum())


binary = partial(nn.binary_cross_entropy_with_logits, weight=ROW_WEIGHTS, pos_weight=ROW_WEIGHTS[0])

# Functions of the model and a generator that return the loss. The target is the labels, if not said otherwise.
LOSSES = {
    "cross entropy": lambda model, rng: nn.cross_entropy,
    "class weights": lambda model, rng: partial(nn.cross_entropy, weight=CLASS_WEIGHTS),
    "binary, row weights": lambda model, rng: binary,  # of (N, C) outputs and probabilities
    "closure, mean": lambda model, rng: reduced("mean"),
    "closure, sum": lambda model, rng: reduced("sum"),
    "masked mean": lambda model, rng: masked_mean,
    "copied by wraps": lambda model, rng: copied,
    "called": lambda model, rng: Called(),
    "own layer": lambda model, rng: Part(projected, layer=nn.Linear(CLASSES, CLASSES, rng=rng)),
    "counting, additive": lambda model, rng: CountingAdditive(),
    "in place": lambda model, rng: in_place,
    "running centre": lambda model, rng: Part(running_centre, centre=tg.Tensor(np.zeros(CLASSES)), calls=0),
    "weights": lambda model, rng: with_weights_of(model),
    "stored": lambda model, rng: with_penalties_of(model),
    "noisy": lambda model, rng: Part(noisy, rng=rng),
    "noisy, additive": lambda model, rng: Part(noisy, rng=rng, denominator=count_of_labels),
    "masked": lambda model, rng: masked,  # of values and a mask of samples
}
# Denominators of the additive losses, independent of those in the losses
DENOMINATORS = {
    **dict.fromkeys(("cross entropy", "called", "counting, additive", "noisy, additive"), count_of_labels),
    "class weights": lambda target: float(sum(CLASS_WEIGHTS[label] for label in target.ravel() if label != -100)),
    "binary, row weights": lambda target: float(target.size),
}


def of_output(loss, kind, denominator):
    """Return a loss of the model's output: of its logits only, if it declares a denominator."""

    def of_all(out, target):
        logits, more = logits_and_more(out)
        return loss(logits, target) + (more if denominator is None else 0.0)

    return loss if kind == "array" else of_all if denominator is None else nn.additive(denominator)(of_all)


RANDOM = {"dropout", "dropout without a generator", "noisy", "noisy, additive", "augmented"}
REFUSED = {*COUPLED, "parameter", "number", "word", "object"} - {"caches a penalty"}
SOMETIMES_REFUSED = {"caches a penalty", "counting, additive", "in place", "stored", "some"}  # by the samples, the loss
