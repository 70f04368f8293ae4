"""Nodes of the graph: one recorded op, or a leaf."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine.memory import Storage, clock
from tinygrad_edu.engine.op import Op, VJPs
from tinygrad_edu.errors import IntegerGradientError


class Node:
    """One recorded op, or a leaf. It points at older nodes and at arrays, never at a Tensor: no reference cycles.

    Attributes
    ----------
    number : int
        The time of its creation, by the clock. Inputs are older than results, so the order is topological.
    vjps : VJPs
        The vjps of the op at the time of the call.
    links : tuple
        The `parents`, then the `storages`. One tuple, because Python's garbage collector visits each object. Empty for
        a leaf.
    saved : tuple, or None
        The values that the vjps of inputs with a gradient need. None once freed.
    shape, dtype
        Of the result and of its gradient.
    grad : ndarray or None
        The sum of the gradients of all backward passes, for a leaf or a retained gradient.
    site : CallSite or str
        Where the op was called. It is set only where an observer is.
    """

    __slots__ = ("dtype", "grad", "links", "number", "saved", "shape", "site", "vjps")

    number: int
    vjps: VJPs
    links: tuple[Any, ...]
    saved: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    grad: ndarray | None
    site: Any

    @property
    def op(self) -> Op | None:
        """The op that was recorded; None for a leaf."""
        return self.vjps.op

    @property
    def parents(self) -> tuple[Node | None, ...]:
        """The node of each input; None where the input has no gradient."""
        return self.links[: len(self.links) // 2]

    @property
    def storages(self) -> tuple[Storage | None, ...]:
        """The storage of each input, and last that of the result; None for an input that is not a Tensor."""
        return self.links[len(self.links) // 2 :]

    def __repr__(self) -> str:
        return f"<{self.op.name if self.op is not None else 'leaf'} {self.number}, shape {self.shape}, {self.dtype}>"


_NO_VJPS = VJPs(None, ())


def leaf(array: ndarray) -> Node:
    """Make the node of an input that a gradient is wanted for."""
    if array.dtype.kind != "f":
        raise IntegerGradientError(
            f"a tensor of dtype {array.dtype} cannot require a gradient: derivatives need floating-point values. "
            f"Make it Tensor(values, dtype=np.float32, requires_grad=True)."
        )
    node = Node()
    node.number, node.vjps, node.links, node.saved = next(clock), _NO_VJPS, (), ()
    node.shape, node.dtype, node.grad = array.shape, array.dtype, None
    return node
