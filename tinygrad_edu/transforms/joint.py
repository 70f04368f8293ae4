"""Joint nodes: one node of the graph for a call with many inputs and results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate
from typing import Any

import numpy as np

from tinygrad_edu.engine import (
    Array,
    Mapped,
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
)
from tinygrad_edu.ops.joining import stack
from tinygrad_edu.ops.shape import shaped
from tinygrad_edu.pytree import tree_leaves, tree_map

__all__ = ["is_floating_tensor", "is_recorded", "record_jointly"]


def is_floating_tensor(x: Any) -> bool:
    """Return whether a leaf is a floating-point Tensor."""
    return isinstance(x, Tensor) and x.dtype.kind == "f"


def is_recorded(x: Any) -> bool:
    """Return whether a leaf is a Tensor with a node."""
    return isinstance(x, Tensor) and x._node is not None


def record_jointly(name: str, inputs: Sequence[Tensor], result: Any, pull: Callable[[Any], Sequence[Any]]) -> Any:
    """Return a detached pytree as the results of one op on `inputs`.

    `pull` maps the cotangents of the result to the gradients of all inputs. It is called once per backward pass, under
    `no_grad`, or on recorded Tensors if the pass is recorded. The graph has one op, whose result is one array.
    """
    outputs = [x for x in tree_leaves(result) if is_floating_tensor(x)]
    if not outputs:
        return result
    pulled: dict[int, Any] = {}  # gradients of the last cotangent, until they are used
    last: list[Any] = [None]
    levels = open_levels()

    def gradient(g: Any, k: int) -> Any:
        if g is not last[0] or k not in pulled:
            last[0] = g
            with opened(levels):
                pulled.update(enumerate(_pull(pull, g, result, outputs, inputs)))
        taken = pulled.pop(k)
        if not pulled:
            last[0] = None
        return taken

    row = _joint_op(name)(*map(bare, inputs), value=_packed(outputs), gradient=gradient)
    return _with_parts(result, row, outputs)


@cache
def _joint_op(name: str) -> Op:
    """Return an op of any number of inputs, whose value and gradients are settings."""

    @op(promotes=False, name=name if name.isidentifier() else "function")
    def joint(*arrays: Any, value: Any, gradient: Any) -> Any:
        return value

    joint.vjps(arrays=lambda g, k, gradient: gradient(g, k))
    return joint


def _pull(
    pull: Callable[[Any], Sequence[Any]], g: Any, result: Any, outputs: Sequence[Tensor], inputs: Sequence[Tensor]
) -> Sequence[Any]:
    """Return the gradient of each input, with the axes that `vmap` hides visible, as they are in the graph."""
    if isinstance(g, Mapped):  # one cotangent for each sample of a call of the pullback
        level = g.levels[-1]
        warn_of_a_loop("the pullback of custom_vjp or checkpoint")
        rows = [_pull(pull, each, result, outputs, inputs) for each in peeled(g)]
        return [hidden(stack([shaped(part) for part in parts]), level) for parts in zip(*rows, strict=True)]
    if isinstance(g, Tensor):
        parts = pull(_with_parts(result, g, outputs))
        return [_visible(part, x) for part, x in zip(parts, inputs, strict=True)]
    with no_grad():
        parts = pull(_with_parts(result, from_numpy(np.asarray(g)), outputs))
        return [_visible(part, x).numpy() for part, x in zip(parts, inputs, strict=True)]


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
        rows = [row[end - x.size : end].reshape(x.shape).astype(x.dtype) for end, x in zip(ends, arrays, strict=True)]
    parts = iter([with_levels_of(part, x) for part, x in zip(rows, outputs, strict=True)])
    return tree_map(lambda x: next(parts) if is_floating_tensor(x) else x, result)
