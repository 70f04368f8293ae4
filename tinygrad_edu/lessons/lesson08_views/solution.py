"""Lesson 8: views, in-place operations and stale saved values."""

import lesson06_ops
import lesson07_recorder
import numpy as np
from lesson04_clock import clock
from lesson06_ops import Tensor as TensorOfOps
from lesson07_recorder import recorded as recorded_before
from lesson07_recorder import recording


class StaleValueError(RuntimeError):
    """A saved value was changed in place before the backward pass."""


class Storage:
    """One block of memory, shared by a tensor and its views. Its version is the time of the last write; 0 for none."""

    __slots__ = ("version",)

    def __init__(self):
        self.version = 0


class Tensor(TensorOfOps):
    """The tensor of lesson 6, with its storage."""

    def __init__(self, data, requires_grad=False, node=None, storage=None):
        super().__init__(data, requires_grad, node)
        self.storage = storage or Storage()

    def assign(self, values):
        """Write values into this tensor's storage, without recording; all views change, too."""
        # hole: assign, in the core: tensor.Tensor.assign, engine.writing
        self.data[...] = values
        self.storage.version = next(clock)
        # end

    def __iadd__(self, other):
        return in_place(lesson06_ops.add, self, other)

    def __imul__(self, other):
        return in_place(lesson06_ops.multiply, self, other)


def storage_of(out, inputs):
    """Return the storage of the input that an array is a view of; return a new one for a new array."""
    # hole: storage_of, in the core: op.Call.storage
    for x in inputs:
        if isinstance(x, Tensor) and np.may_share_memory(out, x.data):
            return x.storage
    return Storage()
    # end


def unchanged(op, x):
    """Raise a StaleValueError if x was computed and written to later: its node no longer describes its values."""
    if not isinstance(x, Tensor) or x.node is None or x.node.vjp is None:
        return
    # hole: unchanged, in the core: checks.unchanged
    if x.storage.version > x.node.time:
        raise StaleValueError(f"op {op.name}: an input was changed in place after it was computed.")
    # end


class Guarded:
    """Pullback that first checks whether its saved values are unchanged.

    Attributes
    ----------
    pullback : Pullback
        The pullback of lesson 7.
    time : int
        Time of the node that it belongs to.
    storages : dict
        The storage of each saved array, by name.
    """

    __slots__ = ("pullback", "storages", "time")

    def __init__(self, pullback, time, storages):
        self.pullback, self.time, self.storages = pullback, time, storages

    def __call__(self, g):
        """Call the pullback, or raise a StaleValueError that names the op and the changed value."""
        # hole: guarded, in the core: checks.valid_saved
        for name, storage in self.storages.items():
            if storage.version > self.time:
                raise StaleValueError(f"op {self.pullback.op.name}: {name} was changed in place after it was saved.")
        # end
        return self.pullback(g)


def kept(x, array):
    """Return the array to save for an input: the array of a Tensor, whose storage records writes, or a copy."""
    # hole: kept, in the core: op.Call.copied
    return array if isinstance(x, Tensor) or not isinstance(array, np.ndarray) else array.copy()
    # end


def recorded(op, inputs, arrays, settings, out):
    """Return the result as a Tensor, as in lesson 7, with its storage and with a guarded pullback."""
    for x in inputs:
        unchanged(op, x)
    arrays = [kept(x, a) for x, a in zip(inputs, arrays)]
    tensor = Tensor(out, node=recorded_before(op, inputs, arrays, settings, out).node, storage=storage_of(out, inputs))
    if tensor.node is not None:
        pullback = tensor.node.vjp
        storages = {name: x.storage for name, x in zip(op.inputs, inputs) if isinstance(x, Tensor)}
        storages["out"] = tensor.storage
        storages = {name: storage for name, storage in storages.items() if name in pullback.saved}
        tensor.node.vjp = Guarded(pullback, tensor.node.time, storages)
    return tensor


def in_place(op, tensor, other):
    """Write the result of op into tensor, as ``+=`` does, and make its node the node of tensor."""
    if recording.get() and tensor.node is not None and tensor.node.vjp is None:
        raise RuntimeError("cannot change a leaf that requires a gradient in place while recording; use assign.")
    # hole: in_place
    old = Tensor(tensor.data.copy(), node=tensor.node)
    if isinstance(other, Tensor) and other.storage is tensor.storage:
        other = Tensor(other.data.copy(), node=other.node)
    result = op(old, other)
    tensor.assign(result.data)
    tensor.node = result.node
    if tensor.node is not None:
        tensor.node.time = next(clock)  # newer than the write, so not stale
    return tensor
    # end


lesson06_ops.recorded = lesson07_recorder.recorded = recorded
