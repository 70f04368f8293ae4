"""Lesson 13: joint rules. One backward function for all inputs and results, and checkpoints."""

import math
from contextlib import contextmanager
from typing import NamedTuple

import lesson09_second_order
import lesson12_memory  # noqa: F401 - the backward pass that frees nodes
import numpy as np
from lesson04_clock import Node
from lesson05_arrays import array_of
from lesson06_ops import reshape
from lesson07_recorder import Pullback, op, recording
from lesson08_views import Guarded, Tensor, kept


@contextmanager
def mode(records):
    """Turn recording on or off in a ``with`` block, and restore the mode at its end."""
    before = recording.set(records)
    try:
        yield
    finally:
        recording.reset(before)


# --- Rows: several arrays in one ---


@op
def part(row, start=0, stop=0):
    """Return the elements of a row from start to stop, along the last axis."""
    return row[..., start:stop]


@op
def padded(g, start=0, size=0):
    """Return a row of zeros of this size with g at start: the transpose of part."""
    # hole: padded
    row = np.zeros((*g.shape[:-1], size))
    row[..., start : start + g.shape[-1]] = g
    return row
    # end


part.vjps(row=lambda g, row_shape, start: padded(g, start=start, size=row_shape[-1]))
padded.vjps(g=lambda g, g_shape, start: part(g, start=start, stop=start + g_shape[-1]))


@op
def pack(*arrays):
    """Return one row with the elements of all arrays."""
    return np.concatenate([np.ravel(array) for array in arrays])


def unpacked(row, shapes, k):
    """Return array k of a row that packs arrays of these shapes."""
    # hole: unpacked
    start = sum(math.prod(shape) for shape in shapes[:k])
    return reshape(part(row, start=start, stop=start + math.prod(shapes[k])), shape=shapes[k])
    # end


def unpack(row, shapes):
    """Return a list of all arrays of a row."""
    return [unpacked(row, shapes, k) for k in range(len(shapes))]


pack.vjps(arrays=lambda g, k, arrays_shapes: unpacked(g, arrays_shapes, k))

# --- Joint rules ---


class JointOp:
    """A function with one rule for all of its inputs and results.

    Attributes
    ----------
    forward : callable
        Maps the inputs to a list of results, and a list of residuals: the values that backward needs.
    backward : callable
        Maps the list of residuals and the gradient of each result to a list with a contribution to each input; None for
        no contribution. Like forward, it uses ops and operators, which accept arrays and Tensors.
    """

    def __init__(self, forward, backward):
        self.forward, self.backward = forward, backward

    def __call__(self, *inputs):
        """Return the list of results. If an input has a node, they are parts of one Tensor with one node."""
        nodes = tuple(x.node if isinstance(x, Tensor) else None for x in inputs)
        # hole: joint
        with mode(False):
            results, residuals = self.forward(*inputs)
            row = pack(*results)
        # end
        if not recording.get() or all(node is None for node in nodes):
            return results
        values = {f"x{k}": x for k, x in enumerate(inputs)} | {f"r{k}": x for k, x in enumerate(residuals)}
        saved = {name: kept(x, x.data if isinstance(x, Tensor) else x) for name, x in values.items()}
        storages = {name: x.storage for name, x in values.items() if isinstance(x, Tensor)}
        call = JointCall(self, [np.shape(x) for x in results], storages.keys())
        shapes = tuple(None if node is None else x.shape for node, x in zip(nodes, inputs))
        names = tuple(name for name in values if name.startswith("x"))
        node = Node(nodes)
        node.vjp = Guarded(JointPullback(call, names, shapes, saved), node.time, storages)
        return unpack(Tensor(array_of(row), node=node), call.results)


class JointCall(NamedTuple):
    """A call of a joint op: the op, the shape of each result, and the names of the saved values that were Tensors."""

    op: JointOp
    results: list
    tensors: set

    @property
    def name(self):
        """Name of the forward function, for messages."""
        return self.op.forward.__name__


class JointPullback(Pullback):
    """Pullback of a call of a joint op. It calls backward once, with the gradients of all results."""

    __slots__ = ()

    def values(self, letter):
        """Return a list of the saved inputs ("x") or residuals ("r"); each Tensor of the call is a Tensor again."""
        return [
            Tensor(x) if name in self.op.tensors and not isinstance(x, Tensor) else x
            for name, x in self.saved.items()
            if name.startswith(letter)
        ]

    def __call__(self, g):
        """Return a list with one contribution per input; differentiable Tensors if g, a row, is a Tensor."""
        forward, backward = self.op.op.forward, self.op.op.backward
        # hole: pullback
        gradients, residuals = unpack(g, self.op.results), self.values("r")
        if isinstance(g, Tensor):
            _, residuals = forward(*self.values("x"))
        contributions = backward(residuals, *gradients)
        # end
        if len(contributions) != len(self.shapes):
            count = f"{len(self.shapes)} inputs, got {len(contributions)}"
            raise TypeError(f"joint op {self.op.name}: backward must return a gradient for each of {count}.")
        convert = tensor_of if isinstance(g, Tensor) else array_of
        found = [np.zeros(shape or ()) if x is None else x for x, shape in zip(contributions, self.shapes)]
        return [None if shape is None else convert(x) for x, shape in zip(found, self.shapes)]


def tensor_of(x):
    """Return a Tensor unchanged; make a Tensor of anything else."""
    return x if isinstance(x, Tensor) else Tensor(x)


# --- Checkpoints ---


def checkpoint(function, *inputs):
    """Return function(*inputs), and save only the inputs, Tensors or arrays. The backward pass calls function again.

    The function must not use any other tensor that requires a gradient.
    """

    def forward(*inputs):
        # hole: checkpoint
        return [function(*inputs)], inputs
        # end

    def backward(inputs, g):
        tensors = [x for x in inputs if isinstance(x, Tensor)]
        shapes = [x.shape for x in tensors]

        def function_of(row):
            """Return function(*inputs) with the Tensors from a row."""
            parts = iter(unpack(row, shapes))
            out = function(*(next(parts) if isinstance(x, Tensor) else x for x in inputs))
            demand_only_leaf(row, out)
            return out

        # hole: again
        with mode(True):
            _, pullback = lesson09_second_order.vjp(function_of, pack(*tensors))
        with mode(isinstance(g, Tensor)):
            gradients = unpack(pullback(g), shapes)
        # end
        found = iter(gradients)
        return [next(found) if isinstance(x, Tensor) else None for x in inputs]

    return JointOp(forward, backward)(*inputs)[0]


def demand_only_leaf(row, out):
    """Raise a RuntimeError if the graph of out has another leaf than the row: its gradient would be lost."""
    seen, waiting = {row.node}, [out.node]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        if node.vjp is None:
            raise RuntimeError("checkpoint: the function uses a tensor that requires a gradient and is not an input.")
        seen.add(node)
        waiting += node.parents
