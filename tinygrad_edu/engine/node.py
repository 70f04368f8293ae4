"""Nodes of the graph: one recorded op, or a leaf."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine.memory import Storage, clock
from tinygrad_edu.engine.op import Op, VJPs
from tinygrad_edu.errors import IntegerGradientError


class Node:
    """One recorded op, or a leaf. It refers to older nodes and to arrays, never to a Tensor: no reference cycles.

    Attributes
    ----------
    number : int
        Time of its creation, by the clock. Inputs are older than results, so the order is topological.
    vjps : VJPs
        The vjps that the op had at the time of the call.
    links : tuple
        The `parents`, then the `storages`; empty for a leaf. One tuple is less work for the garbage collector.
    saved : tuple, or None
        Values that the vjps of the inputs with a gradient need. None once they are freed.
    shape, dtype
        Shape and dtype of the result and of its gradient.
    grad : ndarray or None
        The accumulated gradient, for a leaf or after `retain_grad`.
    site : CallSite or str
        Where the op was called. It is set only inside of an observer's block.
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
        """The node of each input, or None for an input without a gradient."""
        return self.links[: len(self.links) // 2]

    @property
    def storages(self) -> tuple[Storage | None, ...]:
        """The storage of each input, or None if it is not a Tensor, and then the storage of the result."""
        return self.links[len(self.links) // 2 :]

    def __repr__(self) -> str:
        return f"<{self.op.name if self.op is not None else 'leaf'} {self.number}, shape {self.shape}, {self.dtype}>"


_NO_VJPS = VJPs(None, ())


class ArgumentNode(Node):
    """The leaf of an argument of a transform. No gradient flows to it after the transformed function has returned."""

    __slots__ = ()


def leaf(array: ndarray, kind: type[Node] = Node) -> Node:
    """Make the node of a leaf that requires a gradient."""
    if array.dtype.kind != "f":
        raise IntegerGradientError(
            f"a tensor of dtype {array.dtype} cannot require a gradient: the dtype must be floating point. "
            f"Use Tensor(values, dtype=np.float32, requires_grad=True)."
        )
    node = kind()
    node.number, node.vjps, node.links, node.saved = next(clock), _NO_VJPS, (), ()
    node.shape, node.dtype, node.grad = array.shape, array.dtype, None
    return node
