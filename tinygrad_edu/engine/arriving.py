"""The gradients that are on their way: what has arrived at each node, summed, and in which order nodes are passed."""

from __future__ import annotations

from heapq import heappush
from sys import getrefcount
from typing import Any
from weakref import getweakrefcount

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine.node import Node


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
