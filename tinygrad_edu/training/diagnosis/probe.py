"""Measurements of the passes of a model: inputs, activations, scores, and the gradient of each layer's output."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import PARAMETER, Node, clock, Observer, PassObserver, Tensor, role_of, values_of
from tinygrad_edu.engine.debug.call_site import CallSite
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.pytree import tree_leaves
from tinygrad_edu.tape.reading import nodes_behind

BINARY = ("binary_cross_entropy_with_logits", "binary_cross_entropy")
_SCORES = ("cross_entropy", "log_softmax", "softmax", *BINARY)
_PRODUCTS = ("matmul", "linear", "einsum")
SATURATED = 0.97


class Score(NamedTuple):
    """A call of a softmax or a cross entropy: its name, node, class axis, input, targets, and mean result."""

    name: str
    node: Node
    axis: int
    x: ndarray
    targets: ndarray | None
    value: float

    @property
    def classes(self) -> int:
        """The number of classes."""
        return 2 if self.name in BINARY else self.x.shape[self.axis]

    def labels(self, y: ndarray) -> ndarray | None:
        """Return a target as labels (n,), or None if it does not fit the input."""
        size, classes = self.x.size, self.x.shape[self.axis]
        if self.name in BINARY:
            return y.ravel() if y.size == size else None
        if y.dtype.kind in "iub" and y.size * classes == size:
            return y.ravel().astype(np.int64)
        return y.argmax(axis=self.axis).ravel() if y.shape == self.x.shape and y.dtype.kind == "f" else None


class Probe(Observer):
    """Observer that measures the passes of a model, and registers forward hooks in it.

    Attributes
    ----------
    inputs : dict of str to list of float
        Number, sum and sum of squares of the inputs of each first layer, and whether they have the dtype uint8.
    units : dict of str to ndarray of bool
        Whether each unit of a ReLU was positive for a sample.
    saturation : dict of str to list of int
        Number of saturated elements, and of all elements, of each tanh and sigmoid.
    scores : list of Score
        The softmaxes and cross entropies of the last pass.
    """

    def __init__(self, model: Module) -> None:
        self.names = {id(part): f"{name}: {type(part).__name__}" for name, part in model.named_modules()}
        self.inputs: dict[str, list[float]] = {}
        self.units: dict[str, ndarray] = {}
        self.saturation: dict[str, list[int]] = {}
        self.norms: dict[str, float] = {}
        self._order: dict[str, None] = {}
        self.begin()
        for part in model.modules():
            own = [x for _, x in part._members() if isinstance(x, Tensor) and role_of(x) == PARAMETER]
            if any(x.ndim > 1 for x in own):
                part.register_forward_hook(self._after_layer)

    @property
    def gradients(self) -> dict[str, float]:
        """The norm of the gradient of each layer's output, in the order of the calls."""
        return {name: self.norms[name] for name in self._order if name in self.norms}

    def begin(self) -> None:
        """Forget the last pass, before the next one."""
        self.began = next(clock)
        self.scores: list[Score] = []
        self.outputs: dict[Node, str] = {}
        self._saturated: list[tuple[str, Node, int, int]] = []
        self._calls: dict[str, int] = {}
        self._layer: Any = None

    def end(self, out: Any) -> None:
        """Count the saturated elements of the pass, but not those of the model's own output."""
        own = {origin(x._node) for x in tree_leaves(out) if isinstance(x, Tensor) and x._node is not None}
        for where, node, *counts in self._saturated:
            is_trained = any(x.op is None and x.time < self.began for x in nodes_behind([node]))
            if node not in own and is_trained:
                before = self.saturation.get(where, [0, 0])
                self.saturation[where] = [a + b for a, b in zip(before, counts, strict=True)]

    def on_op(self, op: Any, arrays: dict[str, Any], settings: dict[str, Any], result: Any, site: Any) -> None:
        """Measure the result of an op of a forward pass."""
        node = result._node
        if node is None or not isinstance(site, CallSite) or site.vjp:
            return
        layer = next((part for part in (each() for each in site.layers) if part is not None), None)
        if op.name in _SCORES:
            x = next(iter(arrays.values()))
            self.scores.append(Score(op.name, node, settings.get("axis", 1) % max(1, x.ndim), x, arrays.get("targets"), float(np.mean(result._data))))
        elif op.name in _PRODUCTS and not _is_of_library(layer):
            given = [x for name, x in arrays.items() if name not in node.parents and isinstance(x, ndarray)]
            if len(given) == 1 and all(n.op is None or n.op.name == "transpose" for n in nodes_behind([node])[:-1]):
                self._add_input(f"{op.name} at {site.location}", given[0])
        elif _is_relu(op.name, arrays, settings, node) or op.name in ("tanh", "sigmoid"):
            self._measure_activation(op.name, result._data, node, layer, site)

    def on_backward(self, gradients: dict[Node, Any]) -> PassObserver:
        """Return the observer that measures the gradients of the layers' outputs."""
        return _Norms(self)

    def _after_layer(self, layer: Module, inputs: Any, out: Any) -> None:
        self._layer = layer
        for x in tree_leaves(inputs) if _is_of_library(layer) else ():
            if isinstance(x, Tensor | ndarray) and (isinstance(x, ndarray) or x.is_leaf):
                if (array := values_of(x)).dtype.kind == "f":
                    self._add_input(self.names[id(layer)], array)
        for x in tree_leaves(out):
            if isinstance(x, Tensor) and x._node is not None:
                self.outputs[x._node] = self.names[id(layer)]
                self._order[self.names[id(layer)]] = None

    def _add_input(self, where: str, x: ndarray) -> None:
        if x.dtype.kind == "f" or x.dtype == np.uint8:
            wide = x.astype(np.float64)
            counts = [x.size, wide.sum(), np.square(wide).sum(), x.dtype == np.uint8]
            before = self.inputs.get(where, [0.0] * 4)
            self.inputs[where] = [a + float(b) for a, b in zip(before, counts, strict=True)]

    def _measure_activation(self, name: str, out: ndarray, node: Node, layer: Any, site: CallSite) -> None:
        if type(layer).__module__ == "tinygrad_edu.nn.sequences.recurrent":  # its gates are not layers
            return
        is_layer = layer is not None and type(layer).__name__.lower() == name
        where = self.names.get(id(layer), name) if is_layer else f"{name} at {site.location}"
        self._calls[where] = call = self._calls.get(where, 0) + 1
        where = where if call == 1 else f"{where}, call {call}"
        if name in ("tanh", "sigmoid"):
            height = np.abs(out if name == "tanh" else 2 * out - 1)
            self._saturated.append((where, node, int((height > SATURATED).sum()), out.size))
            return
        channels = out.ndim > 2 and type(self._layer).__name__.startswith(("Conv", "BatchNorm"))
        axis = 1 if channels else out.ndim - 1
        alive = (out > 0).any(axis=tuple(k for k in range(out.ndim) if k != axis))
        before = self.units.get(where)
        self.units[where] = alive if before is None or before.shape != alive.shape else before | alive


class _Norms(PassObserver):
    """Adds the norm of the gradient of each layer's output to those of the probe."""

    def __init__(self, probe: Probe) -> None:
        self.probe, self.seen = probe, set[Node]()

    def vjp(self, node: Node, x: str, vjp: Any) -> Any:
        """Wrap a vjp of a node that is a layer's output."""
        return partial(self._measure, node, vjp) if node in self.probe.outputs else vjp

    def _measure(self, node: Node, vjp: Any, g: Any, saved: dict[str, Any]) -> Any:
        if node not in self.seen:
            self.seen.add(node)
            where, norms = self.probe.outputs[node], self.probe.norms
            norms[where] = float(np.hypot(norms.get(where, 0.0), np.linalg.norm(np.asarray(values_of(g), np.float64))))
        return vjp(g, saved)


def origin(node: Node) -> Node:
    """Return the node whose elements a node has, in another shape or order."""
    while node.op is not None and node.op.name in _VIEWS and len(node.parents) == 1:
        node = next(iter(node.parents.values()))
    return node


_VIEWS = ("reshape", "transpose", "swapaxes", "moveaxis", "getitem", "squeeze", "expand_dims", "astype", "hooks")


def _is_of_library(layer: Any) -> bool:
    return type(layer).__module__.startswith("tinygrad_edu.nn")


def _is_relu(name: str, arrays: dict[str, Any], settings: dict[str, Any], node: Node) -> bool:
    """Return whether an op is a ReLU, also one that is written as a maximum with 0."""
    others = [x for key, x in {**arrays, **settings}.items() if key not in node.parents]
    return name == "relu" or (name == "maximum" and len(node.parents) == 1 and not any(np.any(x) for x in others))
