"""The walk back: from a result to the leaves, newest node first. Each rule turns a gradient into those of its inputs.

Inputs are older than what is made of them, so when a node is taken from the heap, all of its gradient has arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from heapq import heappop
from typing import Any, NoReturn

from numpy import ndarray

from tinygrad_edu.engine.arriving import Arriving, Parts, whole
from tinygrad_edu.engine.fitting import fitted
from tinygrad_edu.engine.memory import last_change
from tinygrad_edu.engine.node import Node
from tinygrad_edu.engine.watching import watched_add, watched_rules, watches
from tinygrad_edu.errors import GraphFreedError, StaleValueError

# Makes a Tensor again of a saved array, its node and its cell.
Lift = Callable[[Any, Any, Any], Any]


def walk(
    seeds: Iterable[tuple[Node, Any]],
    targets: frozenset[Node] | None = None,
    *,
    retain_graph: bool = False,
    lift: Lift | None = None,
    unhooked: Collection[Node] = (),
) -> dict[Node, Any]:
    """Carry gradients from the seeds back to the leaves, or to the targets: the one backward pass there is.

    Parameters
    ----------
    seeds : iterable of (Node, ndarray or Tensor)
        Where to begin, each with its cotangent.
    targets : frozenset of Node, optional
        Where to stop. Without them the walk goes to every leaf.
    retain_graph : bool
        Keep the saved values of the nodes that were passed.
    lift : callable, optional
        Makes Tensors of saved arrays. With it the rules run on Tensors, and record in their turn; it retains the graph.
    unhooked : collection of Node, optional
        Leaves whose hooks do not run: the caller adds up the gradients of several walks and runs them on the sum.

    Returns
    -------
    dict
        The gradient of each leaf or target that was reached, and of what retains it: arrays that nobody else holds,
        or Tensors.
    """
    arriving = Arriving(targets, lift is None)
    waiting, gradients, looks = arriving.waiting, arriving.gradients, [each.begin(arriving) for each in watches()]
    watched, kind, keep = bool(looks), ndarray, retain_graph or lift is not None
    add = watched_add(looks, arriving.add) if watched else arriving.add
    for root, g in seeds:
        add(root, g)
        kind = g.__class__
    while waiting:
        node = heappop(waiting)[1]
        g = gradients.pop(node)
        if g.__class__ is Parts:
            g = whole(g)
        saved, links, rules = node.saved, node.links, node.rules
        if saved is None:
            _freed(node)
        if last_change[0] > node.number:
            _refuse_stale_saved(node)
        if lift is not None:
            saved = _lifted(node, lift)
        if rules.hooks is not None:
            g = arriving.passed(node, g, kind)
        for k, pullback in watched_rules(looks, node, kind) if watched else rules.pullbacks:
            parent = links[k]
            if parent is None or (targets is not None and arriving.is_in_vain(parent)):
                continue
            try:
                contribution = pullback(g, saved)
            except Exception as error:
                error.add_note(f"In the rule of {node.op!r} for its argument {rules.names[k]}.")
                raise
            if (
                contribution.__class__ is not kind
                or contribution.shape != parent.shape
                or contribution.dtype is not parent.dtype
            ):
                contribution = fitted(node, k, kind, contribution)
            add(parent, contribution)
        if not keep:
            node.saved = None
    saved = g = contribution = None  # so that these names hold no gradient
    result = arriving.result(kind, unhooked)
    for look in looks:
        look.ended(result)
    return result


def _lifted(node: Node, lift: Lift) -> tuple[Any, ...]:
    """Turn saved arrays back into the Tensors that they were, so that a rule records what it does with them."""
    nodes, cells = (*node.parents, node), node.cells
    return tuple(
        value if value is None or source is None or cells[source] is None else lift(value, nodes[source], cells[source])
        for value, (_, source) in zip(node.saved, node.rules.saves, strict=True)
    )


def _refuse_stale_saved(node: Node) -> None:
    op, names, parents, cells = node.op, node.rules.names, node.parents, node.cells
    assert op is not None
    for value, askers in node.rules.saves.items():
        source = value.source
        cell = None if source is None else cells[source]
        if source is None or cell is None or cell.changed <= node.number:
            continue
        for k in askers:
            if parents[k] is not None:
                raise StaleValueError(
                    f"op {op.name}: the rule of {names[k]} saved {(*names, 'its result')[source]}, which was changed "
                    f"in place since. "
                    f"Call backward() before the change, or change a copy: t = t + 1 makes one, t += 1 does not."
                )


def _freed(node: Node) -> NoReturn:
    op = node.op
    assert op is not None
    raise GraphFreedError(
        f"backward() a second time through op {op.name} (shape {node.shape}): its saved values were freed by the "
        f"first. Pass retain_graph=True to the first call, or compute the result again."
    )
