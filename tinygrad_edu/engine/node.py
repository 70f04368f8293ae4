"""Leaves: nodes of tensors that no op computed."""

from __future__ import annotations

from typing import Any

from numpy import ndarray

from tinygrad_edu.core import Node, clock
from tinygrad_edu.errors import IntegerGradientError


class ArgumentNode(Node):
    """The leaf of an argument of a transform. No gradient flows to it after the transformed function has returned."""


def input_names(node: Node) -> tuple[str, ...]:
    """Return the names of all inputs of the call of a node."""
    names: tuple[str, ...] = getattr(node, "inputs", node.op.inputs if node.op else ())
    return names


def leaf(array: ndarray, kind: type[Node] = Node) -> Node:
    """Make the node of a leaf that requires a gradient."""
    if array.dtype.kind != "f":
        raise IntegerGradientError(
            f"a tensor of dtype {array.dtype} cannot require a gradient: the dtype must be floating point. "
            f"Use Tensor(values, dtype=np.float32, requires_grad=True)."
        )
    node = object.__new__(kind)  # in half the time of the constructor
    node.shape, node.dtype, node.time = array.shape, array.dtype, next(clock)
    node.op, node.parents, node.saved, node.storages, node.grad = None, _NONE, None, _NONE, None
    return node


_NONE: dict[str, Any] = {}
