"""The walk back: from a result to the leaves, newest node first. Each rule turns a gradient into those of its inputs.

Inputs are older than what is made of them, so when a node is taken from the heap, all of its gradient has arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from sys import getrefcount
from typing import Any, NoReturn
from weakref import getweakrefcount

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine.memory import last_change
from tinygrad_edu.engine.node import Node
from tinygrad_edu.errors import GraphFreedError, StaleValueError, WrongGradientError

# Makes a Tensor again of a saved array, its node and its cell.
Lift = Callable[[Any, Any, Any], Any]


def walk(
    seeds: Iterable[tuple[Node, Any]],
    targets: frozenset[Node] | None = None,
    *,
    retain_graph: bool = False,
    lift: Lift | None = None,
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

    Returns
    -------
    dict
        The gradient of each leaf or target that was reached: arrays that nobody else holds, or Tensors.
    """
    arriving = Arriving(targets, lift is None)
    add, waiting, gradients = arriving.add, arriving.waiting, arriving.gradients
    kind: type[Any] = ndarray
    for root, g in seeds:
        add(root, g)
        kind = g.__class__
    while waiting:
        node = heappop(waiting)[1]
        g = gradients.pop(node)
        saved, links = node.saved, node.links
        if saved is None:
            _freed(node)
        if last_change[0] > node.number:
            _refuse_stale_saved(node)
        if lift is not None:
            saved = _lifted(node, lift)
        for k, pullback in node.rules.pullbacks:
            parent = links[k]
            if parent is None or (targets is not None and arriving.is_in_vain(parent)):
                continue
            try:
                contribution = pullback(g, saved)
            except Exception as error:
                error.add_note(f"In the rule of {node.op!r} for its argument {node.rules.names[k]}.")
                raise
            if (
                contribution.__class__ is not ndarray
                or contribution.shape != parent.shape
                or contribution.dtype is not parent.dtype
            ):
                contribution = _fit(node, k, contribution, kind)
            add(parent, contribution)
        if not retain_graph and lift is None:
            node.saved = None
    saved = g = contribution = None  # so that these names hold no gradient
    return arriving.result()


class Arriving:
    """The gradients that are on their way: at each node, the sum of what has arrived so far.

    The first contribution to a sum may be somebody else's array, and is only borrowed. A second makes a sum that is our
    own, and from then on it is added in place.

    Attributes
    ----------
    waiting : list of (int, Node)
        A heap of the nodes that the walk will pass, newest first. It ends at leaves and targets, where gradients only
        gather.
    """

    __slots__ = ("gradients", "in_place", "oldest", "owned", "targets", "waiting")

    def __init__(self, targets: frozenset[Node] | None, in_place: bool) -> None:
        self.waiting: list[tuple[int, Node]] = []
        self.gradients: dict[Node, Any] = {}
        self.owned: set[Node] = set()
        self.targets, self.in_place = frozenset() if targets is None else targets, in_place
        self.oldest = min((node.number for node in self.targets), default=0)

    def add(self, node: Node, g: Any) -> None:
        """Add a contribution to the gradient of a node."""
        so_far = self.gradients.get(node)
        if so_far is None:
            self.gradients[node] = g
            if node.links and not (self.targets and node in self.targets):
                heappush(self.waiting, (-node.number, node))
        elif node in self.owned:
            so_far += g
        else:
            self.gradients[node] = so_far + g
            if self.in_place and g.size > 1:  # one element is added out of place in half the time
                self.owned.add(node)

    def newest(self) -> tuple[Node, Any]:
        """Take out the newest node, with its gradient: no other can contribute to it any more."""
        node = heappop(self.waiting)[1]
        return node, self.gradients.pop(node)

    def is_in_vain(self, node: Node) -> bool:
        """Whether no path leads from a node to a target."""
        return node.number < self.oldest or (not node.links and node not in self.targets)

    def result(self) -> dict[Node, Any]:
        """Return what is left, the gradients where the walk ended, each in memory that nobody else holds."""
        for node in self.gradients:
            if self.in_place and node not in self.owned and not _is_free(self.gradients, node):
                self.gradients[node] = np.array(self.gradients[node])
        return self.gradients


def _is_free(grads: dict[Node, Any], node: Node) -> bool:
    """Whether a gradient has memory of its own, and nobody refers to it but `grads`: then it need not be copied."""
    return _owns_memory(grads[node]) and not getweakrefcount(grads[node]) and _references(grads, node) == _ONE


def _owns_memory(g: Any) -> bool:
    return g.__class__ is ndarray and g.base is None and g.flags.owndata and g.flags.writeable


def _references(arrays: dict[Any, ndarray], key: Any) -> int:
    return getrefcount(arrays[key])


# What that is for an array that only the dict refers to: counted here, because it differs between Pythons.
_ONE = _references({0: np.empty(0)}, 0)


def _lifted(node: Node, lift: Lift) -> tuple[Any, ...]:
    """Turn saved arrays back into the Tensors that they were, so that a rule records what it does with them."""
    nodes, cells = (*node.parents, node), node.cells
    return tuple(
        value if value is None or source is None or cells[source] is None else lift(value, nodes[source], cells[source])
        for value, (_, source) in zip(node.saved, node.rules.saves, strict=True)
    )


def _fit(node: Node, k: int, contribution: Any, kind: type[Any]) -> Any:
    """Undo broadcasting and promotion for an op that does them; demand the exact shape and dtype of any other.

    `kind` is what gradients are made of: arrays or Tensors, beside which a rule may return an array, as a constant.
    """
    op, parent, argument = node.op, node.links[k], node.rules.names[k]
    assert op is not None
    if isinstance(contribution, np.generic):
        contribution = np.asarray(contribution)
    where = f"op {op.name}: the rule of {argument}"
    if not isinstance(contribution, ndarray | kind):
        raise WrongGradientError(
            f"{where} returned a {type(contribution).__name__}; of arrays it must make an array, of Tensors a Tensor."
        )
    found: tuple[int, ...] = contribution.shape
    if found != parent.shape:
        if not op.broadcasts or not _reduces(found, parent.shape):
            hint = "" if op.broadcasts else " If the op broadcasts, declare it with @op(broadcasts=True)."
            raise WrongGradientError(
                f"{where} returned shape {found}; the gradient of {argument} has its shape, {parent.shape}.{hint}"
            )
        contribution = unbroadcast(contribution, parent.shape)
    if contribution.dtype != parent.dtype:
        if not op.promoted(k) or contribution.dtype != node.dtype:
            hint = (
                "" if op.promoted(k) else f" If {argument} follows the dtype of others, name it in @op(promotes=...)."
            )
            raise WrongGradientError(
                f"{where} returned dtype {contribution.dtype}; the gradient of {argument} has its dtype, "
                f"{parent.dtype}.{hint}"
            )
        contribution = contribution.astype(parent.dtype)
    return contribution


def _reduces(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    tail = shape[len(shape) - len(to) :]
    return len(shape) >= len(to) and all(n in (1, m) for n, m in zip(to, tail, strict=True))


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum `g` (array or Tensor) over the axes along which `shape` was broadcast: the transpose of broadcasting."""
    extra = g.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(extra + i for i, n in enumerate(shape) if n == 1 and g.shape[extra + i] != 1)
    return g.sum(axis=axes).reshape(shape)


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
