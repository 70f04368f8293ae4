"""The engine: a clock, the nodes of the graph, and the backward pass from a result to the leaves.

A node records one call of an op (op.py). For each input, the op has a vjp, a vector-Jacobian product: from g, the
gradient of the result, it computes the gradient of that input. For x * y, the vjp of x is g * y.

The clock numbers the calls and the writes to memory. A result is newer than its inputs, so nodes from newest to oldest
are in reverse topological order. A node saves arrays, not copies: if their memory has a newer version, they changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any

import numpy as np

from tinygrad_edu.core import checks

Array = np.ndarray[tuple[Any, ...], np.dtype[Any]]
clock = count(1)


class Storage:
    """One block of memory. An array and its views share it, so a write to one of them is a write to all."""

    version = 0  # the time of the last write


@contextmanager
def writing(*storages: Storage) -> Iterator[None]:
    """Every write runs inside of ``with writing(storage):``, which sets the version, even after an error."""
    try:
        yield
    finally:
        for storage in storages:
            storage.version = next(clock)


recording: ContextVar[bool] = ContextVar("recording", default=True)


@contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing: inside of ``with no_grad():``, or in a function with the decorator ``@no_grad()``."""
    token = recording.set(False)
    try:
        yield
    finally:
        recording.reset(token)


@dataclass(eq=False, repr=False)  # eq=False: equal only to itself, and so a key of a dict
class Node:
    """One recorded call of an op, or a leaf: the node of a Tensor that was given, not computed.

    It refers to older nodes and to arrays, never to a Tensor: there are no cycles, and a result keeps its graph alive.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    op: Any = None  # None for a leaf
    parents: dict[str, Node] = field(default_factory=dict)  # the node of each input that needs a gradient, by name
    saved: dict[str, Any] | None = None  # the values that their vjps request, by name; None once they are freed
    storages: dict[str, Storage] = field(default_factory=dict)  # the memory of each Tensor of the call, by name
    time: int = field(default_factory=clock.__next__)
    grad: Array | None = None  # of a leaf: the sum over all backward passes

    def __repr__(self) -> str:
        return f"<{self.op.name if self.op else 'leaf'} {self.time}, shape {self.shape}, {self.dtype}>"


class BackwardPass:
    """One walk through the graph: `add` the gradient of the result, then `run`."""

    def __init__(self, retain_graph: bool = False) -> None:
        self.retain_graph = retain_graph
        self.gradients: dict[Node, Any] = {}  # the sum of what has arrived at each node
        self.queue: list[tuple[int, Node]] = []  # a heap of the nodes to visit, newest first

    def run(self) -> dict[Node, Any]:
        """Visit the nodes from newest to oldest, and return the gradient of each leaf.

        Everything that uses a node is newer. So when a node is the newest in the queue, its gradient is complete.
        """
        while self.queue:
            self.visit(heappop(self.queue)[1])
        return self.gradients  # of leaves only: they never enter the queue

    def visit(self, node: Node) -> None:
        """Pass the gradient of a node to its parents, and free the saved values."""
        g, saved = self.pop_gradient(node), self.saved(node)
        for x, parent in node.parents.items():  # x is a name: "x" or "y" for multiply
            self.add(parent, self.contribution(node, x, g, saved))
        if not self.retain_graph:
            node.saved = None

    def add(self, node: Node, g: Any) -> None:
        """Add a contribution to the gradient of a node. The first one puts the node into the queue."""
        if node in self.gradients:
            self.gradients[node] = self.gradients[node] + g  # not +=: for x + x, both contributions are one array
        else:
            self.gradients[node] = g
            if node.op:
                heappush(self.queue, (-node.time, node))

    def pop_gradient(self, node: Node) -> Any:
        """Remove and return the gradient of a node. It is complete."""
        return self.gradients.pop(node)

    def saved(self, node: Node) -> dict[str, Any]:
        """Return the values that the vjps of a node request."""
        return checks.valid_saved(node)  # returns node.saved

    def contribution(self, node: Node, x: str, g: Any, saved: dict[str, Any]) -> Any:
        """Return the contribution of a node to the gradient of its input x."""
        return self.like_input(node, x, node.op.vjp(x, g, saved))

    def like_input(self, node: Node, x: str, g: Any) -> Any:
        """Return g in the shape and the dtype of the input x: undo broadcasting and promotion."""
        parent = node.parents[x]
        checks.fits(g, node, x)
        g = g if g.shape == parent.shape else unbroadcast(g, parent.shape)
        return g if g.dtype == parent.dtype else g.astype(parent.dtype)

    def accumulate(self) -> None:
        """Add the gradient of each leaf to its `grad`."""
        for leaf, g in self.gradients.items():
            leaf.grad = np.array(g if leaf.grad is None else leaf.grad + g)  # a copy: two leaves may share an array


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum over the axes along which an input of this shape was repeated: every copy contributes."""
    new = g.ndim - len(shape)
    repeated = (new + i for i, n in enumerate(shape) if n == 1 and g.shape[new + i] != 1)
    return g.sum(axis=(*range(new), *repeated), dtype=sum_dtype(g.dtype)).astype(g.dtype).reshape(shape)


def sum_dtype(dtype: np.dtype[Any]) -> Any:
    """Return the dtype in which to add numbers of a dtype: in float16, 2048 + 1 is 2048."""
    return np.float32 if dtype == np.float16 else dtype
