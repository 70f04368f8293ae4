"""Node: one recorded op, or a leaf; what a graph is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine.memory import Cell, clock
from tinygrad_edu.engine.op import Op, Rules
from tinygrad_edu.errors import IntegerGradientError


class Node:
    """One recorded op, or a leaf. It points at older nodes and at arrays, never at a Tensor: no reference cycles.

    Attributes
    ----------
    number : int
        When it was made. Inputs are older than what is made of them, so this order is a topological order.
    rules : Rules
        Those that the op had when it was called.
    links : tuple
        The `parents`, then the `cells`: one tuple, because each is one more object for Python's collector to visit.
        Empty for a leaf.
    saved : tuple, or None
        What the rules asked for, where their inputs need a gradient. None once freed.
    shape, dtype
        Of the result, and so of its gradient.
    grad : ndarray or None
        What the backward walks left here, on a leaf or where it is retained.
    site : CallSite or str
        Where the op was called; not there unless that was inside of `detect_anomaly`.
    """

    __slots__ = ("dtype", "grad", "links", "number", "rules", "saved", "shape", "site")

    number: int
    rules: Rules
    links: tuple[Any, ...]
    saved: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    grad: ndarray | None
    site: Any

    @property
    def op(self) -> Op | None:
        """The op that was recorded; None for a leaf."""
        return self.rules.op

    @property
    def parents(self) -> tuple[Node | None, ...]:
        """The node of each input; None where the input has no gradient."""
        return self.links[: len(self.links) // 2]

    @property
    def cells(self) -> tuple[Cell | None, ...]:
        """Of each input, and last of the result, the cell of its memory; None for an input that is no Tensor."""
        return self.links[len(self.links) // 2 :]

    def __repr__(self) -> str:
        return f"<{self.op.name if self.op is not None else 'leaf'} {self.number}, shape {self.shape}, {self.dtype}>"


_NO_RULES = Rules(None, ())


def leaf(array: ndarray) -> Node:
    """Make the node of an input that a gradient is wanted for."""
    if array.dtype.kind != "f":
        raise IntegerGradientError(
            f"a tensor of dtype {array.dtype} cannot require a gradient: derivatives need floating-point values. "
            f"Make it Tensor(values, dtype=np.float32, requires_grad=True)."
        )
    node = Node()
    node.number, node.rules, node.links, node.saved = next(clock), _NO_RULES, (), ()
    node.shape, node.dtype, node.grad = array.shape, array.dtype, None
    return node
