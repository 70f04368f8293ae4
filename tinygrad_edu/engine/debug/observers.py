"""Observers of ops and backward passes, for `detect_anomaly` and the tape.

Calls and passes check for observers. Without one, none of this code runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from tinygrad_edu import core
from tinygrad_edu.core import Node
from tinygrad_edu.engine.backward import Targets, WrapSaved
from tinygrad_edu.engine.debug.call_site import CallSite, call_site
from tinygrad_edu.engine.fast.backward import FastPass
from tinygrad_edu.engine.modes import Mode, innermost_block, observers

_UNKNOWN_SITE = "Unknown call site: run the forward pass inside of detect_anomaly(), too, to see it."

VJP = Callable[[Any, dict[str, Any]], Any]
LikeInput = Callable[[Any], Any]
Add = Callable[[Node, Any], None]


class PassObserver:
    """Observes one backward pass. Each method receives a step of the pass, and may wrap it."""

    def vjp(self, node: Node, x: str, vjp: VJP) -> VJP:
        """Return the vjp of the input x, as ``vjp(g, saved)``."""
        return vjp

    def like_input(self, node: Node, x: str, like_input: LikeInput) -> LikeInput:
        """Return the step that undoes broadcasting and promotion, as ``like_input(contribution)``."""
        return like_input

    def add(self, add: Add) -> Add:
        """Return the step that adds a contribution to the gradient of a node, as ``add(node, contribution)``."""
        return add

    def end(self, gradients: dict[Node, Any]) -> None:
        """Observe the result of the pass."""


class Observer:
    """Observes the ops and the backward passes inside of a block ``with Mode(observer=...)``."""

    def on_op(
        self, op: Any, arrays: dict[str, Any], settings: dict[str, Any], result: Any, site: CallSite | str
    ) -> None:
        """Observe the result of an op, its inputs and settings by name, and its call site."""

    def on_backward(self, gradients: dict[Node, Any]) -> PassObserver:
        """Return the observer of a new backward pass. `gradients` has the sums of the contributions so far."""
        return PassObserver()


def site_of_call() -> CallSite | str:
    """Return the call site of the current op. An op that a vjp calls has the call site of the vjp's own op."""
    block = innermost_block()
    assert block is not None
    return call_site() if block.site is None else block.site


def site_of(node: Node) -> CallSite | str:
    """Return the call site of the op of a node."""
    return getattr(node, "site", _UNKNOWN_SITE)


class ObservedPass(FastPass):
    """A backward pass with each of its steps wrapped by the observers.

    It adds gradients in the order of the fast pass, so that an observer does not change the results.
    """

    def __init__(
        self, retain_graph: bool = False, targets: Targets = None, wrap_saved: WrapSaved | None = None,
        unhooked: Collection[Node] = (),
    ) -> None:  # fmt: skip
        super().__init__(retain_graph, targets, wrap_saved, unhooked)
        self.observers = [observer.on_backward(self.gradients) for observer in observers()]
        step: Add = self._add_at_site
        for observer in self.observers:
            step = observer.add(step)
        self._observed_add = step

    def run(self) -> dict[Node, Any]:
        """Visit the nodes one by one."""
        core.BackwardPass.run(self)
        gradients = self.finished()
        for observer in self.observers:
            observer.end(gradients)
        return gradients

    def add(self, node: Node, g: Any) -> None:
        """Add a contribution to the gradient of a node."""
        if g is not None:
            self._observed_add(node, g)

    def _add_at_site(self, node: Node, g: Any) -> None:
        with Mode(site=site_of(node)):  # the addition of Tensors is an op
            super().add(node, g)

    def contribution(self, node: Node, x: str, g: Any, saved: dict[str, Any]) -> Any:
        """Return what a node adds to the gradient of its input x."""
        if not self.is_needed(node.parents[x]):
            return None
        vjp: VJP = partial(node.op.vjp, x)
        like_input: LikeInput = partial(self.like_input, node, x)
        for observer in self.observers:
            vjp, like_input = observer.vjp(node, x, vjp), observer.like_input(node, x, like_input)
        site = site_of(node)
        with Mode(site=site.in_vjp(node.op.name, x) if isinstance(site, CallSite) else site):
            return like_input(vjp(g, saved))
