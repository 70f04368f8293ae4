"""Lesson 4: a tape of nodes numbered in creation order, and a backward pass that takes the newest from a heap."""

import itertools
import math
from heapq import heappop, heappush

clock = itertools.count(1)


class Node:
    """Node of the graph: refers to older nodes, and to no Value.

    Attributes
    ----------
    time : int
        Time of creation: larger than the time of any older node.
    parents : tuple
        The node of each input; None for a plain number.
    vjp : callable or None
        The vjp: maps the gradient of this node to a tuple with one contribution for each parent. None for a leaf.
    grad
        The gradient of a leaf; None before the first backward pass.
    """

    __slots__ = ("__weakref__", "grad", "parents", "time", "vjp")

    def __init__(self, parents=(), vjp=None):
        # hole: node, in the core: engine.Node
        self.time, self.parents, self.vjp, self.grad = next(clock), parents, vjp, None
        # end


def backward_pass(root, g):
    """Run the backward pass from root with gradient g; return a dict of the gradients of the leaves, by node."""
    gradients, queue = {root: g}, [(-root.time, root)]
    # hole: backward_pass, in the core: engine.BackwardPass.run, engine.BackwardPass.visit, engine.BackwardPass.add
    while queue:
        node = heappop(queue)[1]
        if node.vjp is None:
            continue
        for parent, contribution in zip(node.parents, node.vjp(gradients.pop(node))):
            if parent is None:
                continue
            if parent in gradients:
                gradients[parent] = gradients[parent] + contribution
            else:
                gradients[parent] = contribution
                heappush(queue, (-parent.time, parent))
    # end
    return gradients


def computed(data, inputs, vjp):
    """Return a Value computed from Values and plain numbers; its node has the nodes of the inputs as parents."""
    # hole: computed, in the core: op.Call.run
    return Value(data, Node(tuple(x.node if isinstance(x, Value) else None for x in inputs), vjp))
    # end


def number_of(x):
    """Return the number of a Value; return a plain number unchanged."""
    return x.data if isinstance(x, Value) else x


class Value:
    """A number and its node in the graph. ``Value(number)`` is a leaf."""

    __slots__ = ("__weakref__", "data", "node")

    def __init__(self, data, node=None):
        self.data, self.node = float(data), node or Node()

    @property
    def grad(self):
        """Gradient of a leaf, accumulated by `backward`; None for other numbers."""
        return self.node.grad

    def __add__(self, other):
        return computed(self.data + number_of(other), (self, other), lambda g: (g, g))

    def __mul__(self, other):
        # hole: mul, in the core: arithmetic.multiply
        x, y = self.data, number_of(other)
        return computed(x * y, (self, other), lambda g: (g * y, g * x))
        # end

    def tanh(self):
        """Return the hyperbolic tangent."""
        # hole: tanh, in the core: arithmetic.tanh
        out = math.tanh(self.data)
        return computed(out, (self,), lambda g: (g * (1 - out * out),))
        # end

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + other * -1

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other

    def __rsub__(self, other):
        return self * -1 + other

    def backward(self, g=1.0):
        """Add to the grad of each leaf the derivative of g * self with respect to it."""
        for leaf, arrived in backward_pass(self.node, g).items():
            leaf.grad = arrived if leaf.grad is None else leaf.grad + arrived
