"""The backward pass in plain loops: from a result to the leaves, newest node first.

Inputs are older than results, so when a node leaves the queue, its gradient is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from heapq import heappop, heappush
from typing import Any, NoReturn

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine.debug.hooks import run_hooks
from tinygrad_edu.engine.memory import last_version
from tinygrad_edu.engine.node import Node
from tinygrad_edu.engine.unbroadcast import match_input
from tinygrad_edu.errors import GraphFreedError, StaleValueError

Roots = Iterable[tuple[Node, Any]]
Targets = frozenset[Node] | None
# Restores the Tensor of a saved array from the array, its node and its storage.
WrapSaved = Callable[[Any, Any, Any], Any]


def plain_backward_pass(
    roots: Roots,
    targets: Targets = None,
    *,
    retain_graph: bool = False,
    wrap_saved: WrapSaved | None = None,
    unhooked: Collection[Node] = (),
    accumulator: PlainAccumulator | None = None,
    pull: CallVJP | None = None,
) -> dict[Node, Any]:
    """Implement `backward_pass`. Observers replace the `accumulator`, and `pull`, which calls a vjp."""
    accumulator, pull, kind = accumulator or PlainAccumulator(targets), pull or call_vjp, ndarray
    for node, g in roots:
        accumulator.add(node, g)
        kind = getattr(g, "_kind", g.__class__)
    while accumulator.queue:
        node = heappop(accumulator.queue)[1]
        g, saved = accumulator.pop(node), saved_values(node, wrap_saved)
        if node.vjps.hooks is not None:
            g = accumulator.apply_hooks(node, g, kind)
        for k, vjp in node.vjps.pairs:
            parent = node.links[k]
            if parent is not None and accumulator.is_needed(parent):
                accumulator.add(parent, pull(node, k, vjp, g, saved, kind))
        if not retain_graph and wrap_saved is None:
            node.saved = None
    saved = g = None  # release the gradients that these names refer to
    return accumulator.result(kind, unhooked)


def call_vjp(node: Node, k: int, vjp: Callable[[Any, Any], Any], g: Any, saved: Any, kind: type[Any]) -> Any:
    """Call the vjp of input k, and return its gradient in the shape and the dtype of the input."""
    try:
        contribution = vjp(g, saved)
    except Exception as error:
        error.add_note(f"In the vjp of {node.op!r} for its argument {node.vjps.names[k]}.")
        raise
    return match_input(node, k, kind, contribution)


CallVJP = Callable[[Node, int, Callable[[Any, Any], Any], Any, Any, type[Any]], Any]


class PlainAccumulator:
    """The gradient of each node so far, and the queue of nodes to visit.

    Attributes
    ----------
    gradients : dict of Node to gradient
        Sum of the contributions so far.
    queue : list of (int, Node)
        A heap of nodes, newest first. It excludes leaves and targets, where the pass ends.
    retained : dict of Node to gradient
        Gradients of visited nodes that ``retain_grad()`` was called on.
    """

    def __init__(self, targets: Targets) -> None:
        self.gradients: dict[Node, Any] = {}
        self.queue: list[tuple[int, Node]] = []
        self.retained: dict[Node, Any] = {}
        self.targets = targets

    def add(self, node: Node, g: Any) -> None:
        """Add a contribution to the gradient of a node. The first one puts the node into the queue."""
        if node in self.gradients:
            self.gradients[node] = self.gradients[node] + g
            return
        self.gradients[node] = g
        if node.links and node not in (self.targets or ()):
            heappush(self.queue, (-node.number, node))

    def pop(self, node: Node) -> Any:
        """Remove the gradient of a node and return it."""
        return self.gradients.pop(node)

    def is_needed(self, node: Node) -> bool:
        """Return whether a path may lead from a node to a target. Without targets, every node is needed."""
        if self.targets is None or node in self.targets:
            return True
        return bool(node.links) and node.number > min((target.number for target in self.targets), default=0)

    def apply_hooks(self, node: Node, g: Any, kind: type[Any]) -> Any:
        """Run the hooks of a visited node on its gradient and return the result; store it if it is retained."""
        g = run_hooks(node, g, kind)
        if node.vjps.hooks.retains:
            self.retained[node] = g
        return g

    def result(self, kind: type[Any], unhooked: Collection[Node]) -> dict[Node, Any]:
        """Return the gradients of the leaves or targets, and the retained gradients, without shared memory."""
        for node in self.gradients:
            if node.vjps.hooks is not None and node not in unhooked:
                self.gradients[node] = run_hooks(node, self.gradients[node], kind)
        gradients = self.gradients | self.retained
        return {node: np.array(g) if kind is ndarray else g for node, g in gradients.items()}


def saved_values(node: Node, wrap_saved: WrapSaved | None) -> Any:
    """Return the saved values of a node; with `wrap_saved` as Tensors, so that the vjps are recorded."""
    if node.saved is None:
        raise_freed(node)
    if last_version[0] > node.number:
        refuse_stale_saved(node)
    return node.saved if wrap_saved is None else wrap_saved_values(node, wrap_saved)


def wrap_saved_values(node: Node, wrap_saved: WrapSaved) -> tuple[Any, ...]:
    """Return the saved values of a node, with each array of a Tensor as that Tensor."""
    nodes, storages = (*node.parents, node), node.storages
    return tuple(
        value
        if value is None or source is None or storages[source] is None
        else wrap_saved(value, nodes[source], storages[source])
        for value, (_, source) in zip(node.saved, node.vjps.saves, strict=True)
    )


def refuse_stale_saved(node: Node) -> None:
    """Raise if a saved value that a vjp needs was changed in place."""
    op, names, parents, storages = node.op, node.vjps.names, node.parents, node.storages
    assert op is not None
    for value, vjp_indices in node.vjps.saves.items():
        source = value.source
        storage = None if source is None else storages[source]
        if source is None or storage is None or storage.version <= node.number:
            continue
        for k in vjp_indices:
            if parents[k] is not None:
                raise StaleValueError(
                    f"op {op.name}: the vjp of {names[k]} saved {(*names, 'its result')[source]}, which has since "
                    f"been changed in place. "
                    f"Call backward() before the change, or change a copy: t = t + 1 makes one, t += 1 does not."
                )


def raise_freed(node: Node) -> NoReturn:
    """Raise for a node whose saved values were freed."""
    op = node.op
    assert op is not None
    raise GraphFreedError(
        f"backward() a second time through op {op.name} (shape {node.shape}): its saved values were freed by the "
        f"first. Compute the result again, or pass retain_graph=True to the first call. In a training loop, two causes "
        f"are usual: a state from the step before (use h.detach()), or a parameter that an op changed where it was "
        f"made (make it from its final values, Tensor(values, requires_grad=True))."
    )
