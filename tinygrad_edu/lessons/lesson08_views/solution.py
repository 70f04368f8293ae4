"""Lesson 8: views, in-place operations and stale saved values."""

import lesson06_ops
import lesson07_recorder
import numpy as np
from lesson04_clock import clock
from lesson06_ops import Tensor as TensorOfOps
from lesson07_recorder import recorded as recorded_before
from lesson07_recorder import recording


class StaleError(RuntimeError):
    """A saved value was changed in place before the backward pass."""


class Cell:
    """Number of the last write to a storage, from the clock that numbers the nodes; 0 for none. Shared by views."""

    __slots__ = ("changed",)

    def __init__(self):
        self.changed = 0


class Tensor(TensorOfOps):
    """The tensor of lesson 6, with the cell of its storage."""

    def __init__(self, data, requires_grad=False, node=None, cell=None):
        super().__init__(data, requires_grad, node)
        self.cell = cell or Cell()

    def assign(self, values):
        """Write values into this tensor's storage, without recording; all views change, too."""
        # hole: assign
        self.data[...] = values
        self.cell.changed = next(clock)
        # end

    def __iadd__(self, other):
        return in_place(lesson06_ops.add, self, other)

    def __imul__(self, other):
        return in_place(lesson06_ops.multiply, self, other)


def cell_of(out, inputs):
    """Return the cell of the input that an array is a view of; return a new cell for a new array."""
    # hole: cell_of
    for x in inputs:
        if isinstance(x, Tensor) and np.may_share_memory(out, x.data):
            return x.cell
    return Cell()
    # end


def demand_fresh(op, x):
    """Raise a StaleError if x was computed and its storage changed later: its node no longer describes its values."""
    if not isinstance(x, Tensor) or x.node is None or x.node.rule is None:
        return
    # hole: demand_fresh
    if x.cell.changed > x.node.number:
        raise StaleError(f"op {op.name}: the storage of an input was changed in place after the input was computed.")
    # end


class Guarded:
    """Pullback that first checks whether its saved values are unchanged.

    Attributes
    ----------
    pullback : Pullback
        The pullback of lesson 7.
    number : int
        Number of the node that it belongs to.
    cells : dict
        The cell of each saved array, by name.
    """

    __slots__ = ("cells", "number", "pullback")

    def __init__(self, pullback, number, cells):
        self.pullback, self.number, self.cells = pullback, number, cells

    def __call__(self, g):
        """Call the pullback, or raise a StaleError that names the op and the changed value."""
        # hole: guarded
        for name, cell in self.cells.items():
            if cell.changed > self.number:
                raise StaleError(f"op {self.pullback.op.name}: {name} was changed in place after it was saved.")
        # end
        return self.pullback(g)


def kept(x, array):
    """Return the array to save for an input: the array of a Tensor, whose cell records changes, or a copy."""
    # hole: kept
    return array if isinstance(x, Tensor) or not isinstance(array, np.ndarray) else array.copy()
    # end


def recorded(op, inputs, arrays, settings, out):
    """Return the result as a Tensor, as in lesson 7, with its cell and with a guarded pullback."""
    for x in inputs:
        demand_fresh(op, x)
    arrays = [kept(x, a) for x, a in zip(inputs, arrays)]
    tensor = Tensor(out, node=recorded_before(op, inputs, arrays, settings, out).node, cell=cell_of(out, inputs))
    if tensor.node is not None:
        cells = {name: x.cell for name, x in zip(op.inputs, inputs) if isinstance(x, Tensor)} | {"out": tensor.cell}
        pullback = tensor.node.rule
        cells = {name: cell for name, cell in cells.items() if name in pullback.saved}
        tensor.node.rule = Guarded(pullback, tensor.node.number, cells)
    return tensor


def in_place(op, tensor, other):
    """Write the result of op into tensor, as ``+=`` does, and make its node the node of tensor."""
    if recording.get() and tensor.node is not None and tensor.node.rule is None:
        raise RuntimeError("cannot change a leaf that requires a gradient in place while recording; use assign.")
    # hole: in_place
    old = Tensor(tensor.data.copy(), node=tensor.node)
    if isinstance(other, Tensor) and other.cell is tensor.cell:
        other = Tensor(other.data.copy(), node=other.node)
    result = op(old, other)
    tensor.assign(result.data)
    tensor.node = result.node
    if tensor.node is not None:
        tensor.node.number = next(clock)  # newer than the write, so not stale
    return tensor
    # end


lesson06_ops.recorded = lesson07_recorder.recorded = recorded
