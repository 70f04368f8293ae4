"""Measurements of a training: what the tapes of its batches show, and what a few steps change."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from itertools import cycle, islice, product
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu import tape
from tinygrad_edu.core import module
from tinygrad_edu.engine import Tensor, values_of
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.batching import as_tensors, inputs_and_target, num_samples
from tinygrad_edu.nn.randomness import random_stream
from tinygrad_edu.ops import cross_entropy
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.parallel.gradients import leaf_gradients, roots_of, scalar
from tinygrad_edu.shared.pytree import tree_leaves
from tinygrad_edu.training.train_step import parameter_names

BINARY = ("binary_cross_entropy_with_logits", "binary_cross_entropy")
SATURATED = 0.97
_PRODUCTS = ("linear", "matmul", "einsum", "conv2d", "conv_transpose2d", "embedding", "recurrent")
_VIEWS = ("reshape", "transpose", "getitem", "squeeze", "expand_dims", "astype", "hooks")


class Training(NamedTuple):
    """What a training consists of."""

    model: Module
    loss: Callable[[Any, Any], Any]
    optimizer: Optimizer | None

    def copied(self) -> Training:
        """Return a deep copy, which shares the results of ops that the model keeps."""
        return deepcopy(self, {id(x): x for _, x in module.walk(self.model) if isinstance(x, Tensor) and not x.is_leaf})

    def output(self, batch: Any) -> Any:
        """Return the output of the model."""
        return self.model(*as_tensors(inputs_and_target(batch)[0]))

    def value(self, batch: Any) -> Tensor:
        """Return the loss."""
        return scalar(self.loss(self.output(batch), batch[-1]))

    def step(self, batch: Any) -> float:
        """Take an optimizer step, and return the loss before it."""
        optimizer = self.optimizer
        assert optimizer is not None

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = self.value(batch)
            loss.backward()
            return loss

        return float(optimizer.step(closure).item())


class Classification(NamedTuple):
    """A softmax or a cross entropy on the tape, with the labels of the batch."""

    op: str
    logits: np.ndarray  # (n, classes), or (n, 1) if binary
    labels: np.ndarray  # (n,)
    classes: int
    loss: float  # mean over the labels in range
    is_masked: bool  # whether a later op may hide some of the losses
    is_of_sigmoid: bool  # whether the logits are results of a sigmoid


class Measurements:
    """The measurements of a copied training. The passes before and after the steps draw the same random numbers."""

    def __init__(self, given: Training, batches: list[Any], rng: np.random.Generator) -> None:
        self.given, self.training, self.batches, self.rng, self.samples = given, given.copied(), batches, rng, 0
        self.parameters = {name: x for x, name in parameter_names(*self.training[:2]).items() if x.requires_grad}
        self.reached: dict[str, None] = {}  # names of the parameters on the tape
        self.uses_given = False  # whether a function uses a tensor of the caller
        self.classifications: list[Classification] = []  # of each batch, the last one that fits the target
        self.square: tuple[Any, ...] = ()  # shapes of an output and a target that broadcast to a square
        self.inputs: dict[str, np.ndarray] = {}  # size, sum and sum of squares of the data that a layer reads
        self.units: dict[tuple[str, int], np.ndarray] = {}  # number of batches with a positive result, of each unit
        self.saturation: dict[str, np.ndarray] = {}  # numbers of saturated and of all results of a tanh or sigmoid
        self.gradients: dict[str, float] = {}  # norm of the gradient of each layer's output
        self.updates: dict[str, float] = {}  # largest norm of an update over that of the weight
        self.start, self.losses, self.after, self.fitted = [list[float]() for _ in range(4)]
        self.problem: Exception | None = None  # that a batch raised
        self.in_loss = False  # whether the loss raised it
        try:
            with random_stream(deepcopy(rng)):
                for batch in batches:
                    self._run(batch)
        except Exception as error:
            self.problem = error
        self.gradients = {name: x**0.5 for name, x in self.gradients.items() if x > 0}  # 0 behind weights of 0

    def _run(self, batch: Any) -> None:
        """Run the passes of a batch, and read its tape."""
        with tape.watch() as walks:
            out, self.in_loss = self.training.output(batch), True
            loss = scalar(self.training.loss(out, batch[-1]))
            self.in_loss, earlier = False, len(walks)  # passes that the model computes
            leaf_gradients(roots_of(loss), list(self.parameters.values()))
        self.start.append(float(loss.item()))
        self.samples += num_samples(batch[-1])
        for walk in walks[earlier : earlier + 1]:  # none for a constant loss
            self._read(walk, [x for x in tree_leaves(out) if isinstance(x, Tensor)], batch[-1])

    def _read(self, walk: tape.Walk, outs: list[Tensor], target: Any) -> None:
        leaves = {row.node for row in walk.rows if row.op == "leaf"}
        self.reached |= {name: None for name, x in self.parameters.items() if x._node in leaves}
        copied = min((x._node.time for x in self.parameters.values() if x._node), default=0)
        self.uses_given |= any(leaf.time < copied for leaf in leaves)
        end = max((x._node.time for x in outs if x._node), default=0)
        rows = [row for row in walk.rows if row.node.time <= end]
        self._read_model(walk, [row for row in rows if not (row.groups and "the vjp of" in row.groups[-1].label)])
        targets = [np.asarray(values_of(y)) for y in tree_leaves(target) if isinstance(y, Tensor | np.ndarray)]
        for x, y in product(outs, targets):
            is_column = x.size == y.size > 1 and x.ndim + y.ndim == 3
            if is_column and any(row.node.shape == (x.size, x.size) for row in walk.rows if row.node.time > end):
                self.square = x.shape, y.shape
        fitting = (_classification(walk, row, y) for row in walk.rows[::-1] for y in targets)
        self.classifications += islice(filter(None, fitting), 1)

    def _read_model(self, walk: tape.Walk, rows: list[tape.TapeRow]) -> None:
        """Read the results and the gradients of layers and nonlinear functions."""
        parts = {id(part): type(part).__module__ for part in self.training.model.modules()}
        weights, calls, is_conv = set[int](), dict[str, int](), False
        for row, is_hidden in zip(rows, _hidden(rows), strict=True):
            source = parts.get(row.groups[-1].key, "") if row.groups else ""
            where = row.groups[-1].label if source.startswith("tinygrad_edu.nn") else f"{row.op} at {row.line}"
            inputs, out = {k for k in row.inputs if k is not None}, walk.values[row.node]
            constants = [x.value for x in row.saved if x.name not in row.node.parents]
            is_relu = row.op == "relu" or (row.op == "maximum" and len(inputs) == 1 and not any(map(np.any, constants)))
            if row.op in (*_VIEWS, "leaf", "concatenate", "add") and inputs <= weights:
                weights.add(row.index)
            elif row.op in _PRODUCTS and inputs & weights:
                is_conv = row.op.startswith("conv")
                reads_data = inputs <= weights and row.op not in ("embedding", "recurrent")  # these save other arrays
                self._add_product(where, walk.gradients.get(row.node, 0), constants if reads_data else [])
            elif is_relu:
                _add(calls, where, 1)
                call = where if calls[where] == 1 else f"{where}, call {calls[where]}"
                alive = (np.moveaxis(out, 1, -1) if is_conv and out.ndim > 2 else out) > 0
                _add(self.units, (call, alive.shape[-1]), alive.reshape(-1, alive.shape[-1]).any(axis=0).astype(int))
            elif row.op in ("tanh", "sigmoid") and is_hidden and not source.endswith("recurrent"):  # no gates
                high = np.abs(out if row.op == "tanh" else 2 * out - 1) > SATURATED
                _add(self.saturation, where, np.array([high.sum(), high.size]))

    def _add_product(self, where: str, gradient: Any, constants: list[Any]) -> None:
        """Add the norm of the gradient of a layer's output, and the moments of the data among its constants."""
        _add(self.gradients, where, float(np.square(np.asarray(values_of(gradient), np.float64)).sum()))
        for x in constants:
            if isinstance(x, np.ndarray) and x.dtype.kind in "fiu" and x.ndim > 1:
                _add(self.inputs, where, np.array([x.size, x.sum(), np.square(x, dtype=np.float64).sum()]))

    @property
    def untrained(self) -> str:
        """The reason why there are no steps, or an empty string."""
        if self.training.optimizer is None:
            return "no optimizer was given"
        if self.uses_given:
            return "a function uses parameters of the caller, which the steps of a copy do not change"
        is_finite = self.problem is None and np.isfinite(self.start).all()
        return "" if self.reached and is_finite else "the loss at the start has no finite gradient"

    def train(self, steps: int, overfit_steps: int) -> None:
        """Take steps, and measure the updates, and the losses after them. Fit the first batch with another copy."""
        matrices = {name: self.parameters[name] for name in self.reached if self.parameters[name].ndim > 1}
        weights = {name: x for name, x in matrices.items() if np.abs(x.numpy()).max() >= 1e-3}
        with random_stream(deepcopy(self.rng)):
            for batch in islice(cycle(self.batches), steps):
                before = {name: x.numpy().astype(np.float64) for name, x in weights.items()}
                self.losses.append(self.training.step(batch))
                for name, x in weights.items():
                    ratio = np.linalg.norm(x.numpy() - before[name]) / np.linalg.norm(before[name])
                    self.updates[name] = max(self.updates.get(name, 0.0), float(ratio))
        self.after = self.losses_now()
        with random_stream(deepcopy(self.rng)):
            other = self.given.copied()
            self.fitted = [other.step(self.batches[0]) for _ in range(overfit_steps + 1)] if overfit_steps else []

    def losses_now(self) -> list[float]:
        """Return the loss of each batch, with the random numbers of the first passes."""
        with random_stream(deepcopy(self.rng)):
            return [float(self.training.value(batch).item()) for batch in self.batches]


def _add(sums: dict[Any, Any], key: Any, x: Any) -> None:
    sums[key] = sums.get(key, 0) + x


def _hidden(rows: list[tape.TapeRow]) -> list[bool]:
    """Return whether a later product reads each row, directly or through other ops."""
    hidden = set[int | None]()
    for row in reversed(rows):
        hidden.update(row.inputs if row.op in _PRODUCTS or row.index in hidden else ())
    return [row.index in hidden for row in rows]


def _classification(walk: tape.Walk, row: tape.TapeRow, y: np.ndarray) -> Classification | None:
    """Return the softmax or cross entropy of a row, if a target fits it."""
    if row.op not in (*BINARY, "cross_entropy", "log_softmax", "softmax") or row.inputs[0] is None:
        return None
    source, is_binary = walk.rows[row.inputs[0]], row.op in BINARY
    x, result = walk.values[source.node], walk.values[row.node]
    axis = next((each.value for each in row.saved if each.name == "axis"), 1) % max(1, x.ndim)
    classes = 1 if is_binary else x.shape[axis]
    logits = np.moveaxis(x, axis, -1).reshape(-1, classes)
    if is_binary and x.size == y.size:
        labels = y.ravel()
    elif y.dtype.kind in "iub" and y.size == len(logits):
        labels = y.ravel().astype(np.int64)
    elif y.dtype.kind == "f" and y.shape == x.shape:
        labels = y.argmax(axis).ravel()
    else:
        return None
    fits = (labels >= 0) & (labels < classes)
    loss = result.mean() if is_binary else cross_entropy(logits[fits], labels[fits]).item() if fits.any() else np.nan
    is_masked = any(each.op in ("where", "multiply") for each in walk.rows[row.index :])
    while source.op in _VIEWS and source.inputs[0] is not None:
        source = walk.rows[source.inputs[0]]
    return Classification(row.op, logits, labels, max(2, classes), float(loss), is_masked, source.op == "sigmoid")
