"""Observers of ops and backward passes, for `detect_anomaly` and the tape.

The recorder and `backward_pass` check for observers. Without one, none of this code runs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tinygrad_edu.engine.backward import Roots, Targets, plain_backward_pass
from tinygrad_edu.engine.debug.call_site import CallSite, call_site
from tinygrad_edu.engine.fast.backward import GradientAccumulator, match_unless_sliced
from tinygrad_edu.engine.modes import Mode, innermost_block, observers
from tinygrad_edu.engine.node import Node
from tinygrad_edu.engine.op import VJPs

_UNKNOWN_SITE = "Unknown call site: run the forward pass inside of detect_anomaly(), too, to see it."

VJP = Callable[[Any, Any], Any]
Match = Callable[[Any], Any]
Add = Callable[[Node, Any], None]


class PassObserver:
    """Observes one backward pass. Each method receives a step of the pass, and may wrap it."""

    def vjp(self, node: Node, k: int, vjp: VJP) -> VJP:
        """Return the vjp of input k, as ``vjp(g, saved)``."""
        return vjp

    def match(self, node: Node, k: int, match: Match) -> Match:
        """Return the step that undoes broadcasting and promotion, as ``match(contribution)``."""
        return match

    def add(self, add: Add) -> Add:
        """Return the step that adds a contribution to the gradient of a node, as ``add(node, contribution)``."""
        return add

    def end(self, gradients: dict[Node, Any]) -> None:
        """Observe the result of the pass."""


class Observer:
    """Observes the ops and the backward passes inside of a block ``with Mode(observer=...)``."""

    def on_op(self, vjps: VJPs, arrays: Any, settings: dict[str, Any], result: Any, site: CallSite | str) -> None:
        """Observe the result of an op, its inputs, its settings and its call site."""

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


def observed_backward_pass(seeds: Roots, targets: Targets, **settings: Any) -> dict[Node, Any]:
    """Run the plain backward pass with each of its steps wrapped by the observers.

    It adds gradients in the order of the fast pass, so that an observer does not change the results.
    """
    accumulator = GradientAccumulator(targets)
    passes = [observer.on_backward(accumulator.gradients) for observer in observers()]
    vars(accumulator)["add"] = _observed_add(passes, accumulator.add)
    pull = partial(_observed_vjp, passes)
    gradients = plain_backward_pass(seeds, targets, accumulator=accumulator, pull=pull, **settings)
    for observer in passes:
        observer.end(gradients)
    return gradients


def _observed_add(passes: list[PassObserver], add: Add) -> Add:
    def at_site(node: Node, g: Any) -> None:
        with Mode(site=site_of(node)):  # the addition of Tensors is an op
            add(node, g)

    observed: Add = at_site
    for observer in passes:
        observed = observer.add(observed)
    return observed


def _observed_vjp(passes: list[PassObserver], node: Node, k: int, vjp: VJP, g: Any, saved: Any, kind: type[Any]) -> Any:
    match: Match = partial(match_unless_sliced, node, k, kind)
    for observer in passes:
        vjp, match = observer.vjp(node, k, vjp), observer.match(node, k, match)
    site, op, argument = site_of(node), node.op, node.vjps.names[k]
    assert op is not None
    with Mode(site=site.in_vjp(op.name, argument) if isinstance(site, CallSite) else site):
        try:
            contribution = vjp(g, saved)
        except Exception as error:
            error.add_note(f"In the vjp of {op!r} for its argument {argument}.")
            raise
        return match(contribution)
