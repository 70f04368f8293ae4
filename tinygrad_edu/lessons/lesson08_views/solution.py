"""Lesson 8: views, changes in place, and values that are stale when their rule wants them."""

import lesson06_ops
import lesson07_recorder
import numpy as np
from lesson04_clock import clock
from lesson06_ops import Tensor as TensorOfOps
from lesson07_recorder import recorded as recorded_before
from lesson07_recorder import recording


class StaleError(RuntimeError):
    """A value that a gradient needs was changed since."""


class Cell:
    """When a piece of memory was last written to, by the clock that numbers the nodes; 0 for never. Views share it."""

    __slots__ = ("changed",)

    def __init__(self):
        self.changed = 0


class Tensor(TensorOfOps):
    """The tensor of lesson 6, with the cell of its memory."""

    def __init__(self, data, requires_grad=False, node=None, cell=None):
        super().__init__(data, requires_grad, node)
        self.cell = cell or Cell()

    def assign(self, values):
        """Write values into this tensor's memory, unrecorded: all views of it see them."""
        # hole: assign
        self.data[...] = values
        self.cell.changed = next(clock)
        # end

    def __iadd__(self, other):
        return in_place(lesson06_ops.add, self, other)

    def __imul__(self, other):
        return in_place(lesson06_ops.multiply, self, other)


def cell_of(out, inputs):
    """Return the cell of the input whose memory an array is a view of, and of a new array a new cell."""
    # hole: cell_of
    for x in inputs:
        if isinstance(x, Tensor) and np.may_share_memory(out, x.data):
            return x.cell
    return Cell()
    # end


def demand_fresh(op, x):
    """Raise a StaleError for a computed tensor whose memory was changed later: its node tells of other values."""
    if not isinstance(x, Tensor) or x.node is None or x.node.rule is None:
        return
    # hole: demand_fresh
    if x.cell.changed > x.node.number:
        raise StaleError(f"op {op.name}: an input shares memory that was changed in place after it was computed.")
    # end


class Guarded:
    """A pullback that first looks whether what it saved is still what it was.

    Attributes
    ----------
    pullback : Pullback
        That of lesson 7.
    number : int
        When it was recorded.
    cells : dict
        By name, the cell of each saved array.
    """

    __slots__ = ("cells", "number", "pullback")

    def __init__(self, pullback, number, cells):
        self.pullback, self.number, self.cells = pullback, number, cells

    def __call__(self, g):
        """Return what the pullback does, or raise a StaleError that names the op and what it saved."""
        # hole: guarded
        for name, cell in self.cells.items():
            if cell.changed > self.number:
                raise StaleError(f"op {self.pullback.op.name}: it saved {name}, which was changed in place since.")
        # end
        return self.pullback(g)


def kept(x, array):
    """Return what a node may keep of an input: the array of a Tensor, whose changes are noted; of plain data a copy."""
    # hole: kept
    return array if isinstance(x, Tensor) or not isinstance(array, np.ndarray) else array.copy()
    # end


def recorded(op, inputs, arrays, settings, out):
    """Return the Tensor of a result, as in lesson 7, with the cell of its memory and a guard before its rules."""
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
    """Write the result of op into tensor, as ``+=`` does, and record it: from now on tensor is that result."""
    if recording.get() and tensor.node is not None and tensor.node.rule is None:
        raise RuntimeError("a leaf that requires a gradient cannot be changed in place: the gradient would be of what?")
    # hole: in_place
    old = Tensor(tensor.data.copy(), node=tensor.node)
    if isinstance(other, Tensor) and other.cell is tensor.cell:
        other = Tensor(other.data.copy(), node=other.node)
    result = op(old, other)
    tensor.assign(result.data)
    tensor.node = result.node
    if tensor.node is not None:
        tensor.node.number = next(clock)  # it is that of the values that are there now
    return tensor
    # end


lesson06_ops.recorded = lesson07_recorder.recorded = recorded
