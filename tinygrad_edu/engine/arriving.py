"""The gradients that are on their way: what has arrived at each node, summed, and in which order nodes are passed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from heapq import heappush
from sys import getrefcount
from typing import Any, TypeGuard
from weakref import getweakrefcount

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine.hooks import hooked
from tinygrad_edu.engine.node import Node
from tinygrad_edu.engine.scattering import add_at


class Parts:
    """A gradient that is given at some indices, and is zero elsewhere: what the rule of an index returns.

    The slices of an array are often many. So each returns its own part alone, and they are added up in one array, where
    each would otherwise come as an array of zeros as large as the whole. ``parts += g`` takes on more, of any kind.

    Attributes
    ----------
    values, indices : list
        The parts, and where each belongs. What an index names twice gets it twice.
    shape : tuple of int
        Of the whole.
    gather : callable
        Makes the whole: ``gather(*values, indices=..., shape=...)``, of Tensors a Tensor.
    """

    __slots__ = ("gather", "indices", "shape", "values")

    def __init__(
        self, values: list[Any], indices: list[Any], shape: tuple[int, ...], gather: Callable[..., Any]
    ) -> None:
        self.values, self.indices, self.shape, self.gather = values, indices, shape, gather

    def __iadd__(self, g: Any) -> Parts:
        self.values += g.values if g.__class__ is Parts else [g]
        self.indices += g.indices if g.__class__ is Parts else [...]
        return self

    def add_to(self, total: ndarray) -> None:
        """Add each part to an array, where it belongs."""
        for value, index in zip(self.values, self.indices, strict=True):
            add_at(total, index, value)


def whole(g: Any) -> Any:
    """Return a gradient that may be in parts as one array, or Tensor."""
    return g.gather(*g.values, indices=tuple(g.indices), shape=g.shape) if g.__class__ is Parts else g


class Arriving:
    """The gradients that are on their way: at each node, the sum of what has arrived so far.

    The first contribution to a sum may be somebody else's array, and is only borrowed. A second makes a sum that is our
    own, and from then on it is added in place.

    Attributes
    ----------
    retained : dict of Node to gradient
        Of those that the walk passed, the ones that are kept.
    waiting : list of (int, Node)
        A heap of the nodes that the walk will pass, newest first. It ends at leaves and targets, where gradients only
        gather.
    """

    __slots__ = ("gradients", "in_place", "oldest", "owned", "retained", "targets", "waiting")

    def __init__(self, targets: frozenset[Node] | None, in_place: bool) -> None:
        self.waiting: list[tuple[int, Node]] = []
        self.gradients: dict[Node, Any] = {}
        self.retained: dict[Node, Any] = {}
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
        elif node in self.owned and g.__class__ is not Parts:
            so_far += g
        elif g.__class__ is Parts or so_far.__class__ is Parts:
            self._add_parts(node, so_far, g)
        else:
            self.gradients[node] = so_far + g
            if self.in_place and g.size > 1:  # one element is added out of place in half the time
                self.owned.add(node)

    def _add_parts(self, node: Node, so_far: Any, g: Any) -> None:
        """Add up, where one of the two is in parts, in an array of our own; or list them, to be added up as Tensors."""
        parts, other = (g, so_far) if g.__class__ is Parts else (so_far, g)
        if not self.in_place:
            total = so_far if node in self.owned else Parts([], [], parts.shape, parts.gather)
            if total is not so_far:
                total += so_far
            total += g
        else:
            total = other if node in self.owned else whole(other) if other.__class__ is Parts else np.array(other)
            parts.add_to(total)
        self.gradients[node] = total
        self.owned.add(node)

    def is_in_vain(self, node: Node) -> bool:
        """Whether no path leads from a node to a target."""
        return node.number < self.oldest or (not node.links and node not in self.targets)

    def passed(self, node: Node, g: Any, kind: type[Any]) -> Any:
        """Return the gradient of a node that the walk passes as its hooks make it, and keep it where it is retained."""
        g = hooked(node, g, kind)
        if node.rules.hooks.retains:
            self.owned.discard(node)
            self.retained[node] = g
        return g

    def result(self, kind: type[Any], unhooked: Collection[Node] = ()) -> dict[Node, Any]:
        """Return the gradients where the walk ended, and those retained, each in memory that nobody else holds."""
        gradients = self.gradients
        for node in [node for node in gradients if node.rules.hooks and node not in unhooked]:
            gradients[node] = hooked(node, whole(gradients[node]), kind)
            self.owned.discard(node)
        gradients |= self.retained
        self.retained = {}  # or these would be references more
        for node in gradients:  # without a name for each gradient, which would be a reference more
            if gradients[node].__class__ is Parts:
                gradients[node] = whole(gradients[node])
            elif self.in_place and node not in self.owned and not _is_free(gradients, node):
                gradients[node] = np.array(gradients[node])
        return gradients


def _is_free(grads: dict[Node, Any], node: Node) -> bool:
    """Whether a gradient has memory of its own, and nobody refers to it but `grads`: then it need not be copied."""
    if getweakrefcount(grads[node]) or _references(grads, node) != _ONE:
        return False
    return _owns_memory(grads[node]) or _is_alone_on_its_base(grads[node])


def _owns_memory(g: Any) -> TypeGuard[ndarray]:
    return g.__class__ is ndarray and g.base is None and g.flags.owndata and g.flags.writeable


def _is_alone_on_its_base(g: ndarray) -> bool:
    """Whether an array shows all of one with memory of its own that nobody else refers to, its axes perhaps turned."""
    if g.__class__ is not ndarray or not g.flags.writeable or not _owns_memory(g.base):
        return False
    longest_first = sorted(range(g.ndim), key=g.strides.__getitem__, reverse=True)
    shows_all = g.nbytes == g.base.nbytes and g.transpose(longest_first).flags.c_contiguous
    return shows_all and not getweakrefcount(g.base) and _references_to_base(g) == _ONE_TO_BASE


def _references(arrays: dict[Any, ndarray], key: Any) -> int:
    return getrefcount(arrays[key])


def _references_to_base(g: ndarray) -> int:
    return getrefcount(g.base)


# What that is for an array that only the dict refers to, or only its view: counted here, because it differs between
# Pythons.
_ONE = _references({0: np.empty(0)}, 0)
_ONE_TO_BASE = _references_to_base(np.empty(1)[:])
