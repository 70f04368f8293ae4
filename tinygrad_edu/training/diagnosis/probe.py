"""Measurements of the passes of a model: inputs, activations, scores, and the gradient of each layer's output."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import PARAMETER, Node, Observer, Tensor, clock, role_of, values_of
from tinygrad_edu.engine.debug.call_site import CallSite
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.pytree import tree_leaves
from tinygrad_edu.tape.reading import nodes_behind

BINARY = ("binary_cross_entropy_with_logits", "binary_cross_entropy")
SATURATED = 0.97
_VIEWS = ("reshape", "transpose", "swapaxes", "moveaxis", "getitem", "squeeze", "expand_dims", "astype", "hooks")


class LossCall(NamedTuple):
    """A call of a softmax or a cross entropy: its name, node, class axis, input and mean result, and its labels."""

    name: str
    node: Node
    axis: int
    x: ndarray
    value: float
    labels: ndarray = np.zeros(0)
    is_masked: bool = False  # whether a later op may hide some of the losses
    has_one: bool = False  # whether each sample has one label

    @property
    def classes(self) -> int:
        """The number of classes."""
        return 2 if self.name in BINARY else int(self.x.shape[self.axis])

    def labels_in(self, y: ndarray) -> ndarray | None:
        """Return a target as labels (n,), or None if it does not fit the input."""
        if self.name in BINARY:
            return y.ravel() if y.size == self.x.size else None
        if y.dtype.kind in "iub" and y.size * self.classes == self.x.size:
            return y.ravel().astype(np.int64)
        return y.argmax(axis=self.axis).ravel() if y.shape == self.x.shape and y.dtype.kind == "f" else None


class SignalProbe(Observer):
    """Observer that measures the passes of a model, in which it registers forward hooks."""

    def __init__(self, model: Module) -> None:
        self.names = {id(part): f"{name}: {type(part).__name__}" for name, part in model.named_modules()}
        self.inputs: dict[str, ndarray] = {}  # of the first layers: count, sum, sum of squares, whether uint8
        self.units: dict[str, ndarray] = {}  # whether each unit of a ReLU was positive for a sample
        self.saturation: dict[str, ndarray] = {}  # numbers of saturated and of all elements of a tanh or sigmoid
        self.norms: dict[str, float] = {}
        self._order: dict[str, None] = {}
        self._hooks: list[Any] = []
        self.begin()
        for part in model.modules():
            own = [x for _, x in part._members() if isinstance(x, Tensor) and role_of(x) == PARAMETER]
            if any(x.ndim > 1 for x in own):
                self._hooks.append(part.register_forward_hook(self._after_layer))

    @property
    def gradients(self) -> dict[str, float]:
        """The norm of the gradient of each layer's output, in the order of the calls."""
        return {name: self.norms[name] for name in self._order if name in self.norms}

    def begin(self) -> None:
        """Forget the last pass, before the next one."""
        self.began, self.scores = next(clock), list[LossCall]()
        self._saturated, self._calls = list[tuple[str, Node, ndarray]](), dict[str, int]()
        self._layer: Any = None

    def close(self) -> None:
        """Remove the hooks, so that later passes are not measured."""
        for hook in self._hooks:
            hook.remove()

    def end(self, out: Any) -> None:
        """Count the saturated elements of the pass, but not those of the model's output or of data."""
        own = {origin(x._node) for x in tree_leaves(out) if isinstance(x, Tensor) and x._node is not None}
        for where, node, counts in self._saturated:
            if node not in own and any(x.op is None and x.time < self.began for x in nodes_behind([node])):
                self.saturation[where] = self.saturation.get(where, 0) + counts

    def on_op(self, op: Any, arrays: dict[str, Any], settings: dict[str, Any], result: Any, site: Any) -> None:
        """Measure the result of an op of a forward pass."""
        node, name = result._node, op.name
        if node is None or not isinstance(site, CallSite) or site.vjp:
            return
        layer = next((part for part in (each() for each in site.layers) if part is not None), None)
        others = [x for key, x in {**arrays, **settings}.items() if key not in node.parents and x is not None]
        if name in ("cross_entropy", "log_softmax", "softmax", *BINARY):
            x = next(iter(arrays.values()))
            axis, value = settings.get("axis", 1) % max(1, x.ndim), float(np.mean(result._data))
            self.scores.append(LossCall(name, node, axis, x, value))
        elif name in ("matmul", "linear", "einsum") and not _is_of_library(layer):
            given = [x for x in others if isinstance(x, ndarray)]
            if len(given) == 1 and all(x.op is None or x.op.name == "transpose" for x in nodes_behind([node])[:-1]):
                self._add_input(f"{name} at {site.location}", given[0])
        elif name == "relu" or (name == "maximum" and len(node.parents) == 1 and not any(map(np.any, others))):
            channels = result.ndim > 2 and type(self._layer).__name__.startswith("Conv")
            axes = tuple(k for k in range(result.ndim) if k != (1 if channels else result.ndim - 1))
            where, alive = self._place("relu", layer, site), (result._data > 0).any(axis=axes)
            before = self.units.get(where, alive)
            self.units[where] = alive | before if before.shape == alive.shape else alive
        elif name in ("tanh", "sigmoid") and not type(layer).__module__.endswith("recurrent"):  # gates are not layers
            height = np.abs(result._data if name == "tanh" else 2 * result._data - 1)
            self._saturated.append(
                (self._place(name, layer, site), node, np.array([(height > SATURATED).sum(), height.size]))
            )

    def _place(self, name: str, layer: Any, site: CallSite) -> str:
        """Return the name of a layer, or of an op with its line, and the number of a repeated call."""
        is_layer = type(layer).__name__.lower() == name
        where = self.names.get(id(layer), name) if is_layer else f"{name} at {site.location}"
        self._calls[where] = call = self._calls.get(where, 0) + 1
        return where if call == 1 else f"{where}, call {call}"

    def _after_layer(self, layer: Module, inputs: Any, out: Any) -> None:
        where, self._layer = self.names[id(layer)], layer
        for x in tree_leaves(inputs) if _is_of_library(layer) else ():
            if (isinstance(x, ndarray) or (isinstance(x, Tensor) and x.is_leaf)) and x.dtype.kind == "f":
                self._add_input(where, values_of(x))
        for x in tree_leaves(out):
            if isinstance(x, Tensor) and x._node is not None:
                self._order[where] = None
                x.register_hook(partial(self._add_norm, where))

    def _add_norm(self, where: str, g: Any) -> None:
        norm = np.linalg.norm(np.asarray(values_of(g), np.float64))
        self.norms[where] = float(np.hypot(self.norms.get(where, 0.0), norm))

    def _add_input(self, where: str, x: ndarray) -> None:
        wide = x.astype(np.float64)
        counts = np.array([x.size, wide.sum(), np.square(wide).sum(), x.dtype == np.uint8])
        self.inputs[where] = self.inputs.get(where, 0) + counts


def origin(node: Node) -> Node:
    """Return the node whose elements a node has, in another shape or order."""
    while node.op is not None and node.op.name in _VIEWS and len(node.parents) == 1:
        node = next(iter(node.parents.values()))
    return node


def _is_of_library(layer: Any) -> bool:
    return type(layer).__module__.startswith("tinygrad_edu.nn")
