"""Linearized: one recorded call of a function, and its pullback. All transforms use it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import nullcontext
from contextvars import ContextVar
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_edu.core import checks
from tinygrad_edu.engine import (
    ArgumentNode,
    Function,
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
    reordered,
    share,
    spread,
    with_levels,
    with_levels_of,
    wrap,
)
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.ops.shapes.shape import identity, reshape
from tinygrad_edu.shared.pytree import tree_leaves, tree_map

ARRAYS = (np.ndarray, np.generic)  # a gradient by one of these is one of these
_is_transforming: ContextVar[bool] = ContextVar("tinygrad_edu_is_transforming", default=False)
_active_arguments: set[Node] = set()  # of all calls of transformed functions that have not returned


class Linearized:
    """One recorded call of a function, which maps cotangents of its result to cotangents of its arguments.

    The parameters are those of `vjp`.

    Attributes
    ----------
    out, aux
        The recorded result of f, and its auxiliary data.
    """

    out: Any
    aux: Any

    def __init__(self, f: Function, args: Iterable[Any], has_aux: bool) -> None:
        self._types: dict[Node, type[Any]] = {}  # of the arguments, as the caller gave them
        self._levels: dict[Node, tuple[Level, ...]] = {}
        inputs = tuple(tree_map(self._input, join_numbers(x)) for x in args)
        self._nodes = tree_map(_node, inputs)
        self._targets = frozenset(self._types)
        with enable_grad(), active(self._targets):
            result = f(*inputs)
        self.out, self.aux = _split_aux(result) if has_aux else (result, None)
        _require_tensors(self.out)

    def _input(self, x: Any) -> Tensor:
        """Return an argument with its own node. Inside of `vmap`, each sample has a copy and a gradient of its own."""
        tensor = with_own_node(spread(x if isinstance(x, Tensor) else Tensor(x), open_levels()), ArgumentNode)
        node = _node(tensor)
        self._types[node], self._levels[node] = type(x), levels_of(tensor)
        return tensor

    def pullback(self, out: Any, cotangents: Any) -> Any:
        """Return the cotangents of the arguments for cotangents of `out`, the recorded result or a part of it.

        The cotangent of an array is an array, unless a gradient can flow through it.
        """
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
            return tree_map(lambda node: self._gradient(node, gradients.get(node)), self._nodes)

    def _gradient(self, node: Node, g: Any) -> Any:
        """Return the gradient of an argument that a backward pass found, None for zeros, for the caller."""
        return self._like_argument(node, with_hidden_axes(as_gradient(g, node), self._levels[node]))

    def like_arguments(self, gradients: Any) -> Any:
        """Return gradients, or stacks of them, as arrays where the arguments are arrays."""
        return tree_map(self._like_argument, self._nodes, gradients)

    def _like_argument(self, node: Node, gradient: Any) -> Any:
        given = self._types[node]
        if not (isinstance(gradient, Tensor) and issubclass(given, ARRAYS)) or is_in_outer_transform():
            return gradient
        if gradient.requires_grad and _depends_on_outer_inputs(gradient, self._targets):
            return gradient
        return gradient._data if issubclass(given, np.ndarray) else gradient._data[()]

    def detach(self, results: Any) -> Any:
        """Return `out` or `aux` for the caller: arrays if all arguments are arrays, and detached Tensors otherwise.

        A Tensor through which a gradient can flow stays as it is.
        """
        is_attached = is_grad_enabled() and (
            self._has_outer_inputs if results is self.out else _depends_on_outer_inputs(results, self._targets)
        )
        got_arrays = bool(self._types) and all(issubclass(given, ARRAYS) for given in self._types.values())
        gives_arrays = got_arrays and not is_in_outer_transform()

        def detached(x: Any) -> Any:
            if not isinstance(x, Tensor):
                return x
            if gives_arrays and not (is_attached and _depends_on_outer_inputs(x, self._targets)):
                return np.array(x._data)[()]  # a copy, since a vjp may have saved the values
            return x if is_attached else x.detach()

        return tree_map(detached, results)

    @cached_property
    def _has_outer_inputs(self) -> bool:
        return _depends_on_outer_inputs(self.out, self._targets)


class active:  # noqa: N801 (used like a function)
    """Call a function to differentiate: gradients flow to its arguments, and transforms inside return Tensors."""

    __slots__ = ("_arguments", "_token")

    def __init__(self, arguments: Collection[Node]) -> None:
        self._arguments = arguments

    def __enter__(self) -> None:
        self._token = _is_transforming.set(True)
        _active_arguments.update(self._arguments)

    def __exit__(self, *error: object) -> None:
        _active_arguments.difference_update(self._arguments)
        _is_transforming.reset(self._token)


def is_active(node: Node) -> bool:
    """Return whether a gradient can flow to a leaf: it is no argument of a function that has returned."""
    return not isinstance(node, ArgumentNode) or node in _active_arguments


def is_in_outer_transform() -> bool:
    """Return whether an outer transform calls this one. Then all results are Tensors, as its function expects."""
    return bool(open_levels()) or (_is_transforming.get() and is_grad_enabled())


def join_numbers(x: Any) -> Any:
    """Return a list of Python numbers as one Tensor, and any other pytree unchanged."""
    leaves = list(tree_leaves(x)) if isinstance(x, list | tuple) else []
    is_plain = leaves and all(isinstance(leaf, int | float) and not isinstance(leaf, np.generic) for leaf in leaves)
    return Tensor(x) if is_plain else x


def with_own_node(tensor: Tensor, kind: type[Node] = Node) -> Tensor:
    """Return a copy of an argument with its own node, at which the backward pass stops."""
    if not tensor.requires_grad:
        return with_levels_of(wrap(tensor._data, leaf(tensor._data, kind), tensor._storage), tensor)
    with enable_grad():
        # Inside of vmap a view is enough: nothing writes to it.
        own: Tensor = reshape(tensor, tensor.shape) if isinstance(tensor, Mapped) else identity(tensor)
        return own


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


def _require_tensors(out: Any) -> None:
    """Raise if no part of the result is a Tensor, so that its gradient is lost."""
    leaves = list(tree_leaves(out))
    if out is None or (leaves and not any(isinstance(x, Tensor) for x in leaves)):
        raise no_gradient(
            f"only values of type {type(leaves[0]).__name__}, which have no gradient" if leaves else "None"
        )


def no_gradient(got: str) -> DTypeError:
    """Return the error for a function whose result has no gradient."""
    return DTypeError(
        f"the function to differentiate must return a Tensor, got {got}. Compute the result with ops: leave out "
        f"float(), .item(), .numpy() and comparisons."
    )


def _depends_on_outer_inputs(results: Any, targets: frozenset[Node]) -> bool:
    """Return whether results depend on tensors outside of the call: computed arguments, or leaves that f captured.

    The arguments of a transform count until its function has returned.
    """
    if any(target.op is not None for target in targets):
        return True
    roots = [x._node for x in tree_leaves(results) if isinstance(x, Tensor) and x._node is not None]
    stack, seen = [*roots, *targets], set(targets)
    while stack:
        node = stack.pop()
        if node.op is None and node not in targets and is_active(node):
            return True
        new = [parent for parent in node.parents.values() if parent not in seen]
        seen.update(new)
        stack.extend(new)
    return False


def _pair_cotangent(result: Any, g: Any) -> list[tuple[Tensor, Tensor]]:
    """Return a pair of a result and its cotangent, cast to its dtype, or no pair if the result has no graph."""
    if not isinstance(result, Tensor) or result._node is None:
        return []
    checks.unchanged("the pullback", "result", result)
    cotangent = g if isinstance(g, Tensor) else Tensor(g, dtype=result.dtype)
    if cotangent.shape != result.shape:
        raise ShapeError(f"pullback: expected a cotangent of shape {result.shape}, got {cotangent.shape}.")
    cotangent = cotangent if cotangent.dtype == result.dtype else cotangent.astype(result.dtype)
    return [(result, _on_the_graph(cotangent, levels_of(result)))]


def _on_the_graph(g: Tensor, levels: tuple[Level, ...]) -> Tensor:
    """Return a cotangent of a value of these levels with their axes visible, as they are in the graph.

    The axes of other levels come first and stay hidden.
    """
    if levels_of(g) == levels:
        return bare(g)
    g = spread(g, levels)
    others = tuple(level for level in levels_of(g) if level not in levels)
    return with_levels(reordered(g, (*others, *levels)), others)


def with_hidden_axes(g: Tensor, levels: tuple[Level, ...]) -> Tensor:
    """Undo `_on_the_graph`: hide the axes of these levels of a gradient."""
    order = (*levels_of(g), *levels)
    if not order:
        return g
    nested = tuple(sorted(order, key=lambda level: level.number))
    return with_levels(reordered(with_levels(bare(g), order), nested), nested)


def _constant(array: Any, node: Any, storage: Any) -> Tensor:
    return wrap(array, None, storage)


def as_gradient(g: Any, node: Node) -> Tensor:
    """Return a gradient as a Tensor, or zeros if the result does not depend on the argument."""
    if isinstance(g, Tensor):
        copy: Tensor = identity(g)
        return copy
    return wrap(np.zeros(node.shape, node.dtype) if g is None else np.asarray(g), None, share(Storage()))
