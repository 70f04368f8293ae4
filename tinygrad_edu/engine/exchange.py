"""Tensors that stand for others for a while: which handle shows which memory, exchanged for many at once."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle

from tinygrad_edu.engine.tensor import Tensor

Exchange = Callable[[], object]

_PARTS = ("_data", "_cell", "_node")


def exchanging(tensors: Sequence[Tensor], others: Sequence[Tensor]) -> tuple[Exchange, Exchange]:
    """Return two calls: the first makes each tensor show what the other of its place is, the second takes that back.

    What a tensor shows is its memory and its place in the graph, so whoever holds the tensor sees the exchange. Each
    call runs in C from its beginning to its end, so that no Ctrl-C comes between two tensors, and works once.
    """
    return _showing(tensors, others), _showing(tensors, tensors)


def _showing(tensors: Sequence[Tensor], shown: Sequence[Tensor]) -> Exchange:
    """Return the call that makes each tensor what another is at this moment."""
    handles = [tensor for tensor in tensors for _ in _PARTS]
    values = [getattr(tensor, part) for tensor in shown for part in _PARTS]
    return partial(deque, map(setattr, handles, cycle(_PARTS), values), 0)
