"""Lesson 12: memory and time. What a graph keeps and when it lets go, whose memory a sum is, what is computed again."""

from contextlib import contextmanager
from heapq import heappop, heappush

import lesson09_second_order
import numpy as np
from lesson04_clock import Node
from lesson07_recorder import Pullback, recording
from lesson08_views import Guarded, Tensor, cell_of, kept


class FreedError(RuntimeError):
    """A gradient is wanted of a graph that a walk has passed, and freed."""


class Freed:
    """What a node has in the place of its rule after a walk: it raises a FreedError, whatever is asked of it."""

    def __init__(self, name):
        self.name = name

    def __call__(self, g):
        raise FreedError(f"op {self.name}: backward() has freed what it saved; the first needs retain_graph=True.")

    @property
    def pullback(self):
        """What the walk of lesson 9 asks for."""
        return self(None)


def free(node):
    """Drop what a node keeps for its rule: who wants the rule gets an error from now on."""
    node.rule = Freed(node.rule.pullback.op.name)


def kept_bytes(tensor):
    """Return how many bytes of arrays the graph of a tensor keeps for its rules: each array once."""
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
    """Carry the gradient g of a node back to the leaves, and return theirs, by node, in a dict; free what was passed.

    It is the walk of lesson 4. The sum of two contributions is an array of its own; what comes after is added in place.
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
                gradients[parent] = contribution  # borrowed: others may hold it
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
    """Add to the grad of each leaf the gradient of ``sum(g * self)``, and free the graph, unless it is to be kept."""
    if self.node is None:
        raise RuntimeError("nothing that this was computed of requires a gradient.")
    g = np.ones(self.shape) if g is None else np.asarray(g, np.float64)
    for leaf, arrived in walk(self.node, g, retain_graph).items():
        leaf.grad = np.array(arrived) if leaf.grad is None else leaf.grad + arrived


Tensor.backward = backward


# --- Computed again: a node that keeps the inputs of a function, and nothing of what is computed inside ---


@contextmanager
def mode(records):
    """Record inside, or do not, whatever it was outside."""
    before = recording.set(records)
    try:
        yield
    finally:
        recording.reset(before)


class Function:
    """What stands for the op in a pullback that runs a function again; called with its inputs by name, in order."""

    def __init__(self, function, tensors):
        self.function, self.name, self.tensors = function, getattr(function, "__name__", "checkpoint"), tensors

    def __call__(self, **inputs):
        given = {name: Tensor(x) for name, x in inputs.items() if name in self.tensors and not isinstance(x, Tensor)}
        return self.function(*(inputs | given).values())


def checkpoint(function, *inputs):
    """Return function(*inputs), a Tensor, and keep no more of it than the inputs, Tensors or arrays.

    The function is called once more when a gradient arrives. It must not depend on anything else that requires one.
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
        raise TypeError(f"checkpoint: the function returned a {type(out).__name__}, and must return one Tensor.")
    cells = {name: x.cell for name, x in zip(saved, inputs) if isinstance(x, Tensor)}
    shapes = tuple(None if parent is None else x.shape for parent, x in zip(node.parents, inputs))
    node.rule = Guarded(Again(Function(function, cells.keys()), tuple(saved), shapes, saved), node.number, cells)
    return Tensor(out.data, node=node, cell=cell_of(out.data, inputs))


class Again(Pullback):
    """A pullback that saved the inputs of a function: it runs the function again, and walks back through that."""

    __slots__ = ()

    def __call__(self, g):
        """Return one contribution for each input; Tensors of a Tensor, whose derivative may be asked for."""
        # hole: again
        with mode(True):
            wanted = {
                name: fresh(self.saved[name]) for name, shape in zip(self.names, self.shapes) if shape is not None
            }
            out = self.op(**self.saved | wanted)
        return pulled(out, g, [wanted.get(name) for name in self.names])
        # end


def fresh(x):
    """Return a Tensor with a node of its own: a leaf of an array, and of a Tensor one that is computed of it."""
    return x * 1.0 if isinstance(x, Tensor) else Tensor(x, requires_grad=True)


def pulled(out, g, wanted):
    """Return the gradient of each Tensor that is wanted, None for None: arrays if g is one, and else Tensors."""
    nodes, lifted = {x.node for x in wanted if x is not None}, isinstance(g, Tensor)
    found = {}
    if out.node is not None:
        found = lesson09_second_order.walk(out.node, g, nodes) if lifted else walk(out.node, g)
    if found.keys() - nodes:
        raise RuntimeError("checkpoint: the function uses a tensor that requires a gradient and is no input of it.")
    zeros = {x.node: Tensor(np.zeros(x.shape)) if lifted else np.zeros(x.shape) for x in wanted if x is not None}
    return [None if x is None else (zeros | found)[x.node] for x in wanted]
