"""Swap the storage of many tensors at once."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle

from tinygrad_edu.engine.tensor import Tensor

Swap = Callable[[], object]

_PARTS = ("_data", "_storage", "_node")


def swap_storage(tensors: Sequence[Tensor], others: Sequence[Tensor]) -> tuple[Swap, Swap]:
    """Return two calls: the first gives each tensor the storage of its partner, the second undoes that.

    The storage is the memory and the place in the graph, so everyone who holds the tensor sees the swap. Each call runs
    in C from its beginning to its end, so that no Ctrl-C comes between two tensors. It works once.
    """
    return _showing(tensors, others), _showing(tensors, tensors)


def _showing(tensors: Sequence[Tensor], shown: Sequence[Tensor]) -> Swap:
    """Return the call that makes each tensor what another is at this moment."""
    handles = [tensor for tensor in tensors for _ in _PARTS]
    values = [getattr(tensor, part) for tensor in shown for part in _PARTS]
    return partial(deque, map(setattr, handles, cycle(_PARTS), values), 0)
