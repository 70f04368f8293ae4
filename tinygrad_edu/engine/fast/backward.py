"""The fast backward pass: its calls are inlined in the loop, and gradients are added in place."""

from __future__ import annotations

import sys
from collections.abc import Collection
from heapq import heappop, heappush
from typing import Any, TypeGuard
from weakref import getweakrefcount

import numpy as np
from numpy import ndarray

from tinygrad_edu.core import Node, checks
from tinygrad_edu.engine.backward import DirectedPass, Targets, WrapSaved
from tinygrad_edu.engine.fast.generated_node import GeneratedNode
from tinygrad_edu.engine.fast.indexed_slices import IndexedSlices, densify
from tinygrad_edu.engine.fast.sums import sum_first
from tinygrad_edu.engine.hooks import hooks_in
from tinygrad_edu.engine.memory import last_version
from tinygrad_edu.shared.speed.plain_mode import faster_than


@faster_than(DirectedPass)
class FastPass(DirectedPass):
    """A backward pass that sums gradients in place in arrays that it owns.

    The first contribution may be a shared array, so it is not modified. The second one creates a new array for the sum,
    which is owned, and to which later contributions are added in place.
    """

    def __init__(
        self, retain_graph: bool = False, targets: Targets = None, wrap_saved: WrapSaved | None = None,
        unhooked: Collection[Node] = (),
    ) -> None:  # fmt: skip
        super().__init__(retain_graph, targets, wrap_saved, unhooked)
        self.owned: set[Node] = set()
        self.oldest = min(node.time for node in targets) if targets else 0

    def run(self) -> dict[Node, Any]:
        """Visit the nodes. Those of generated calls are visited without a call for each step."""
        queue, gradients, add, kind = self.queue, self.gradients, self.add, self.kind
        targets, wrap_saved, keep = self.targets, self.wrap_saved, self.retain_graph
        while queue:
            node: Any = heappop(queue)[1]
            if node.__class__ is not GeneratedNode:
                self.visit(node)
                continue
            values, links, vjps = node.values, node.links, node.vjps
            if values is None or last_version[0] > node.time:
                checks.valid_saved(node)
            if wrap_saved is not None:
                values = node.wrapped(values, wrap_saved)
            g = gradients.pop(node) if node.hooks is None else self.pop_gradient(node)
            if g.__class__ is IndexedSlices:
                g = densify(g)
            for k, vjp in vjps.pairs:
                parent = links[k]
                if parent is None or (targets is not None and self.is_unreachable(parent)):
                    continue
                try:
                    contribution = vjp(g, values)
                except Exception as error:
                    error.add_note(f"In the vjp of {node.op!r} for its argument {vjps.names[k]}.")
                    raise
                if (
                    contribution.__class__ is not kind
                    or contribution.shape != parent.shape
                    or contribution.dtype is not parent.dtype
                ):
                    contribution = self.like_input(node, vjps.names[k], contribution)
                add(parent, contribution)
            if not keep:
                node.values = None
        values = g = contribution = None  # release the gradients that these names refer to
        return self.finished()

    def like_input(self, node: Node, x: str, g: Any) -> Any:
        """Return a contribution in the shape and the dtype of x. Indexed slices stay as they are."""
        if g.__class__ is IndexedSlices:
            return g
        if g.__class__ is ndarray and node.op.broadcasts:
            shape = node.parents[x].shape
            count = g.ndim - len(shape)
            g = sum_first(g, count) if count > 0 and g.shape[count:] == shape else g
        return super().like_input(node, x, g)

    def add(self, node: Node, g: Any) -> None:
        """Add a contribution to the gradient of a node."""
        current = self.gradients.get(node)
        if current is None:
            if g is None:
                return
            self.gradients[node] = g
            is_computed = node.__class__ is GeneratedNode or node.op is not None
            if is_computed and not (self.targets and node in self.targets):
                heappush(self.queue, (-node.time, node))
        elif g is None:
            return
        elif node in self.owned and g.__class__ is not IndexedSlices:
            current += g
        elif g.__class__ is IndexedSlices or current.__class__ is IndexedSlices:
            self._add_indexed_slices(node, current, g)
        else:
            self.gradients[node] = current + g
            if g.__class__ is ndarray and g.size > 1:  # one element is added out of place in half the time
                self.owned.add(node)

    def _add_indexed_slices(self, node: Node, current: Any, g: Any) -> None:
        """Add indexed slices to an owned array. Slices of Tensors are collected in a list and added later."""
        parts, other = (g, current) if g.__class__ is IndexedSlices else (current, g)
        if not isinstance(parts.values[0], ndarray | np.generic):
            total = current if node in self.owned else IndexedSlices([], [], parts.shape, parts.gather)
            if total is not current:
                total += current
            total += g
        else:
            is_dense = other.__class__ is not IndexedSlices
            total = np.array(other) if is_dense and node not in self.owned else densify(other)
            parts.add_to(total)
        self.gradients[node] = total
        self.owned.add(node)

    def pop_gradient(self, node: Node) -> Any:
        """Remove the gradient of a node, and return it as one array or Tensor, which hooks may keep."""
        self.owned.discard(node)
        self.gradients[node] = densify(self.gradients[node])
        return super().pop_gradient(node)

    def is_unreachable(self, node: Node) -> bool:
        """Return whether no path leads from a node to a target. There must be targets."""
        return node.time < self.oldest or (node.op is None and node not in (self.targets or ()))

    def finished(self) -> dict[Node, Any]:
        """Return the gradients of the leaves or targets, and the retained gradients, without shared memory."""
        gradients, kind = self.gradients, self.kind
        for node in [node for node in gradients if hooks_in(node) and node not in self.unhooked]:
            gradients[node] = self.hooked(node, densify(gradients[node]))
            self.owned.discard(node)
        gradients |= self.retained
        self.retained = {}  # these references would raise the reference counts
        for node in gradients:  # a name for each gradient would raise its reference count
            if gradients[node].__class__ is IndexedSlices:
                gradients[node] = densify(gradients[node])
            elif kind is ndarray and node not in self.owned and not _is_unshared(gradients, node):
                gradients[node] = np.array(gradients[node])
        return gradients


def _is_unshared(grads: dict[Node, Any], node: Node) -> bool:
    """Return whether a gradient owns its memory and only `grads` refers to it, so that no copy is needed."""
    if _FREE_THREADED:
        return False
    if getweakrefcount(grads[node]) or _refcount(grads, node) != _UNSHARED_REFCOUNT:
        return False
    return _owns_memory(grads[node]) or _is_only_view_of_base(grads[node])


def _owns_memory(g: Any) -> TypeGuard[ndarray]:
    return g.__class__ is ndarray and g.base is None and g.flags.owndata and g.flags.writeable


def _is_only_view_of_base(g: ndarray) -> bool:
    """Return whether an array is the only view of its base and contains all its elements, in any order of axes."""
    if g.__class__ is not ndarray or not g.flags.writeable or not _owns_memory(g.base):
        return False
    shows_all = g.nbytes == g.base.nbytes and _has_no_gaps(g)
    return shows_all and not getweakrefcount(g.base) and _base_refcount(g) == _UNSHARED_BASE_REFCOUNT


def _has_no_gaps(g: ndarray) -> bool:
    if g.flags.c_contiguous:
        return True
    return g.transpose(sorted(range(g.ndim), key=g.strides.__getitem__, reverse=True)).flags.c_contiguous


def _refcount(arrays: dict[Any, ndarray], key: Any) -> int:
    return sys.getrefcount(arrays[key])


def _base_refcount(g: ndarray) -> int:
    return sys.getrefcount(g.base)


# Without the interpreter lock, an object has a reference count for the thread that made it and one for all others. The
# sum can be read too small while other threads take and drop references, so all gradients are copied.
_FREE_THREADED = "free-threading" in sys.version

# Reference counts of an array to which only the dict refers, and of a base with one view. They are measured, since they
# differ between versions of Python.
_UNSHARED_REFCOUNT = _refcount({0: np.empty(0)}, 0)
_UNSHARED_BASE_REFCOUNT = _base_refcount(np.empty(1)[:])
