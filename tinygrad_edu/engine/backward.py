"""The backward pass of the library: hooks and retained gradients; and one towards targets, which may be recorded.

`core.engine` has the loop. By default the loop of `fast.backward` runs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable
from itertools import repeat
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu import core
from tinygrad_edu.core import Node, checks
from tinygrad_edu.engine import memory
from tinygrad_edu.engine.hooks import run_hooks
from tinygrad_edu.errors import WrongGradientError

Roots = Iterable[tuple[Node, Any]]
Targets = frozenset[Node] | None
# Restores the Tensor of a saved array from the array, its node and its storage.
WrapSaved = Callable[[Any, Any, Any], Any]


class BackwardPass(core.BackwardPass):
    """One walk through the graph, from results to the leaves.

    Attributes
    ----------
    kind : type
        The class of all gradients: ndarray, or Tensor.
    unhooked : collection of Node
        Leaves whose hooks do not run.
    retained : dict of Node to gradient
        Gradients of visited nodes that ``retain_grad()`` was called on.
    """

    kind: type[Any] = ndarray
    unhooked: Collection[Node] = ()

    def __init__(self, retain_graph: bool = False) -> None:
        super().__init__(retain_graph)
        self.retained: dict[Node, Any] = {}

    def run(self) -> dict[Node, Any]:
        """Visit the nodes, and return the gradients of leaves and those to retain."""
        super().run()
        return self.finished()

    def finished(self) -> dict[Node, Any]:
        """Return the gradients of leaves after their hooks, and those to retain, without shared memory."""
        for node, g in self.gradients.items():
            self.retained[node] = g if node in self.unhooked else self.hooked(node, g)
        self.gradients = {node: np.array(g) if self.kind is ndarray else g for node, g in self.retained.items()}
        return self.gradients

    def pop_gradient(self, node: Node) -> Any:
        """Remove the gradient of a node, and return it after its hooks."""
        return self.hooked(node, super().pop_gradient(node))

    def hooked(self, node: Node, g: Any) -> Any:
        """Return the gradient of a node after its hooks. Keep it if it is to be retained."""
        if getattr(node, "hooks", None) is not None:
            g = run_hooks(node, g, self.kind)
            if node.hooks.retains:  # type: ignore[attr-defined]
                self.retained[node] = g
        return g

    def like_input(self, node: Node, x: str, g: Any) -> Any:
        """Return a contribution in the shape and the dtype of the input x. Raise for another type or dtype."""
        g = np.asarray(g) if isinstance(g, np.generic) else g
        if g.__class__ is not self.kind or g.dtype != node.parents[x].dtype:
            g = checked_gradient(node, x, g, self.kind)
        return super().like_input(node, x, g)

    def accumulate(self) -> None:
        """Add the gradient of each leaf to its `grad`: all or none, if Ctrl-C interrupts."""
        with memory.lock:
            sums = [g if node.grad is None else np.asarray(node.grad + g) for node, g in self.gradients.items()]
            # One call in C, so that Ctrl-C cannot interrupt it between two leaves.
            deque(map(setattr, self.gradients, repeat("grad"), sums), maxlen=0)


class DirectedPass(BackwardPass):
    """One walk from results towards targets. It is recorded if `wrap_saved` makes Tensors from the saved arrays."""

    def __init__(
        self, retain_graph: bool = False, targets: Targets = None, wrap_saved: WrapSaved | None = None,
        unhooked: Collection[Node] = (),
    ) -> None:  # fmt: skip
        super().__init__(retain_graph or wrap_saved is not None)
        self.targets, self.wrap_saved, self.unhooked = targets, wrap_saved, unhooked

    def add(self, node: Node, g: Any) -> None:
        """Add a contribution. A target does not enter the queue, and None comes from where no path leads to one."""
        if g is not None and self.targets is not None and node in self.targets:
            self.gradients[node] = self.gradients[node] + g if node in self.gradients else g
        elif g is not None:
            super().add(node, g)

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

    def contribution(self, node: Node, x: str, g: Any, saved: dict[str, Any]) -> Any:
        """Return what a node adds to the gradient of its input x, or None if no path leads from x to a target."""
        return super().contribution(node, x, g, saved) if self.is_needed(node.parents[x]) else None

    def is_needed(self, node: Node) -> bool:
        """Return whether a path may lead from a node to a target. Without targets, every node is needed."""
        if self.targets is None or node in self.targets:
            return True
        return node.op is not None and node.time > min((target.time for target in self.targets), default=0)


def checked_gradient(node: Node, x: str, found: Any, kind: type[Any]) -> Any:
    """Return the result of a vjp as an array, or as a Tensor if `kind`, the class of all gradients of a pass, is that.

    A bare array would be promoted by Tensors. The dtype is that of x, or that of the result if x is promoted.
    """
    op, parent, where = node.op, node.parents[x], f"op {node.op.name}: the vjp of {x}"
    if not isinstance(found, ndarray | kind):
        raise WrongGradientError(
            f"{where} returned a {type(found).__name__}; expected an array, or a Tensor for Tensors."
        )
    checks.fits(found, node, x)
    if found.dtype != parent.dtype:
        is_promoted = op.promoted(x)
        if not is_promoted or found.dtype != node.dtype:
            hint = "" if is_promoted else f" If {x} is promoted, name it in @op(promotes=...)."
            raise WrongGradientError(
                f"{where} returned dtype {found.dtype}; expected the dtype of {x}, {parent.dtype}.{hint}"
            )
    return found if kind is ndarray or isinstance(found, kind) else kind(found)
