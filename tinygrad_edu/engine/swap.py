"""Swap of the storage of several tensors at once."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle

from tinygrad_edu.engine.tensor import Tensor

Swap = Callable[[], object]

# The class and the levels are those of a value inside of vmap.
_ATTRIBUTES = ("__class__", "_data", "_levels", "_storage", "_node")


def swap_storage(tensors: Sequence[Tensor], partners: Sequence[Tensor]) -> tuple[Swap, Swap]:
    """Return two functions: one gives each tensor the storage of its partner, and the other undoes the swap.

    The swap includes the array, the storage and the node, so all references to a tensor see it. Each function can be
    called once. It runs entirely in C, so that Ctrl-C cannot interrupt it between two tensors.
    """
    return _make_swap(tensors, partners), _make_swap(tensors, tensors)


def _make_swap(tensors: Sequence[Tensor], partners: Sequence[Tensor]) -> Swap:
    """Return a function that gives each tensor the current array, storage and node of another tensor."""
    handles = [tensor for tensor in tensors for _ in _ATTRIBUTES]
    values = [getattr(tensor, part, ()) for tensor in partners for part in _ATTRIBUTES]
    return partial(deque, map(setattr, handles, cycle(_ATTRIBUTES), values), 0)
