"""A function called once, and the way back through what it did: what every transform is made of."""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_edu.engine import (
    Cell,
    Node,
    Tensor,
    backward_pass,
    enable_grad,
    is_grad_enabled,
    leaf,
    refuse_stale,
    wrap,
)
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.ops.shape import identity
from tinygrad_edu.transforms.trees import as_tensors, tree_leaves, tree_map

__all__ = ["Called", "Function", "Seeds", "seed"]

Function = Callable[..., Any]
Seeds = list[tuple[Tensor, Tensor]]


class Called:
    """One call of a function, recorded: its result, and the cotangents that its arguments get from those of results.

    Parameters
    ----------
    f : callable
        Of tensors, to tensors; both may be nested.
    args : sequence
        Floating point. A list of plain numbers is one tensor.
    has_aux : bool
        Whether f returns a pair, of which only the first is differentiated.

    Attributes
    ----------
    out
        What f returned, as it was recorded: what to pull from.
    result, aux
        What f returned, and the rest, for the caller: without the record, where nobody outside can ask for it.
    """

    def __init__(self, f: Function, args: Iterable[Any], has_aux: bool) -> None:
        inputs = tuple(tree_map(_input, as_tensors(x)) for x in args)
        self._nodes = tree_map(_node, inputs)
        self._targets = frozenset[Node](tree_leaves(self._nodes))
        with enable_grad():
            result = f(*inputs)
        self.out, aux = _pair(result) if has_aux else (result, None)
        self.result, self.aux = (_cut(part, self._targets) for part in (self.out, aux))

    def pull(self, seeds: Seeds) -> Any:
        """Return the cotangents of the arguments, as a tuple of them, from pairs of a result and its cotangent."""
        record = is_grad_enabled() and (any(g.requires_grad for _, g in seeds) or self._outside)
        found = backward_pass(
            [(_node(result), g if record else g._data) for result, g in seeds],
            self._targets,
            retain_graph=True,
            wrap_saved=wrap if record else None,
        )
        return tree_map(lambda node: _gradient(found.get(node), node), self._nodes)

    @cached_property
    def _outside(self) -> bool:
        return _reaches_outside(self.out, self._targets)


def _input(tensor: Tensor) -> Tensor:
    """Give an argument a node of its own, which the walk can stop at; what it was computed from stays behind it."""
    if not tensor.requires_grad:
        return wrap(tensor._data, leaf(tensor._data), tensor._cell)
    with enable_grad():
        copy: Tensor = identity(tensor)
        return copy


def _node(x: Tensor) -> Node:
    assert x._node is not None
    return x._node


def _pair(result: Any) -> tuple[Any, Any]:
    if isinstance(result, tuple) and len(result) == 2:
        return result
    raise DTypeError(
        "has_aux=True: the function returns a pair, the result to differentiate and the rest; this one returned "
        f"{f'a tuple of {len(result)}' if isinstance(result, tuple) else f'a {type(result).__name__}'}."
    )


def _reaches_outside(results: Any, targets: frozenset[Node]) -> bool:
    """Whether results depend on tensors outside: an argument that was itself computed, or a captured leaf."""
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


def _cut(results: Any, targets: frozenset[Node]) -> Any:
    """Cut results off from the arguments, unless somebody outside can still ask for a gradient through them."""
    if is_grad_enabled() and _reaches_outside(results, targets):
        return results
    return tree_map(lambda x: x.detach() if isinstance(x, Tensor) else x, results)


def seed(result: Any, g: Any) -> Seeds:
    """Pair a result with its cotangent, in its shape and dtype; a result that does not depend on the arguments not."""
    if not isinstance(result, Tensor) or result._node is None:
        return []
    refuse_stale("the pullback", "result", result)
    cotangent = g if isinstance(g, Tensor) else Tensor(g, dtype=result.dtype)
    if cotangent.shape != result.shape:
        raise ShapeError(f"a cotangent of shape {cotangent.shape} for a result of shape {result.shape}.")
    return [(result, cotangent if cotangent.dtype == result.dtype else cotangent.astype(result.dtype))]


def _gradient(g: Any, node: Node) -> Tensor:
    """Return a gradient in memory of its own; zeros where the result does not depend on the argument."""
    if isinstance(g, Tensor):
        copy: Tensor = identity(g)
        return copy
    return wrap(np.zeros(node.shape, node.dtype) if g is None else np.asarray(g), None, Cell.new(shared=True))
