"""Lesson 12: memory. Freeing a graph during the backward pass, and sums in place."""

from heapq import heappop, heappush

import lesson09_second_order  # noqa: F401 - the engine of lessons 1 to 9
import numpy as np
from lesson08_views import Guarded, Tensor


class GraphFreedError(RuntimeError):
    """A backward pass reached a node that an earlier backward pass has freed."""


class Freed:
    """The vjp of a freed node: raises a GraphFreedError when it is called."""

    def __init__(self, name):
        self.name = name

    def __call__(self, g):
        raise GraphFreedError(
            f"op {self.name}: backward() has freed its saved values; pass retain_graph=True to the first call."
        )

    @property
    def pullback(self):
        """Raise a GraphFreedError in the backward pass of lesson 9, too."""
        return self(None)


def free(node):
    """Drop the saved values of a node; calling its vjp then raises a GraphFreedError."""
    node.vjp = Freed(node.vjp.pullback.op.name)


def kept_bytes(tensor):
    """Return the number of bytes of the saved arrays in the graph of a tensor; count each array once."""
    found, seen, waiting = {}, set(), [tensor.node]
    # hole: kept_bytes
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting += node.parents
        if isinstance(node.vjp, Guarded):
            found |= {id(a): a.nbytes for a in node.vjp.pullback.saved.values() if isinstance(a, np.ndarray)}
    # end
    return sum(found.values())


def backward_pass(root, g, retain_graph=False):
    """Run the backward pass from root with gradient g, free each node, and return a dict of the leaves' gradients.

    It is that of lesson 4. The sum of two contributions is a new array; later contributions are added in place.
    """
    gradients, queue, own = {root: g}, [(-root.time, root)], set()
    # hole: backward_pass, in the core: engine.BackwardPass.run, engine.BackwardPass.visit, engine.BackwardPass.add
    while queue:
        node = heappop(queue)[1]
        if node.vjp is None:
            continue
        for parent, contribution in zip(node.parents, node.vjp(gradients.pop(node))):
            if parent is None:
                continue
            if parent not in gradients:
                gradients[parent] = contribution  # borrowed: may be in use elsewhere
                heappush(queue, (-parent.time, parent))
            elif parent not in own:
                gradients[parent] = gradients[parent] + contribution
                own.add(parent)
            else:
                gradients[parent] += contribution
        if not retain_graph:
            free(node)
    # end
    return gradients


def backward(self, g=None, retain_graph=False):
    """Add to the grad of each leaf the gradient of ``sum(g * self)``; free the graph unless retain_graph is true."""
    if self.node is None:
        raise RuntimeError("backward(): the tensor does not depend on any tensor with requires_grad=True.")
    g = np.ones(self.shape) if g is None else np.asarray(g, np.float64)
    for leaf, arrived in backward_pass(self.node, g, retain_graph).items():
        leaf.grad = np.array(arrived) if leaf.grad is None else leaf.grad + arrived


Tensor.backward = backward
