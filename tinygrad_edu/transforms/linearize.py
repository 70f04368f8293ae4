"""Linearized: one recorded call of a function, and its pullback. All transforms use it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_edu.engine import (
    Level,
    Mapped,
    Node,
    Storage,
    Tensor,
    backward_pass,
    bare,
    enable_grad,
    is_grad_enabled,
    leaf,
    levels_of,
    no_grad,
    open_levels,
    refuse_stale,
    reordered,
    spread,
    with_levels,
    with_levels_of,
    wrap,
)
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.ops.shape import identity, reshape
from tinygrad_edu.pytree import tree_leaves, tree_map

__all__ = ["Function", "Linearized", "as_gradient", "to_tensors", "with_own_node"]

Function = Callable[..., Any]


class Linearized:
    """One recorded call of a function, which maps cotangents of its result to cotangents of its arguments.

    The parameters are those of `vjp`.

    Attributes
    ----------
    out
        The recorded result of f.
    result, aux
        The result and the auxiliary data, for the caller. They are detached from the graph, unless they depend on a
        tensor outside of the call that requires a gradient.
    """

    def __init__(self, f: Function, args: Iterable[Any], has_aux: bool) -> None:
        inputs = tuple(tree_map(_input, to_tensors(x)) for x in args)
        self._nodes = tree_map(_node, inputs)
        self._levels = {
            node: levels_of(x) for node, x in zip(tree_leaves(self._nodes), tree_leaves(inputs), strict=True)
        }
        self._targets = frozenset[Node](tree_leaves(self._nodes))
        with enable_grad():
            result = f(*inputs)
        self.out, aux = _split_aux(result) if has_aux else (result, None)
        self.result, self.aux = (_detach(part, self._targets) for part in (self.out, aux))

    def pullback(self, out: Any, cotangents: Any) -> Any:
        """Return the cotangents of the arguments for cotangents of `out`, the recorded result or a part of it."""
        pairs: list[tuple[Tensor, Tensor]] = []
        tree_map(lambda result, g: pairs.extend(_pair_cotangent(result, g)), out, cotangents)
        record = is_grad_enabled() and (any(g.requires_grad for _, g in pairs) or self._has_outer_inputs)
        on_tensors = record or any(levels_of(g) for _, g in pairs)  # mapped: one cotangent per sample of one result
        with no_grad() if on_tensors and not record else nullcontext():
            gradients = backward_pass(
                [(_node(result), g if on_tensors else g._data) for result, g in pairs],
                self._targets,
                retain_graph=True,
                wrap_saved=(wrap if record else _constant) if on_tensors else None,
            )
            return tree_map(
                lambda node: with_hidden_axes(as_gradient(gradients.get(node), node), self._levels[node]), self._nodes
            )

    @cached_property
    def _has_outer_inputs(self) -> bool:
        return _depends_on_outer_inputs(self.out, self._targets)


def to_tensors(x: Any) -> Any:
    """Convert a list of plain numbers to one tensor, and each leaf of any other pytree to a tensor."""
    if isinstance(x, Tensor):
        return x
    leaves = list(tree_leaves(x)) if isinstance(x, list | tuple) else []
    if leaves and all(isinstance(leaf, int | float) for leaf in leaves):
        return Tensor(x)
    return tree_map(lambda leaf: leaf if isinstance(leaf, Tensor) else Tensor(leaf), x)


def with_own_node(tensor: Tensor) -> Tensor:
    """Return a copy of an argument with its own node, at which the backward pass stops."""
    if not tensor.requires_grad:
        return with_levels_of(wrap(tensor._data, leaf(tensor._data), tensor._storage), tensor)
    with enable_grad():
        if isinstance(tensor, Mapped):  # a view: nothing writes to it
            return reshape(tensor, tensor.shape)
        copy: Tensor = identity(tensor)
        return copy


def _input(x: Tensor) -> Tensor:
    """Return an argument with its own node. Inside of `vmap` each sample has a gradient, and so a copy, of its own."""
    return with_own_node(spread(x, open_levels()))


def _node(x: Tensor) -> Node:
    assert x._node is not None
    return x._node


def _split_aux(result: Any) -> tuple[Any, Any]:
    if isinstance(result, tuple) and len(result) == 2:
        return result
    raise DTypeError(
        "has_aux=True: the function must return a pair (result, aux), got "
        f"{f'a tuple of {len(result)}' if isinstance(result, tuple) else f'a {type(result).__name__}'}."
    )


def _depends_on_outer_inputs(results: Any, targets: frozenset[Node]) -> bool:
    """Return whether results depend on tensors outside of the call: computed arguments, or leaves that f captured."""
    if any(target.op is not None for target in targets):
        return True
    roots = [x._node for x in tree_leaves(results) if isinstance(x, Tensor) and x._node is not None]
    stack, seen = [*roots, *targets], set(targets)
    while stack:
        node = stack.pop()
        if node.op is None and node not in targets:
            return True
        new = [parent for parent in node.parents if parent is not None and parent not in seen]
        seen.update(new)
        stack.extend(new)
    return False


def _detach(results: Any, targets: frozenset[Node]) -> Any:
    """Detach results, unless they depend on a tensor outside of the call that requires a gradient."""
    if is_grad_enabled() and _depends_on_outer_inputs(results, targets):
        return results
    return tree_map(lambda x: x.detach() if isinstance(x, Tensor) else x, results)


def _pair_cotangent(result: Any, g: Any) -> list[tuple[Tensor, Tensor]]:
    """Return a pair of a result and its cotangent, cast to its dtype, or no pair if the result has no graph."""
    if not isinstance(result, Tensor) or result._node is None:
        return []
    refuse_stale("the pullback", "result", result)
    cotangent = g if isinstance(g, Tensor) else Tensor(g, dtype=result.dtype)
    if cotangent.shape != result.shape:
        raise ShapeError(f"pullback: expected a cotangent of shape {result.shape}, got {cotangent.shape}.")
    cotangent = cotangent if cotangent.dtype == result.dtype else cotangent.astype(result.dtype)
    return [(result, _on_the_graph(cotangent, levels_of(result)))]


def _on_the_graph(g: Tensor, levels: tuple[Level, ...]) -> Tensor:
    """Return a cotangent of a value of these levels with their axes visible, as they are in the graph.

    The axes of other levels come first and stay hidden.
    """
    g = spread(g, levels)
    others = tuple(level for level in levels_of(g) if level not in levels)
    return with_levels(reordered(g, (*others, *levels)), others)


def with_hidden_axes(g: Tensor, levels: tuple[Level, ...]) -> Tensor:
    """Undo `_on_the_graph`: hide the axes of these levels of a gradient."""
    order = (*levels_of(g), *levels)
    nested = tuple(sorted(order, key=lambda level: level.number))
    return with_levels(reordered(with_levels(bare(g), order), nested), nested)


def _constant(array: Any, node: Any, storage: Any) -> Tensor:
    return wrap(array, None, storage)


def as_gradient(g: Any, node: Node) -> Tensor:
    """Return a gradient as a Tensor, or zeros if the result does not depend on the argument."""
    if isinstance(g, Tensor):
        copy: Tensor = identity(g)
        return copy
    return wrap(np.zeros(node.shape, node.dtype) if g is None else np.asarray(g), None, Storage.new(shared=True))
