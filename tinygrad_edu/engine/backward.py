"""The backward pass of the library: targets, hooks and recorded passes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable
from itertools import repeat
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu import core
from tinygrad_edu.core import Node
from tinygrad_edu.engine import memory
from tinygrad_edu.engine.debug.hooks import hooks_in, run_hooks
from tinygrad_edu.engine.fast.indexed_slices import densify
from tinygrad_edu.engine.op import checked_gradient

Roots = Iterable[tuple[Node, Any]]
Targets = frozenset[Node] | None
# Restores the Tensor of a saved array from the array, its node and its storage.
WrapSaved = Callable[[Any, Any, Any], Any]


class BackwardPass(core.BackwardPass):
    """One walk through the graph, from results to the leaves or to targets.

    Attributes
    ----------
    kind : type
        The class of all gradients: ndarray, or Tensor.
    retained : dict of Node to gradient
        Gradients of visited nodes that ``retain_grad()`` was called on.
    """

    def __init__(
        self, retain_graph: bool = False, targets: Targets = None, wrap_saved: WrapSaved | None = None,
        unhooked: Collection[Node] = (),
    ) -> None:  # fmt: skip
        super().__init__(retain_graph or wrap_saved is not None)
        self.targets, self.wrap_saved, self.unhooked = targets, wrap_saved, unhooked
        self.kind: type[Any] = ndarray
        self.retained: dict[Node, Any] = {}

    def run(self) -> dict[Node, Any]:
        """Visit the nodes, and return the gradient of each leaf or target that was reached, without shared memory."""
        super().run()
        return self.finished()

    def finished(self) -> dict[Node, Any]:
        """Run the hooks of leaves and targets, and return their gradients and the retained ones as new arrays."""
        for node, g in self.gradients.items():
            if node not in self.unhooked:
                self.gradients[node] = run_hooks(node, g, self.kind)
        self.gradients |= self.retained
        if self.kind is ndarray:
            self.gradients |= {node: np.array(g) for node, g in self.gradients.items()}
        return self.gradients

    def add(self, node: Node, g: Any) -> None:
        """Add a contribution. A target does not enter the queue, and None comes from where no path leads to one."""
        if g is None:
            return
        if self.targets is not None and node in self.targets:
            self.gradients[node] = self.gradients[node] + g if node in self.gradients else g
        else:
            super().add(node, g)

    def take(self, node: Node) -> Any:
        """Remove the gradient of a node, and return it after its hooks."""
        g = super().take(node)
        if (hooks := hooks_in(node)) is None:
            return g
        g = run_hooks(node, g, self.kind)
        if hooks.retains:
            self.retained[node] = g
        return g

    def saved(self, node: Node) -> dict[str, Any]:
        """Return the saved values of a node: in a recorded pass, each array of a Tensor as that Tensor."""
        saved = super().saved(node)
        if self.wrap_saved is None:
            return saved
        nodes, storages = {**node.parents, "out": node}, node.storages
        return {
            x: self.wrap_saved(value, nodes.get(x), storages[x]) if x in storages else value
            for x, value in saved.items()
        }

    def pull(self, node: Node, x: str, g: Any, saved: dict[str, Any]) -> Any:
        """Pull the gradient of a node back to its input x; return None if no path leads from x to a target."""
        return super().pull(node, x, g, saved) if self.is_needed(node.parents[x]) else None

    def match(self, node: Node, x: str, g: Any) -> Any:
        """Return a contribution in the shape and the dtype of the input x. Raise for another type or dtype."""
        return super().match(node, x, checked_gradient(node, x, densify(g), self.kind))

    def is_needed(self, node: Node) -> bool:
        """Return whether a path may lead from a node to a target. Without targets, every node is needed."""
        if self.targets is None or node in self.targets:
            return True
        return node.op is not None and node.time > min((target.time for target in self.targets), default=0)

    def accumulate(self) -> None:
        """Add the gradient of each leaf to its `grad`: all or none, if Ctrl-C interrupts."""
        gradients = self.gradients
        with memory.lock:
            sums = [g if node.grad is None else np.asarray(node.grad + g) for node, g in gradients.items()]
            # One call in C, so that Ctrl-C cannot interrupt it between two leaves.
            deque(map(setattr, gradients, repeat("grad"), sums), maxlen=0)
