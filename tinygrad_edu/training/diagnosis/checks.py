"""The checks of a diagnosis, in the order of causes: data, loss, graph, mode, signal, rate, overfitting."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_edu import core
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.nn.layers.normalization import BatchNorm
from tinygrad_edu.shared.pytree import tree_leaves
from tinygrad_edu.training.diagnosis.measurements import BINARY, SATURATED, Measurements
from tinygrad_edu.training.nonfinite import explain_nonfinite
from tinygrad_edu.training.train_step import optimizer_parameters

_Result = tuple[str, str] | str | None  # the place and the measured numbers, a reason not to know, or in order
_Check = Callable[[Measurements], _Result]
FAULTS: dict[str, tuple[_Check, str, str, str]] = {}  # checks, with the threshold, its source, and what to do
TARGET, BACKWARD = "the target of the batches", "fewer than two layers with weights get a gradient"
CLASSES = "the tape has no softmax or cross entropy that fits the target"
MODELS = "calibrated on models/, see docs/diagnose.md"


def fault(threshold: str, source: str, fix: str) -> Callable[[_Check], None]:
    """Register a check under the name of its function, with what a right program has, its source, and what to do."""

    def register(check: _Check) -> None:
        FAULTS[check.__name__.lstrip("_")] = check, threshold, source, fix

    return register


def _worst(found: Mapping[str, float], unit: str, choose: Callable[..., Any] = max) -> _Result:
    return (", ".join(found), f"{choose(found.values()):.3g} {unit}") if found else None


@fault("floating point, |mean| at most 3 std, std at most 10", f"LeCun et al., Efficient BackProp, 1998; {MODELS}",
       "Subtract the mean of the training set and divide by its std; scale images with data.to_float.")  # fmt: skip
def _unscaled_inputs(m: Measurements) -> _Result:
    leaves = [x for batch in m.batches for x in tree_leaves(list(batch[:-1]))]
    if isinstance(m.problem, DTypeError) and any(getattr(x, "dtype", None) == np.uint8 for x in leaves):
        return "the inputs of the batches", f"dtype uint8; {str(m.problem).partition('. ')[0]}"
    for where, (count, total, squares) in m.inputs.items():
        mean, std = total / count, max(squares / count - (total / count) ** 2, 0.0) ** 0.5
        if std > 10 or (count >= 8 and std > 0 and abs(mean) > 3 * std):
            return f"the input of {where}", f"mean {mean:.3g}, std {std:.3g}"
    return None if m.inputs else "no op of weights gets floating-point numbers of a batch"


@fault("integers from 0 to C - 1, or the shape and dtype of the output", "definition of the loss, see nn.cross_entropy",
       "Convert, shift or reshape the target.")  # fmt: skip
def _bad_labels(m: Measurements) -> _Result:
    if m.in_loss and isinstance(m.problem, DTypeError | IndexError | ShapeError | ValueError):
        return TARGET, str(m.problem)
    if m.square:
        return TARGET, f"output and target {m.square} broadcast to a square"
    for each in m.classifications:
        if not each.is_masked and ((each.labels < 0) | (each.labels >= each.classes)).any():
            return TARGET, f"labels from {each.labels.min()} to {each.labels.max()} for {each.classes} classes"
    return None if m.classifications else CLASSES


@fault("at least two classes", "LeCun et al., Efficient BackProp, 1998, 4.2",
       "Shuffle the samples, and check how the target is read.")  # fmt: skip
def _one_class(m: Measurements) -> _Result:
    labels = np.concatenate([np.zeros(0), *(each.labels for each in m.classifications)])
    if len(labels) < 8 or len(labels) != m.samples:
        return "fewer than 8 samples with one label each were read" if m.classifications else CLASSES
    return (TARGET, f"{len(labels)} labels, all {labels[0]:g}") if len(np.unique(labels)) == 1 else None


@fault("at most 10 deviations", "LeCun et al., 1998, 4.2; mean and deviation of chi-square",
       "Shuffle the samples: data.DataLoader(x, y, batch_size=32, rng=rng).")  # fmt: skip
def _sorted_labels(m: Measurements) -> _Result:
    kinds = np.unique(np.concatenate([np.zeros(0), *(each.labels for each in m.classifications)]))
    table = np.array([(each.labels[:, None] == kinds).sum(axis=0) for each in m.classifications])
    if min(table.shape) < 2 or table.sum() != m.samples:
        return "fewer than two batches or classes, or several labels for a sample" if m.classifications else CLASSES
    expected, freedom = table.sum(1, keepdims=True) * table.sum(0) / table.sum(), (len(table) - 1) * (len(kinds) - 1)
    z = (((table - expected) ** 2 / expected).sum() - freedom) / (2 * freedom) ** 0.5
    return (TARGET, f"their counts in {len(table)} batches differ by {z:.1f} deviations") if z > 10 else None


@fault("logits, which are any numbers", "definition of the loss, which computes the softmax or sigmoid itself",
       "Remove the softmax or sigmoid at the end of the model.")  # fmt: skip
def _softmax_before_cross_entropy(m: Measurements) -> _Result:
    for each in m.classifications:
        x, gets_logits = each.logits, each.op not in ("softmax", BINARY[1])
        if gets_logits and (each.is_of_sigmoid or (x.min() >= 0 and np.allclose(x.sum(axis=1), 1, atol=1e-3))):
            return f"the input of {each.op}", f"probabilities from {x.min():.3g} to {x.max():.3g}"
    return None if m.classifications else CLASSES


@fault("a finite number of at most 2 log(classes)", f"Karpathy, A recipe for training networks, 2019; 2 {MODELS}",
       "Scale the weights of the last layer down; look for numbers that are not finite.")  # fmt: skip
def _initial_loss(m: Measurements) -> _Result:
    if not np.isfinite(m.start).all():
        cause, _ = explain_nonfinite(m.training.model, m.batches, 1, m.losses_now)
        return "the loss", f"{m.start[-1]}; {cause}"
    losses = [each.loss for each in m.classifications if np.isfinite(each.loss)]
    if not losses:
        return CLASSES
    classes, loss = m.classifications[0].classes, np.mean(losses)
    return ("the loss", f"{loss:.3g} for {classes} classes") if loss > 2 * np.log(classes) else None


@fault("a path on the tape from each parameter to the loss", "definition of the gradient",
       "Use it in forward without numpy(), detach() or no_grad(), or freeze it: requires_grad = False.")  # fmt: skip
def _no_gradient(m: Measurements) -> _Result:
    lost = [name for name in m.parameters if name not in m.reached]
    if not m.parameters:
        return "the model", "no parameter requires a gradient"
    return (", ".join(lost), f"{len(lost)} of {len(m.parameters)} parameters are not on the tape") if lost else None


@fault("every parameter with a gradient is in the optimizer", "definition of the optimizer",
       "Make the optimizer from model.parameters(), after the model is complete.")  # fmt: skip
def _not_optimized(m: Measurements) -> _Result:
    if m.training.optimizer is None:
        return "no optimizer was given"
    held = set(optimizer_parameters(m.training.optimizer))
    lost = [name for name in m.reached if m.parameters[name] not in held]
    return (", ".join(lost), "a gradient, but no place in the optimizer") if lost else None


@fault("training is True", "Ioffe and Szegedy, Batch normalization, 2015; Srivastava et al., Dropout, 2014",
       "Call model.train() before the steps. Frozen parts may stay in evaluation mode.")  # fmt: skip
def _evaluation_mode(m: Measurements) -> _Result:
    names, found = dict(m.training.model.named_modules()), []
    for name, part in names.items():
        around = [x for at, x in names.items() if x.parameters() and (not at or f"{name}.".startswith(f"{at}."))]
        acts = isinstance(part, BatchNorm) or (isinstance(part, core.Dropout) and part.p > 0)
        if acts and not part.training and around and any(x.requires_grad for x in around[-1].parameters()):
            found.append(f"{name}: {type(part).__name__}")
    return (", ".join(found), "training is False, and the parameters around are trained") if found else None


@fault("at most half of the units", f"Glorot et al., 2011; He et al., 2015; half {MODELS}",
       "Draw the weights with nn.init.kaiming_normal, set the biases to 0, or lower the learning rate.")  # fmt: skip
def _dead_units(m: Measurements) -> _Result:
    if not m.units or m.samples < 8:
        return "fewer than 8 samples were read" if m.units else "the tape has no ReLU"
    shares = {name: np.mean(alive == 0) for (name, _), alive in m.units.items()}
    return _worst({name: x for name, x in shares.items() if x > 0.5}, "of the units are 0 for all samples")


@fault("at most half of the results", f"Glorot and Bengio, 2010; 0.97: Karpathy, makemore 3; half {MODELS}",
       "Scale the weights or the inputs of the layer down.")  # fmt: skip
def _saturated_units(m: Measurements) -> _Result:
    found = {name: high / size for name, (high, size) in m.saturation.items() if 2 * high > size}
    unit = f"of the results are beyond {SATURATED} of the range"
    return _worst(found, unit) if m.saturation else "the tape has no tanh or sigmoid between layers"


def _ratios(norms: Mapping[str, float], choose: Callable[..., Any]) -> dict[str, float]:
    """Return the norm of each layer's gradient over the largest or smallest one of the layers after it."""
    later = (choose([*norms.values()][k:]) for k in range(1, len(norms)))
    return {name: x / other for (name, x), other in zip(norms.items(), later, strict=False)}


@fault("at least 3e-4", f"Glorot and Bengio, 2010; AutoTrainer has 1e-3; {MODELS}",
       "Use ReLU with nn.init.kaiming_normal, normalization layers or residual connections.")  # fmt: skip
def _vanishing_gradients(m: Measurements) -> _Result:
    found = {name: x for name, x in _ratios(m.gradients, max).items() if x < 3e-4}
    return _worst(found, "of the norm of a later layer", min) if len(m.gradients) > 1 else BACKWARD


@fault("at most 1000", f"Glorot and Bengio, 2010; {MODELS}",
       "Scale the initial weights down, use normalization layers, or clip the gradient.")  # fmt: skip
def _exploding_gradients(m: Measurements) -> _Result:
    found = {name: x for name, x in _ratios(m.gradients, min).items() if x > 1e3}
    return _worst(found, "times the norm of a later layer") if len(m.gradients) > 1 else BACKWARD


@fault("updates of at most 0.1 of the weight, or a loss that falls", f"CS231n, Neural networks 3: about 1e-3; {MODELS}",
       "Divide the learning rate by 10. If the loop clips gradients, the updates are smaller than here.")  # fmt: skip
def _rate_too_high(m: Measurements) -> _Result:
    if m.untrained:
        return m.untrained
    ratio, before, after = max(m.updates.values(), default=0.0), np.mean(m.start), np.mean(m.after)
    growth = -0.1 if ratio > 0.5 else 0.1 if ratio > 0.1 else 0.5  # that a right program may have, by docs/diagnose.md
    if ratio <= 2 and np.isfinite(after) and after - before <= abs(before) * growth:
        return None
    numbers = f"updates of up to {ratio:.3g}; a loss of {before:.4g} before, {after:.4g} after {len(m.losses)} steps"
    return ", ".join(name for name, x in m.updates.items() if x > 0.1) or "the loss", numbers


@fault("an update of at least 1e-6 of a weight", f"CS231n, Neural networks 3: about 1e-3; {MODELS}",
       "Multiply the learning rate by 10, and check the schedule.")  # fmt: skip
def _rate_too_low(m: Measurements) -> _Result:
    if m.untrained or not m.updates:
        return m.untrained or "no weight with two or more axes is trained"
    return _worst(m.updates, "of the weight in one step") if max(m.updates.values()) < 1e-6 else None


@fault("at most half of the loss at the start", "Karpathy, A recipe for training neural networks, 2019",
       "Check the pairing of inputs and targets, the shapes in the loss, and the capacity.")  # fmt: skip
def _cannot_overfit(m: Measurements) -> _Result:
    if m.untrained or not m.fitted:
        return m.untrained or "overfit_steps is 0"
    first, middle, last = np.abs([m.fitted[0], m.fitted[len(m.fitted) // 2], m.fitted[-1]])
    if last > first / 2 and middle - last > 0.002 * first:
        return f"the loss still falls after {len(m.fitted) - 1} steps: {first:.4g} to {last:.4g}"
    return ("the first batch", f"{first:.4g} before, {last:.4g} after the steps") if last > first / 2 else None
