"""Swap the storage of many tensors at once."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle

from tinygrad_edu.engine.tensor import Tensor

Swap = Callable[[], object]

_ATTRIBUTES = ("_data", "_storage", "_node")


def swap_storage(tensors: Sequence[Tensor], others: Sequence[Tensor]) -> tuple[Swap, Swap]:
    """Return two calls: the first gives each tensor the storage of its partner, the second undoes that.

    The storage is the memory and the place in the graph, so everyone who holds the tensor sees the swap. Each call runs
    in C from its beginning to its end, so that no Ctrl-C comes between two tensors. It works once.
    """
    return _make_swap(tensors, others), _make_swap(tensors, tensors)


def _make_swap(tensors: Sequence[Tensor], shown: Sequence[Tensor]) -> Swap:
    """Return a call that gives each tensor the present data, storage and node of another."""
    handles = [tensor for tensor in tensors for _ in _ATTRIBUTES]
    values = [getattr(tensor, part) for tensor in shown for part in _ATTRIBUTES]
    return partial(deque, map(setattr, handles, cycle(_ATTRIBUTES), values), 0)
