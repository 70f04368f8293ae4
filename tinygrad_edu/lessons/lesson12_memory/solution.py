"""Lesson 12: memory and time. Freeing a graph during the backward pass, sums in place, and checkpoints."""

from contextlib import contextmanager
from heapq import heappop, heappush

import lesson09_second_order
import numpy as np
from lesson04_clock import Node
from lesson07_recorder import Pullback, recording
from lesson08_views import Guarded, Tensor, cell_of, kept


class FreedError(RuntimeError):
    """A backward pass reached a node that an earlier backward pass has freed."""


class Freed:
    """The rule of a freed node: raises a FreedError when it is called."""

    def __init__(self, name):
        self.name = name

    def __call__(self, g):
        raise FreedError(
            f"op {self.name}: backward() has freed its saved values; pass retain_graph=True to the first call."
        )

    @property
    def pullback(self):
        """Raise a FreedError in the backward pass of lesson 9, too."""
        return self(None)


def free(node):
    """Drop the saved values of a node; calling its rule then raises a FreedError."""
    node.rule = Freed(node.rule.pullback.op.name)


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
        if isinstance(node.rule, Guarded):
            found |= {id(a): a.nbytes for a in node.rule.pullback.saved.values() if isinstance(a, np.ndarray)}
    # end
    return sum(found.values())


def walk(root, g, retain_graph=False):
    """Run the backward pass from root with gradient g, free each node, and return a dict of the leaves' gradients.

    It is the walk of lesson 4. The sum of two contributions is a new array; later contributions are added in place.
    """
    gradients, waiting, own = {root: g}, [(-root.number, root)], set()
    # hole: walk
    while waiting:
        node = heappop(waiting)[1]
        if node.rule is None:
            continue
        for parent, contribution in zip(node.parents, node.rule(gradients.pop(node))):
            if parent is None:
                continue
            if parent not in gradients:
                gradients[parent] = contribution  # borrowed: may be in use elsewhere
                heappush(waiting, (-parent.number, parent))
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
    for leaf, arrived in walk(self.node, g, retain_graph).items():
        leaf.grad = np.array(arrived) if leaf.grad is None else leaf.grad + arrived


Tensor.backward = backward


# --- Checkpoints: nodes that save only the inputs of a function ---


@contextmanager
def mode(records):
    """Turn recording on or off in a ``with`` block, and restore the mode at its end."""
    before = recording.set(records)
    try:
        yield
    finally:
        recording.reset(before)


class Function:
    """The op of a checkpoint's pullback: calls the function with its inputs, given by name and in order."""

    def __init__(self, function, tensors):
        self.function, self.name, self.tensors = function, getattr(function, "__name__", "checkpoint"), tensors

    def __call__(self, **inputs):
        given = {name: Tensor(x) for name, x in inputs.items() if name in self.tensors and not isinstance(x, Tensor)}
        return self.function(*(inputs | given).values())


def checkpoint(function, *inputs):
    """Return function(*inputs), a Tensor, and save only the inputs, Tensors or arrays.

    The backward pass calls the function again. The function must not use any other tensor that requires a gradient.
    """
    node = Node(tuple(x.node if isinstance(x, Tensor) else None for x in inputs))
    # hole: checkpoint
    with mode(False):
        out = function(*inputs)
    if not recording.get() or all(parent is None for parent in node.parents):
        return out
    saved = {f"x{k}": kept(x, x.data if isinstance(x, Tensor) else x) for k, x in enumerate(inputs)}
    # end
    if not isinstance(out, Tensor):
        raise TypeError(f"checkpoint: function must return a Tensor, got {type(out).__name__}.")
    cells = {name: x.cell for name, x in zip(saved, inputs) if isinstance(x, Tensor)}
    shapes = tuple(None if parent is None else x.shape for parent, x in zip(node.parents, inputs))
    node.rule = Guarded(Again(Function(function, cells.keys()), tuple(saved), shapes, saved), node.number, cells)
    return Tensor(out.data, node=node, cell=cell_of(out.data, inputs))


class Again(Pullback):
    """Pullback of a checkpoint: runs the function again from its saved inputs, and then its backward pass."""

    __slots__ = ()

    def __call__(self, g):
        """Return a list with one contribution per input; differentiable Tensors if g is a Tensor."""
        # hole: again
        with mode(True):
            wanted = {
                name: fresh(self.saved[name]) for name, shape in zip(self.names, self.shapes) if shape is not None
            }
            out = self.op(**self.saved | wanted)
        return pulled(out, g, [wanted.get(name) for name in self.names])
        # end


def fresh(x):
    """Return a Tensor with a new node: a leaf for an array, x * 1.0 for a Tensor."""
    return x * 1.0 if isinstance(x, Tensor) else Tensor(x, requires_grad=True)


def pulled(out, g, wanted):
    """Return the gradient of each Tensor in wanted, and None for None. The gradients are Tensors if g is one."""
    nodes, lifted = {x.node for x in wanted if x is not None}, isinstance(g, Tensor)
    found = {}
    if out.node is not None:
        found = lesson09_second_order.walk(out.node, g, nodes) if lifted else walk(out.node, g)
    if found.keys() - nodes:
        raise RuntimeError("checkpoint: the function uses a tensor that requires a gradient and is not an input.")
    zeros = {x.node: Tensor(np.zeros(x.shape)) if lifted else np.zeros(x.shape) for x in wanted if x is not None}
    return [None if x is None else (zeros | found)[x.node] for x in wanted]
