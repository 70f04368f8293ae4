"""The checks of a diagnosis, in the order of causes, each with its threshold, the source of it, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite, log
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu import core
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.nn.layers.normalization import BatchNorm
from tinygrad_edu.ops import cross_entropy
from tinygrad_edu.shared.pytree import tree_leaves
from tinygrad_edu.training.diagnosis.evidence import Evidence, Labelled
from tinygrad_edu.training.diagnosis.probe import BINARY, SATURATED, origin
from tinygrad_edu.training.diagnosis.report import Finding
from tinygrad_edu.training.nonfinite import explain_nonfinite
from tinygrad_edu.training.train_step import optimizer_parameters

Result = tuple[str, str] | str | None  # the place and the measured numbers, a reason not to know, or in order
TARGET = "the target of the batches"
NO_CLASSES = "the tape has no softmax or cross entropy that fits the target"
NO_OPTIMIZER = "no optimizer was given"
VANISHED, EXPLODED = 3e-4, 1e3


def _unscaled_inputs(e: Evidence) -> Result:
    bytes_given = any(getattr(x, "dtype", None) == np.uint8 for batch in e.batches for x in tree_leaves(batch[:-1]))
    if isinstance(e.problem, DTypeError) and bytes_given and not e.probe.inputs:
        return "the inputs of the batches", f"dtype uint8; {str(e.problem).partition('. ')[0]}"
    for where, (count, total, squares, is_byte) in e.probe.inputs.items():
        mean = total / count
        std = max(squares / count - mean * mean, 0.0) ** 0.5
        if is_byte or std > 10 or (count >= 8 and std > 0 and abs(mean) > 3 * std):
            return f"the input of {where}", f"mean {mean:.3g}, std {std:.3g}{', dtype uint8' if is_byte else ''}"
    return None if e.probe.inputs else "no layer with weights gets floating-point numbers of the batches"


def _bad_labels(e: Evidence) -> Result:
    if e.repair:
        return TARGET, f"{e.repair}; {e.problem}"
    if e.pairs:
        return TARGET, f"the output {e.pairs[0]} and the target {e.pairs[1]} broadcast to a square"
    for score, labels, is_masked, _ in e.scores:
        if not is_masked and ((labels < 0) | (labels >= score.classes)).any():
            return TARGET, f"labels from {labels.min()} to {labels.max()} for {score.classes} classes"
    return None if e.scores else NO_CLASSES


def _one_class(e: Evidence) -> Result:
    labels = [x for each in e.scores if each.has_one for x in each.labels]
    if len(labels) < 8:
        return "fewer than 8 samples with a label were read" if e.scores else NO_CLASSES
    return (TARGET, f"{len(labels)} labels, all {labels[0]:g}") if len(set(labels)) == 1 else None


def _sorted_labels(e: Evidence) -> Result:
    labels = [each.labels for each in e.scores if each.has_one]
    kinds = np.unique(np.concatenate(labels)) if labels else []
    if len(labels) < 2 or len(kinds) < 2:
        return "fewer than two batches, or fewer than two classes, were read" if e.scores else NO_CLASSES
    table = np.array([(y[:, None] == kinds).sum(0) for y in labels])
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    freedom = (len(table) - 1) * (len(kinds) - 1)
    spread = 2 / (9 * freedom)
    z = (((((table - expected) ** 2 / expected).sum() / freedom) ** (1 / 3)) - 1 + spread) / spread**0.5
    return (TARGET, f"their counts in {len(table)} batches differ by {z:.1f} deviations") if z > 5 else None


def _softmax_before_cross_entropy(e: Evidence) -> Result:
    for score in (each.score for each in e.scores if each.score.name != "softmax"):
        before = origin(next(iter(score.node.parents.values()))).op
        name = before.name if before else ""
        sums = score.x.sum(axis=score.axis) if score.name in ("cross_entropy", "log_softmax") else np.zeros(1)
        if score.name != BINARY[1] and (
            name in ("softmax", "sigmoid") or (score.x.min() >= 0 and np.allclose(sums, 1, atol=1e-3))
        ):
            return (
                f"the input of {score.name}",
                f"the result of {name or 'an op'}: from {score.x.min():.3g} to {score.x.max():.3g}",
            )
    return None if e.scores else NO_CLASSES


def _initial_loss(e: Evidence) -> Result:
    if not np.isfinite(e.start).all():
        compute = lambda: [e.program.loss(e.program.output(batch), batch[-1]) for batch in e.batches]
        return "the loss", f"{e.start}; {explain_nonfinite(e.program.model, e.batches, 1, compute)[0]}"
    if not e.scores:
        return NO_CLASSES
    classes, loss = e.scores[0].score.classes, float(np.mean([_mean_loss(each) for each in e.scores]))
    return ("the loss", f"{loss:.3g} for {classes} classes") if loss > 2 * log(classes) else None


def _no_gradient(e: Evidence) -> Result:
    trained = [name for name, x in e.names.items() if x.requires_grad and not name.endswith("of the optimizer")]
    lost = [name for name in trained if name not in e.reached]
    if not trained:
        return "the model", "no parameter requires a gradient"
    return (
        (", ".join(lost), f"{len(lost)} of {len(trained)} parameters are not on the tape of the loss") if lost else None
    )


def _not_optimized(e: Evidence) -> Result:
    if e.program.optimizer is None:
        return NO_OPTIMIZER
    held = set(optimizer_parameters(e.program.optimizer))
    missing = [name for name in e.reached if e.names[name].requires_grad and e.names[name] not in held]
    missing += [f"a tensor of shape {shape}" for shape in e.stray]
    return (", ".join(missing), "they get a gradient, but the optimizer does not hold them") if missing else None


def _evaluation_mode(e: Evidence) -> Result:
    names = dict(e.given.model.named_modules())
    found = []
    for name, part in names.items():
        acts = isinstance(part, BatchNorm) or (isinstance(part, core.Dropout) and part.p > 0)
        path = name.split(".")
        around = (names.get(".".join(path[:k])) for k in range(len(path), -1, -1))
        of = next((x.parameters() for x in around if x is not None and x.parameters()), [])
        if acts and not part.training and any(x.requires_grad for x in of):
            found.append(f"{name}: {type(part).__name__}".removeprefix(": "))
    return (", ".join(found), "training is False, and the parameters around are trained") if found else None


def _dead_units(e: Evidence) -> Result:
    if not e.probe.units or e.samples < 8:
        return "the tape has no ReLU" if not e.probe.units else "fewer than 8 samples were read"
    dead = {name: 1 - alive.mean() for name, alive in e.probe.units.items()}
    return _worst({name: share for name, share in dead.items() if share > 0.5}, "of the units are 0 for all samples")


def _saturated_units(e: Evidence) -> Result:
    shares = {name: high / size for name, (high, size) in e.probe.saturation.items() if size}
    found = {name: share for name, share in shares.items() if share > 0.5}
    return _worst(found, f"of the results are beyond {SATURATED}") if shares else "the tape has no tanh or sigmoid"


def _vanishing_gradients(e: Evidence) -> Result:
    if len(e.probe.gradients) < 2:
        return "fewer than two layers with weights get a gradient"
    both = [_ratios(probe.gradients, max) for probe in (e.probe, e.later)]
    found = {name: x for name, x in both[0].items() if max(x, both[1].get(name, x)) < VANISHED}
    return _worst(found, "of the norm of a later layer's gradient", min)


def _exploding_gradients(e: Evidence) -> Result:
    if len(e.probe.gradients) < 2:
        return "fewer than two layers with weights get a gradient"
    found = {name: x for name, x in _ratios(e.probe.gradients, min).items() if x > EXPLODED}
    return _worst(found, "times the norm of a later layer's gradient")


def _rate_too_high(e: Evidence) -> Result:
    if not e.losses:
        return NO_OPTIMIZER if e.program.optimizer is None else "the program did not take a step"
    ratio, before, after = max(e.updates.values(), default=0.0), np.mean(e.start), np.mean(e.after)
    if isfinite(after) and after <= before * (0.9 if ratio > 0.5 else 1.1 if ratio > 0.1 else 1.5):
        return None
    names = [name for name, x in e.updates.items() if x > 0.1]
    return ", ".join(names) or "the loss", f"updates of up to {ratio:.3g}; the loss goes from {before:.4g} to {after:.4g}"


def _rate_too_low(e: Evidence) -> Result:
    if not e.updates:
        return NO_OPTIMIZER if e.program.optimizer is None else "the program did not take a step"
    return _worst(e.updates, "of the norm of the weight in one step") if max(e.updates.values()) < 1e-6 else None


def _cannot_overfit(e: Evidence) -> Result:
    if not e.fitted:
        return NO_OPTIMIZER if e.program.optimizer is None else "overfit_steps is 0"
    first, last = e.fitted[0], min(e.fitted[-5:])
    return (
        ("the first batch", f"{first:.4g} before {len(e.fitted) - 1} steps, {last:.4g} after them")
        if last > first / 2
        else None
    )


def _mean_loss(each: Labelled) -> float:
    """Return the mean cross entropy of the labels, whatever the reduction of the loss."""
    score = each.score
    if score.name in BINARY:
        return score.value
    rows = np.moveaxis(score.x, score.axis, -1).reshape(-1, score.classes)
    valid = (each.labels >= 0) & (each.labels < score.classes)
    return float(cross_entropy(rows[valid], each.labels[valid])) if valid.any() else 0.0


def _worst(found: Mapping[str, float], unit: str, choose: Callable[..., Any] = max) -> Result:
    """Return the names of what was found, and the most extreme number; None if nothing was found."""
    return (", ".join(found), f"{choose(found.values()):.3g} {unit}") if found else None


def _ratios(norms: Mapping[str, float], choose: Callable[..., Any]) -> dict[str, float]:
    """Return the norm of each layer's gradient over the largest or smallest one of the layers after it."""
    names, values = list(norms), list(norms.values())
    pairs = ((name, values[k], choose(values[k + 1 :])) for k, name in enumerate(names[:-1]))
    return {name: x / later for name, x, later in pairs if later > 0}


class Check(NamedTuple):
    """A check, the threshold of a right program, its source, and what to do."""

    run: Callable[[Evidence], Result]
    threshold: str
    source: str
    fix: str


CALIBRATED = "calibrated on models/, see docs/diagnose.md"
CHECKS = {
    "unscaled_inputs": Check(
        _unscaled_inputs, "floating point, |mean| at most 3 std, std at most 10",
        f"LeCun et al., Efficient BackProp, 1998, 4.3; numbers {CALIBRATED}",
        "Subtract the mean of the training set and divide by its std; scale images with data.to_float.",
    ),
    "bad_labels": Check(
        _bad_labels, "integers from 0 to C - 1, or the shape and dtype of the output",
        "definition of the loss, see nn.cross_entropy", "Convert, shift or reshape the target.",
    ),
    "one_class": Check(
        _one_class, "at least two classes", "LeCun et al., Efficient BackProp, 1998, 4.2",
        "Shuffle the samples, and check how the target is read.",
    ),
    "sorted_labels": Check(
        _sorted_labels, "at most 5 deviations",
        "LeCun et al., Efficient BackProp, 1998, 4.2; Pearson's chi-square, 1900, as a normal number: Wilson and Hilferty, 1931",
        "Shuffle the samples: data.DataLoader(x, y, batch_size=32, rng=rng).",
    ),
    "softmax_before_cross_entropy": Check(
        _softmax_before_cross_entropy, "logits, which are any numbers",
        "definition of the loss, which computes the softmax itself",
        "Remove the softmax or sigmoid at the end of the model.",
    ),
    "initial_loss": Check(
        _initial_loss, "at most 2 log(classes)",
        f"Karpathy, A recipe for training neural networks, 2019; the factor 2 {CALIBRATED}",
        "Scale the weights of the last layer down, and set its bias to the log of the class frequencies.",
    ),
    "no_gradient": Check(
        _no_gradient, "a path from each parameter to the loss", "definition of the gradient",
        "Use the parameter in forward, without numpy(), detach() or no_grad(), or freeze it with requires_grad = False.",
    ),
    "not_optimized": Check(
        _not_optimized, "all parameters with a gradient are in the optimizer", "definition of the optimizer",
        "Make the optimizer from model.parameters(), after the model is complete.",
    ),
    "evaluation_mode": Check(
        _evaluation_mode, "training is True",
        "Ioffe and Szegedy, Batch normalization, 2015; Srivastava et al., Dropout, 2014",
        "Call model.train() before the training steps.",
    ),
    "dead_units": Check(
        _dead_units, "at most half of the units", f"Glorot et al., 2011; He et al., 2015; half {CALIBRATED}",
        "Use nn.init.kaiming_normal for the weights and 0 for the biases, or a smaller learning rate.",
    ),
    "saturated_units": Check(
        _saturated_units, "at most half of the results",
        f"Glorot and Bengio, 2010; Karpathy, makemore part 3, for 0.97; half {CALIBRATED}",
        "Scale the weights or the inputs of the layer down.",
    ),
    "vanishing_gradients": Check(
        _vanishing_gradients, f"at least {VANISHED:g}", f"Glorot and Bengio, 2010; {CALIBRATED}",
        "Use ReLU with nn.init.kaiming_normal, normalization layers or residual connections.",
    ),
    "exploding_gradients": Check(
        _exploding_gradients, f"at most {EXPLODED:g}", f"Glorot and Bengio, 2010; {CALIBRATED}",
        "Scale the initial weights down, or use normalization layers or clipping.",
    ),
    "rate_too_high": Check(
        _rate_too_high, f"updates of at most 0.1 of the weight, and a loss that does not grow",
        f"CS231n, Neural networks 3, for 1e-3 as usual; 0.1 {CALIBRATED}", "Divide the learning rate by 10.",
    ),
    "rate_too_low": Check(
        _rate_too_low, "an update of at least 1e-06 of a weight", f"CS231n, Neural networks 3; {CALIBRATED}",
        "Multiply the learning rate by 10, and check the schedule.",
    ),
    "cannot_overfit": Check(
        _cannot_overfit, "at most half of the loss at the start", "Karpathy, A recipe for training neural networks, 2019",
        "Check the pairing of inputs and targets, the shapes in the loss, and the capacity of the model.",
    ),
}  # fmt: skip


def judge(e: Evidence) -> tuple[list[Finding], dict[str, str]]:
    """Return the findings, and the reasons of the checks that were not possible."""
    findings, unknown = [], dict[str, str]()
    for name, check in CHECKS.items():
        result = check.run(e)
        if isinstance(result, tuple):
            findings.append(Finding(name, *result, check.threshold, check.source, check.fix))
        elif result is not None:
            unknown[name] = result
    return findings, unknown
