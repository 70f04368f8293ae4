"""Joint nodes: one node of the graph for a call with many inputs and results."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from threading import get_ident
from typing import Any, Protocol

import numpy as np

from tinygrad_edu.engine import (
    Array,
    Mapped,
    Node,
    Op,
    Tensor,
    bare,
    from_numpy,
    hidden,
    levels_of,
    no_grad,
    op,
    open_levels,
    opened,
    peeled,
    reordered,
    spread,
    warn_of_a_loop,
    with_levels_of,
    wrap,
)
from tinygrad_edu.ops.shapes.joining import stack
from tinygrad_edu.ops.shapes.shape import shaped
from tinygrad_edu.shared.pytree import tree_leaves, tree_map, tree_map_with_path


def is_floating_tensor(x: Any) -> bool:
    """Return whether a leaf is a floating-point Tensor."""
    return isinstance(x, Tensor) and x.dtype.kind == "f"


def is_recorded(x: Any) -> bool:
    """Return whether a leaf is a Tensor with a node."""
    return isinstance(x, Tensor) and x._node is not None


def leaf_paths(tree: Any, name: str) -> dict[str, Any]:
    """Return the leaves of a pytree by their paths, such as ``name[0]``."""
    found: dict[str, Any] = {}
    tree_map_with_path(found.__setitem__, tree, name)
    return found


def nodes_of(tree: Any) -> set[Node]:
    """Return the nodes of the Tensors of a pytree."""
    return {x._node for x in tree_leaves(tree) if is_recorded(x)}


class JointCall(Protocol):
    """A call with many inputs and results, and its derivative.

    Attributes
    ----------
    name : str
    inputs : list of Tensor
        The Tensors that require a gradient.
    result : pytree
        The results, without a graph.
    """

    name: str
    inputs: list[Tensor]
    result: Any

    def pull(self, cotangents: Any) -> Sequence[Any]:
        """Return the gradients of all inputs from the cotangents of the result.

        It is called once per backward pass, under `no_grad`, or on recorded Tensors if the pass is recorded.
        """

    def saved_values(self) -> dict[str, Any]:
        """Return what the call keeps for `pull`, by name."""


def record_jointly(call: JointCall) -> Any:
    """Return the result of a call, recorded as one op on its inputs, whose result is one array."""
    outputs = [x for x in tree_leaves(call.result) if is_floating_tensor(x)]
    if not outputs or not call.inputs:
        return call.result
    packed = _packed(outputs)
    row = _joint_op(call.name)(*map(bare, call.inputs), value=packed, gradient=_Gradient(call, outputs))
    if len(outputs) == 1:  # the call may keep the same memory, so that a write to the result must change its version
        row = wrap(row._data, row._node, outputs[0]._storage)
    return _with_parts(call.result, row, outputs)


class _Gradient:
    """The gradients of a joint node, which are computed together for each cotangent."""

    def __init__(self, call: JointCall, outputs: Sequence[Tensor]) -> None:
        self.call, self.outputs, self.levels = call, outputs, open_levels()
        # For each thread: its last cotangent, and the gradients of that cotangent until they are used.
        self.pulled: dict[int, tuple[Any, dict[int, Any]]] = {}

    def __repr__(self) -> str:
        return f"<the gradients of {self.call.name}>"

    def __deepcopy__(self, memo: Any) -> _Gradient:
        return self  # the engine copies settings; the call itself notices changes of what it keeps

    @property
    def saved_values(self) -> dict[str, Any]:
        """What the node keeps, for the tape."""
        return self.call.saved_values()

    def __call__(self, g: Any, k: int) -> Any:
        thread = get_ident()
        last, gradients = self.pulled.get(thread, (None, {}))
        if g is not last or k not in gradients:
            with opened(self.levels):
                gradients = dict(enumerate(_pull(self.call, g, self.outputs)))
            self.pulled[thread] = g, gradients
        taken = gradients.pop(k)
        if not gradients:
            del self.pulled[thread]
        return taken


@cache
def _joint_op(name: str) -> Op:
    """Return an op of any number of inputs, whose value and gradients are settings."""

    @op(promotes=False, name=name if name.isidentifier() else "function")
    def joint(*arrays: Any, value: Any, gradient: Any) -> Any:
        return value

    joint.vjps(arrays=lambda g, k, gradient: gradient(g, k))
    return joint


def _pull(call: JointCall, g: Any, outputs: Sequence[Tensor]) -> Sequence[Any]:
    """Return the gradient of each input, with the axes that `vmap` hides visible, as they are in the graph."""
    if isinstance(g, Mapped):  # one cotangent for each sample of a call of the pullback
        level = g.levels[-1]
        warn_of_a_loop("the pullback of custom_vjp or checkpoint")
        rows = [_pull(call, each, outputs) for each in peeled(g)]
        return [hidden(stack([shaped(part) for part in parts]), level) for parts in zip(*rows, strict=True)]
    if isinstance(g, Tensor):
        parts = call.pull(_with_parts(call.result, g, outputs))
        return [_visible(part, x) for part, x in zip(parts, call.inputs, strict=True)]
    with no_grad():
        parts = call.pull(_with_parts(call.result, from_numpy(np.asarray(g)), outputs))
        return [_visible(part, x).numpy() for part, x in zip(parts, call.inputs, strict=True)]


def _visible(gradient: Tensor, x: Tensor) -> Tensor:
    return reordered(spread(gradient, levels_of(x)), levels_of(x))


def _packed(outputs: Sequence[Tensor]) -> Array:
    """Return a single output as it is, and several flattened and concatenated."""
    arrays = [x._data for x in outputs]
    return arrays[0] if len(arrays) == 1 else np.concatenate([x.reshape(-1) for x in arrays])


def _with_parts(result: Any, row: Tensor, outputs: Sequence[Tensor]) -> Any:
    """Return the pytree `result` with the parts of `row` in place of the outputs."""
    arrays = [x._data for x in outputs]
    if len(outputs) == 1:
        rows = [row]
    else:
        ends = accumulate(x.size for x in arrays)
        rows = [row[end - x.size : end].reshape(x.shape) for end, x in zip(ends, arrays, strict=True)]
        rows = [part if part.dtype == x.dtype else part.astype(x.dtype) for part, x in zip(rows, arrays, strict=True)]
    parts = iter([with_levels_of(part, x) for part, x in zip(rows, outputs, strict=True)])
    return tree_map(lambda x: next(parts) if is_floating_tensor(x) else x, result)
