"""In-place writes: operators such as ``t += other``, and a write to several tensors at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from tinygrad_edu.core import Storage, checks
from tinygrad_edu.engine.mapped import levels_of
from tinygrad_edu.engine.memory import is_shared, writing
from tinygrad_edu.engine.modes import is_grad_enabled
from tinygrad_edu.engine.op import Op
from tinygrad_edu.engine.tensor import Tensor, demand_shape, refuse_read_only, wrap
from tinygrad_edu.errors import DTypeError, LeafInPlaceError, MappedValueError, StaleValueError


def in_place(op: Op) -> Callable[[Tensor, Any], Tensor]:
    """Return the in-place operator of a binary op, such as ``+=``, which writes the result to the first operand.

    If it is recorded, it saves a copy of the old values for the vjp, and the tensor gets a new node. Views that were
    recorded before are stale from then on, and their use raises an error.
    """

    def operator(tensor: Tensor, other: Any) -> Tensor:
        levels = levels_of(tensor) or levels_of(other)
        if levels:
            raise MappedValueError(
                f"{op.name} in place inside of {levels[-1].place}, where a write could mix samples. Write "
                f"t = t + other, which makes a new Tensor, instead of t += other."
            )
        recording = is_grad_enabled()
        refuse_read_only(op.name, tensor)
        old = tensor
        if recording:
            _refuse_leaf(op, tensor)
            old = _copy_saved(op, op.inputs[0], tensor)
            if isinstance(other, Tensor) and other._storage is tensor._storage:
                other = _copy_saved(op, op.inputs[1], other)
        result = op.call(old, other)
        demand_shape(f"{op.name} in place", result.shape, tensor.shape)
        if not np.can_cast(result.dtype, tensor.dtype, "same_kind"):
            raise DTypeError(f"{op.name} in place: cannot cast the result from {result.dtype} to {tensor.dtype}.")
        if result._node is not None:
            _refuse_shared_constant(op, tensor)
            result = result.astype(tensor.dtype) if result.dtype != tensor.dtype else result
        with writing(tensor._storage) as write:
            if result._node is not None:
                tensor._node = result._node  # older than this write, so stale until the write is complete
            tensor._data[...] = result._data
        if result._node is not None:
            result._node.time = write.time
        return tensor

    operator.__doc__ = f"Write the result of `{op.name}` to the first operand, and return the operand."
    return operator


def _copy_saved(op: Op, argument: str, tensor: Tensor) -> Tensor:
    """Copy an operand before it is overwritten, for the vjps that save it."""
    checks.unchanged(f"op {op.name}", argument, tensor)
    return wrap(tensor._data.copy(), tensor._node, Storage())


def _refuse_leaf(op: Op, tensor: Tensor) -> None:
    node, storage = tensor._node, tensor._storage
    while node is not None and node.op is not None:
        viewed = [x for x, of_input in node.storages.items() if of_input is storage and x != "out"]
        if not viewed:
            return
        node = node.parents.get(viewed[0])  # a view of an older tensor
    if node is not None and node.op is None:
        raise LeafInPlaceError(
            f"{op.name} in place on a leaf that requires a gradient, or on a view of one, cannot be recorded: "
            f"use no_grad(), or write to .data."
        )


def _refuse_shared_constant(op: Op, tensor: Tensor) -> None:
    if tensor._node is None and is_shared(tensor._storage):
        raise StaleValueError(
            f"{op.name} in place cannot record a gradient for a constant of shape {tensor.shape} that shares memory "
            f"with other tensors or arrays: write t = t + other, which makes a new tensor."
        )


def write_all(targets: Sequence[Any], values: Sequence[Any]) -> None:
    """Write values to Tensors and arrays of the same shapes, in one call in C that Ctrl-C cannot interrupt."""
    arrays = [x._data if isinstance(x, Tensor) else x for x in targets]
    with writing(*(x._storage for x in targets if isinstance(x, Tensor))):
        deque(map(np.ndarray.__setitem__, arrays, repeat(...), values), maxlen=0)
