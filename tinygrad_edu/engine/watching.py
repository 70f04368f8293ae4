"""Watching: what may look at each op that is called, and at each step of a walk. `detect_anomaly` does, and the tape.

Nothing of this runs unless a `Mode` with a `Watch` is open: the call of an op asks for the mode anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from tinygrad_edu.engine.arriving import Arriving
from tinygrad_edu.engine.fitting import fitted
from tinygrad_edu.engine.modes import Mode, innermost_block
from tinygrad_edu.engine.node import Node
from tinygrad_edu.engine.op import Rules
from tinygrad_edu.engine.origin import Origin, origin

_UNKNOWN = "Called outside of detect_anomaly(): with the forward inside, too, this would say where."

WalkedRule = Callable[[Any, Any], Any]
Fit = Callable[[Any], Any]
Add = Callable[[Node, Any], None]


class WatchedWalk:
    """A look at one walk: at the three things that it does, each of which it gets and may wrap."""

    def rule(self, node: Node, k: int, pullback: WalkedRule) -> WalkedRule:
        """Return the rule of input k, as ``pullback(g, saved)``."""
        return pullback

    def fitting(self, node: Node, k: int, fit: Fit) -> Fit:
        """Return what undoes broadcasting and promotion in what that rule returned, as ``fit(contribution)``."""
        return fit

    def adding(self, add: Add) -> Add:
        """Return what adds a contribution to what has arrived at a node, as ``add(node, contribution)``."""
        return add

    def ended(self, gradients: dict[Node, Any]) -> None:
        """Look at what the walk returns."""


class Watch:
    """A look at the ops that are called and at the walks back, for as long as ``with Mode(watch=...)`` is open."""

    def computed(self, rules: Rules, arrays: Any, settings: dict[str, Any], made: Any, called: Origin | str) -> None:
        """Look at the Tensor that an op made, of which arrays and settings, and where it was called."""

    def begin(self, arriving: Arriving) -> WatchedWalk:
        """Return what looks at a walk that begins."""
        return WatchedWalk()


def watches() -> tuple[Watch, ...]:
    """Return those that look at what happens here."""
    block = innermost_block()
    return () if block is None else block.watches


def place_of_call() -> Origin | str:
    """Return where the op is called that is being computed; of one that a rule calls, where the op of the rule was."""
    block = innermost_block()
    assert block is not None
    return origin() if block.origin is None else block.origin


def called_at(node: Node) -> Origin | str:
    """Return where the op of a node was called."""
    return getattr(node, "origin", _UNKNOWN)


def watched_add(looks: Iterable[WatchedWalk], add: Add) -> Add:
    """Return the addition of a walk as those who look at it see it. Of Tensors it is an op that adds."""

    def placed(node: Node, g: Any) -> None:
        with Mode(origin=called_at(node)):
            add(node, g)

    watched: Add = placed
    for look in looks:
        watched = look.adding(watched)
    return watched


def watched_rules(looks: Iterable[WatchedWalk], node: Node, kind: type[Any]) -> Iterator[tuple[int, WalkedRule]]:
    """Yield what the walk takes of ``node.rules.pullbacks``, as those who look at it see it."""
    for k, pullback in node.rules.pullbacks:
        where, fit = _place_of_rule(node, k), partial(fitted, node, k, kind)
        for look in looks:
            pullback, fit = look.rule(node, k, pullback), look.fitting(node, k, fit)  # type: ignore[assignment]
        yield k, partial(_rule_and_fit, where, pullback, fit)


def _rule_and_fit(where: Origin | str, pullback: WalkedRule, fit: Fit, g: Any, saved: Any) -> Any:
    with Mode(origin=where):
        return fit(pullback(g, saved))


def _place_of_rule(node: Node, k: int) -> Origin | str:
    """Return where the ops say they were called that a rule calls."""
    called, op = called_at(node), node.op
    assert op is not None
    return called.in_rule(op.name, node.rules.names[k]) if isinstance(called, Origin) else called
