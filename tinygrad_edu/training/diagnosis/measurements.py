"""Measurements of a training: a copy of it runs the batches, takes a few steps, and runs the batches again."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from itertools import cycle, islice
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.core.module import walk
from tinygrad_edu.engine import Node, Observer, Tensor, enable_grad, values_of
from tinygrad_edu.engine.debug.call_site import CallSite
from tinygrad_edu.engine.modes import Mode
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.batching import as_tensors, inputs_and_target, num_samples
from tinygrad_edu.nn.randomness import random_stream, stream_of, stream_seeds
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.parallel.gradients import leaf_gradients, roots_of, scalar
from tinygrad_edu.shared.pytree import tree_leaves
from tinygrad_edu.tape.reading import nodes_behind
from tinygrad_edu.training.train_step import optimizer_parameters

BINARY = ("binary_cross_entropy_with_logits", "binary_cross_entropy")
SATURATED = 0.97
_REFUSALS = (DTypeError, IndexError, ShapeError, ValueError)  # errors of losses for wrong targets
_PRODUCTS = ("linear", "matmul", "einsum", "conv2d", "recurrent")
_VIEWS = ("reshape", "getitem", "squeeze", "expand_dims", "astype", "hooks")
_OF_WEIGHTS = ("transpose", "reshape", "expand_dims", "concatenate", "add")  # ops that only arrange weights


class Training(NamedTuple):
    """What a training consists of."""

    model: Module
    loss: Callable[[Any, Any], Any]
    optimizer: Optimizer | None

    def copied(self) -> Training:
        """Return a deep copy, which shares the results of ops that the model keeps."""
        kept = [part for _, part in walk(self.model) if isinstance(part, Tensor) and not part.is_leaf]
        return deepcopy(self, {id(part): part for part in kept})

    def tensors(self) -> dict[str, Tensor]:
        """Return the parameters of the model, the loss and the optimizer by name, each once."""
        of_loss = self.loss.named_parameters() if isinstance(self.loss, Module) else []
        others = [] if self.optimizer is None else optimizer_parameters(self.optimizer)
        names: dict[Tensor, str] = {x: f"parameter {k} of the optimizer" for k, x in enumerate(others)}
        names |= {x: f"loss.{name}" for name, x in of_loss} | {x: name for name, x in self.model.named_parameters()}
        return {name: x for x, name in names.items()}

    def value(self, batch: Any) -> Tensor:
        """Return the loss of a batch."""
        return scalar(self.loss(self.model(*as_tensors(inputs_and_target(batch)[0])), batch[-1]))

    def step(self, batch: Any, seed: ndarray) -> float:
        """Take an optimizer step, and return the loss before it. All layers draw from a stream of the seed."""

        def closure() -> Tensor:
            for tensor in self.tensors().values():
                tensor.zero_grad()
            with random_stream(stream_of(seed)):
                loss = self.value(batch)
            if loss.requires_grad:
                loss.backward()
            return loss

        assert self.optimizer is not None
        return float(self.optimizer.step(closure).item())


class LossCall(NamedTuple):
    """A call of a softmax or a cross entropy: its name, node, class axis, input, mean result and labels (n,)."""

    name: str
    node: Node
    axis: int
    x: ndarray
    value: float
    labels: ndarray = np.zeros(0)
    is_masked: bool = False  # whether a later op may hide some of the losses
    has_one: bool = False  # whether each sample has one label

    @property
    def is_of_sigmoid(self) -> bool:
        """Whether the input of a binary cross entropy is the result of a sigmoid, in another shape."""
        node = next(iter(self.node.parents.values()))
        while node.op is not None and node.op.name in _VIEWS and len(node.parents) == 1:
            node = next(iter(node.parents.values()))
        return self.name in BINARY and node.op is not None and node.op.name == "sigmoid"

    @property
    def classes(self) -> int:
        """The number of classes."""
        return 2 if self.name in BINARY else self.x.shape[self.axis]

    def labels_in(self, y: ndarray) -> ndarray | None:
        """Return a target as labels (n,), or None if it does not fit the input."""
        if self.name in BINARY:
            return y.ravel() if y.size == self.x.size else None
        if y.dtype.kind in "iub" and y.size * self.classes == self.x.size:
            return y.ravel().astype(np.int64)
        return y.argmax(axis=self.axis).ravel() if y.shape == self.x.shape and y.dtype.kind == "f" else None


class Measurements(Observer):
    """The measurements of a copied training. Each batch has one seed for all of its passes."""

    def __init__(self, given: Training, batches: list[Any], rng: np.random.Generator) -> None:
        self.given, self.program, self.samples = given, given.copied(), 0
        self.draws = list(zip(batches, stream_seeds(rng, len(batches)), strict=True))
        self.tensors = self.program.tensors()
        self.layers = {id(x): f"{name}: {type(x).__name__}" for name, x in self.program.model.named_modules()}
        self.reached: dict[str, None] = {}  # names of the parameters on the tape
        self.uses_given = False  # whether a function uses a parameter of the caller, not of the copy
        self.scores = list[LossCall]()  # of each batch, the last one whose labels fit
        self.inputs, self.units = dict[str, ndarray](), dict[str, ndarray]()  # sums; whether a unit was positive
        self.saturation: dict[str, ndarray] = {}  # numbers of saturated and of all elements of a tanh or sigmoid
        self.gradients: dict[str, float] = {}  # norm of the gradient of each layer's output
        self.updates: dict[str, float] = {}  # largest norm of an update over that of the weight
        self.losses, self.start, self.after, self.fitted = [list[float]() for _ in range(4)]
        self.square: tuple[Any, ...] = ()  # shapes of an output and a target that broadcast to a square
        self.problem: Exception | None = None  # that a batch raised
        self.is_refused = False  # whether the loss raised it, as for a wrong target
        self._measure()

    def _measure(self) -> None:
        """Run the batches, and measure the passes."""
        hooks = [x.register_forward_hook(self._after_layer) for x in self.program.model.modules() if _has_weights(x)]
        hooks.append(self.program.model.register_forward_hook(self._after_model))
        for batch, seed in self.draws:
            self._calls, self._scores = dict[str, int](), list[LossCall]()
            self._heights: list[tuple[str, Node, ndarray]] = []
            self._layer: Module | None = None
            self._in_loss, self._out = False, list[Any]()
            try:
                with random_stream(stream_of(seed)), enable_grad(), Mode(observer=self):
                    loss = self.program.value(batch)
            except Exception as error:
                self.problem, self.is_refused = error, self._in_loss and isinstance(error, _REFUSALS)
                break
            self.start.append(float(loss.item()))
            self._read_graph(loss, batch[-1])
            leaf_gradients(roots_of(loss), list(self.tensors.values()))
        for hook in hooks:
            hook.remove()
        self.gradients = {name: x for name, x in self.gradients.items() if x > 0}  # 0 behind weights of 0

    @property
    def untrained(self) -> str:
        """The reason why there are no steps, or an empty string."""
        if self.program.optimizer is None:
            return "no optimizer was given"
        if self.uses_given:
            return "a function uses the parameters of the caller, which the steps of a copy do not change"
        return "" if np.isfinite(self.start).all() and self.problem is None else "the loss at the start is not finite"

    def train(self, steps: int) -> None:
        """Take steps, and measure the updates, and the losses of the batches after them."""
        fresh = {name for name, x in self.tensors.items() if np.abs(x.numpy()).max() < 1e-3}  # ratios say nothing
        weights = {name: self.tensors[name] for name in self.reached if self.tensors[name].ndim > 1}
        for batch, seed in islice(cycle(self.draws), steps):
            before = {name: x.numpy().astype(np.float64) for name, x in weights.items() if name not in fresh}
            self.losses.append(self.program.step(batch, seed))
            for name, x in before.items():
                ratio = float(np.linalg.norm(weights[name].numpy() - x) / np.linalg.norm(x))
                self.updates[name] = max(self.updates.get(name, 0.0), ratio)
            if not np.isfinite([self.losses[-1], *self.updates.values()]).all():
                self.after = [np.nan]
                return
        self.after = self.again()

    def again(self) -> list[float]:
        """Return the loss of each batch, computed again."""
        values = []
        for batch, seed in self.draws:
            with random_stream(stream_of(seed)):
                values.append(float(self.program.value(batch).item()))
        return values

    def overfit(self, steps: int) -> None:
        """Fit the first batch with another copy, and keep its losses."""
        program = self.given.copied()
        self.fitted = [program.step(*self.draws[0]) for _ in range(steps + 1)] if steps else []

    def on_op(self, op: Any, arrays: dict[str, Any], settings: dict[str, Any], result: Any, site: Any) -> None:
        """Measure the result of an op of a forward pass."""
        node, name = result._node, op.name
        if node is None or not isinstance(site, CallSite) or site.vjp:
            return
        layer = next((part for part in (each() for each in site.layers) if part is not None), None)
        is_ours = type(layer).__module__.startswith("tinygrad_edu.nn")
        where = self.layers.get(id(layer), name) if is_ours else f"{name} at {site.location}"
        constants = [x for key, x in {**arrays, **settings}.items() if key not in node.parents and x is not None]
        if name in ("cross_entropy", "log_softmax", "softmax", *BINARY):
            x = next(iter(arrays.values()))
            axis = settings.get("axis", 1) % max(1, x.ndim)
            self._scores.append(LossCall(name, node, axis, x, float(np.mean(result._data))))
        elif self._in_loss:
            return
        elif name in _PRODUCTS:
            self._add_input(where, node, constants)
        elif name == "relu" or (name == "maximum" and len(node.parents) == 1 and not any(map(np.any, constants))):
            self._add_units(self._call(where), result._data)
        elif name in ("tanh", "sigmoid") and not type(layer).__module__.endswith("recurrent"):  # gates are not layers
            height = np.abs(result._data if name == "tanh" else 2 * result._data - 1)
            self._heights.append((self._call(where), node, np.array([(height > SATURATED).sum(), height.size])))

    def _call(self, where: str) -> str:
        """Return a place with the number of a repeated call in a pass."""
        self._calls[where] = call = self._calls.get(where, 0) + 1
        return where if call == 1 else f"{where}, call {call}"

    def _add_units(self, where: str, out: ndarray) -> None:
        """Note which units of a ReLU are positive for a sample: channels after a convolution, or else features."""
        channels = 1 if out.ndim > 2 and type(self._layer).__name__.startswith("Conv") else out.ndim - 1
        alive = np.asarray((out > 0).any(axis=tuple(k for k in range(out.ndim) if k != channels)))
        before = self.units.get(where)
        self.units[where] = alive if before is None or before.shape != alive.shape else alive | before

    def _add_input(self, where: str, node: Node, constants: list[Any]) -> None:
        """Count the saturated elements that a product reads, which are no output. Add its input if it is data."""
        behind = nodes_behind([node])
        for key, _, counts in (each for each in self._heights if each[1] in behind):
            self.saturation[key] = self.saturation.get(key, 0) + counts
        self._heights = [each for each in self._heights if each[1] not in behind]
        data = [x for x in constants if isinstance(x, ndarray) and x.ndim > 1 and x.dtype.kind in "fu"]
        if data and all(x.op is None or x.op.name in _OF_WEIGHTS for x in behind[:-1]):
            wide = data[0].astype(np.float64)
            sums = np.array([wide.size, wide.sum(), np.square(wide).sum()])
            self.inputs[where] = self.inputs.get(where, 0) + sums

    def _after_layer(self, layer: Module, inputs: Any, out: Any) -> None:
        where, self._layer = self.layers[id(layer)], layer
        for x in tree_leaves(out):
            if isinstance(x, Tensor) and x._node is not None:
                self.gradients.setdefault(where, 0.0)
                x.register_hook(partial(self._add_norm, where))

    def _add_norm(self, where: str, g: Any) -> None:
        norm = np.linalg.norm(np.asarray(values_of(g), np.float64))
        self.gradients[where] = float(np.hypot(self.gradients[where], norm))

    def _after_model(self, model: Module, inputs: Any, out: Any) -> None:
        self._out, self._in_loss = list(tree_leaves(out)), True

    def _read_graph(self, loss: Tensor, target: Any) -> None:
        """Find the parameters behind a loss, and its last softmax or cross entropy with labels that fit."""
        nodes = nodes_behind(node for node, _ in roots_of(loss))
        self.uses_given |= any(x._node in nodes for x in self.given.tensors().values())
        self.reached |= {name: None for name, x in self.tensors.items() if x._node in nodes}
        self.samples += num_samples(target)
        leaves = [np.asarray(values_of(y)) for y in tree_leaves(target) if isinstance(y, Tensor | ndarray)]
        for a, b in ((x.shape, y.shape) for x in self._out for y in leaves):
            if {len(a), len(b)} == {1, 2} and a[0] == b[0] > 1 == max((*a[1:], *b[1:])):
                self.square = (a, b) if any(node.shape == (a[0], a[0]) for node in nodes) else self.square
        for score, y in ((s, y) for s in reversed(self._scores) if s.node in nodes for y in leaves):
            if (labels := score.labels_in(y)) is not None:
                later = {node.op.name for node in nodes if node.op and node.time > score.node.time}
                is_masked, has_one = bool(later & {"where", "multiply"}), labels.size == len(y)
                self.scores.append(score._replace(labels=labels, is_masked=is_masked, has_one=has_one))
                return


def _has_weights(part: Module) -> bool:
    return any(isinstance(x, Tensor) and x.is_leaf and x.ndim > 1 for _, x in part._members())
