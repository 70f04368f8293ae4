"""Functions of functions: gradients, products with Jacobians, and second derivatives. All stand on the one walk.

Arguments and results may be Tensors, arrays and numbers, and lists, tuples and dicts of them. What a transform returns
is recorded where somebody outside can ask for a gradient of it: ``grad(grad(f))`` is the second derivative, and
``.backward()`` goes through a gradient. Where nobody can, the rules run on bare arrays and nothing is kept.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.engine import (
    Node,
    Tensor,
    enable_grad,
    from_numpy,
    is_grad_enabled,
    leaf,
    refuse_stale,
    walk,
    wrap,
)
from tinygrad_edu.errors import DTypeError, NonScalarBackwardError, ShapeError
from tinygrad_edu.ops import reshape, stack
from tinygrad_edu.ops.shape import identity

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]

Function = Callable[..., Any]


def tree_map(function: Function, tree: Any, *others: Any) -> Any:
    """Apply `function` to each leaf of nested lists, tuples and dicts, and to the leaves at its place in `others`."""
    if isinstance(tree, dict):
        if any(not isinstance(other, dict) or other.keys() != tree.keys() for other in others):
            raise ShapeError(f"nested arguments differ: a dict of {sorted(tree)} stands beside {others}.")
        return {key: tree_map(function, tree[key], *(other[key] for other in others)) for key in tree}
    if isinstance(tree, list | tuple):
        if any(len(other) != len(tree) for other in others):
            raise ShapeError(f"nested arguments differ: {len(tree)} parts stand beside {others}.")
        parts = [tree_map(function, *parts) for parts in zip(tree, *others, strict=True)]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return function(tree, *others)


def tree_leaves(tree: Any) -> Iterator[Any]:
    """Yield the leaves of nested lists, tuples and dicts."""
    if isinstance(tree, dict | list | tuple):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from tree_leaves(part)
    else:
        yield tree


def _as_tensors(x: Any) -> Any:
    """Read nested lists of plain numbers as one tensor, and nests of tensors and arrays as several."""
    leaves = list(tree_leaves(x)) if isinstance(x, list | tuple) else []
    plain = leaves and all(isinstance(leaf, int | float) for leaf in leaves)
    return Tensor(x) if plain else tree_map(lambda leaf: leaf if isinstance(leaf, Tensor) else Tensor(leaf), x)


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


def _reaches_outside(roots: Iterable[Node], targets: frozenset[Node]) -> bool:
    """Whether results depend on tensors outside: an argument that was itself computed, or a captured leaf."""
    stack, seen = [*roots, *targets], set(targets)
    if any(target.op is not None for target in targets):
        return True
    while stack:
        node = stack.pop()
        if node.op is None and node not in targets:
            return True
        new = [parent for parent in node.parents if parent is not None and parent not in seen]
        seen.update(new)
        stack.extend(new)
    return False


def vjp(f: Function, *args: Any) -> tuple[Any, Function]:
    """Return f(*args) and its pullback: from a cotangent of the result to the cotangent of each argument.

    Parameters
    ----------
    f : callable
        Of tensors, to tensors; both may be nested.
    *args
        Floating point. A list of plain numbers is one tensor.

    Returns
    -------
    out
        What f returned.
    pullback : callable
        Of something shaped like `out`; returns a tuple shaped like `args`. May be called many times.

    Examples
    --------
    >>> out, pullback = vjp(lambda x, y: x * y, 3.0, 4.0)
    >>> [float(g) for g in pullback(1.0)]
    [4.0, 3.0]
    """
    inputs = tuple(tree_map(_input, _as_tensors(x)) for x in args)
    nodes = tree_map(_node, inputs)
    targets = frozenset(tree_leaves(nodes))
    with enable_grad():
        out = f(*inputs)
    roots = [x._node for x in tree_leaves(out) if isinstance(x, Tensor) and x._node is not None]
    outside = _reaches_outside(roots, targets)

    def pullback(cotangents: Any) -> Any:
        seeds: list[tuple[Tensor, Tensor]] = []
        tree_map(lambda result, g: seeds.extend(_seed(result, g)), out, cotangents)
        record = is_grad_enabled() and (outside or any(g.requires_grad for _, g in seeds))
        found = walk(
            [(_node(result), g if record else g._data) for result, g in seeds],
            targets,
            retain_graph=True,
            lift=wrap if record else None,
        )
        return tree_map(lambda node: _gradient(found.get(node), node), nodes)

    return tree_map(lambda x: _result(x, outside), out), pullback


def _result(x: Any, outside: bool) -> Any:
    """Cut a result off from the arguments, unless somebody outside can still ask for a gradient through them."""
    return x.detach() if isinstance(x, Tensor) and not (outside and is_grad_enabled()) else x


def _seed(result: Any, g: Any) -> list[tuple[Tensor, Tensor]]:
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
    return from_numpy(np.zeros(node.shape, node.dtype) if g is None else np.asarray(g))


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """Return a function that computes f and its gradient: of f's one-element result, by the arguments `argnums`.

    Examples
    --------
    >>> value, gradient = value_and_grad(lambda x: (x * x).sum())([1.0, 2.0])
    >>> float(value), gradient.numpy()
    (5.0, array([2., 4.], dtype=float32))
    """
    if isinstance(f, Tensor):
        raise DTypeError(
            "the gradient is taken of a function, and this is a Tensor: grad(f)(x) is the gradient of f at x. Of a "
            "Tensor y that was computed from x, y.backward() leaves it in x.grad."
        )
    one = not isinstance(argnums, Sequence)

    def function(*args: Any, **settings: Any) -> tuple[Any, Any]:
        positions = _positions([argnums] if one else argnums, len(args))

        def of_selected(*selected: Any) -> Any:
            replaced = list(args)
            for position, x in zip(positions, selected, strict=True):
                replaced[position] = x
            return f(*replaced, **settings)

        out, pullback = vjp(of_selected, *(args[i] for i in positions))
        if not isinstance(out, Tensor) or out.size != 1:
            raise NonScalarBackwardError(
                f"the gradient is taken of a function to one number; this one returned {out!r}. Use jacobian or vjp."
            )
        gradients = pullback(np.ones(out.shape, out.dtype))
        return out, gradients[0] if one else gradients

    return function


def _positions(argnums: Any, count: int) -> list[int]:
    """Return which of `count` arguments are meant, each once; as in Python, -1 is the last."""
    for i in argnums:
        if not isinstance(i, int | np.integer) or not -count <= i < count:
            raise ValueError(
                f"argnums: {i!r} is no position of an argument: the function was called with {count}, and positions go "
                f"from {-count} to {count - 1}. Arguments given by name are not differentiated by."
            )
    positions = [int(i) % count for i in argnums]
    if len(set(positions)) < len(positions):
        raise ValueError(f"argnums: {argnums!r} names an argument twice, and its gradient would be in one place only.")
    return positions


def grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """Return the function that computes the gradient of `f`, which returns one number.

    Parameters
    ----------
    f : callable
        Of floating-point tensors (in the positions `argnums`), to a tensor of one element.
    argnums : int or sequence of int
        Which arguments to differentiate by, each once; -1 is the last. Several give a tuple of gradients.

    Raises
    ------
    ValueError
        When it is called, for a position that is out of range or named twice.
    NonScalarBackwardError
        When it is called, if f does not return a tensor of one element.

    Examples
    --------
    >>> cube = lambda x: x**3
    >>> float(grad(cube)(2.0)), float(grad(grad(cube))(2.0)), float(grad(grad(grad(cube)))(2.0))
    (12.0, 12.0, 6.0)
    """
    both = value_and_grad(f, argnums)
    return lambda *args, **settings: both(*args, **settings)[1]


def jvp(f: Function, args: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return f(*args) and its directional derivative: the Jacobian times `tangents`.

    The pullback is linear, so its own pullback is its transpose, and the transpose of a transposed Jacobian is the
    Jacobian (J. Townsend, "A new trick for calculating Jacobian vector products", 2017).

    Examples
    --------
    >>> out, direction = jvp(lambda x: x * x, (3.0,), (1.0,))
    >>> float(out), float(direction)
    (9.0, 6.0)
    """
    out, pullback = vjp(f, *args)
    _, transposed = vjp(pullback, tree_map(_zero_cotangent, out))
    (direction,) = transposed(tuple(_as_tensors(t) for t in tangents))
    return out, direction


def _zero_cotangent(x: Any) -> Tensor:
    dtype = getattr(x, "dtype", None)
    return Tensor(np.zeros(np.shape(x), dtype if dtype is not None and dtype.kind == "f" else np.float32))


def hvp(f: Function, x: Any, v: Any) -> Any:
    """Return the Hessian of `f` at `x` times `v`, without forming the Hessian.

    Examples
    --------
    >>> hvp(lambda x: (x * x * x).sum(), [1.0, 2.0], [1.0, 1.0]).numpy()
    array([ 6., 12.], dtype=float32)
    """
    _, pullback = vjp(grad(f), x)
    (product,) = pullback(_as_tensors(v))
    return product


def jacobian(f: Function, argnums: int = 0) -> Function:
    """Return the function that computes the Jacobian of `f`: of shape out.shape + x.shape, for each tensor x.

    Examples
    --------
    >>> jacobian(lambda x: x * x)([1.0, 2.0]).numpy()
    array([[2., 0.],
           [0., 4.]], dtype=float32)
    """

    def function(*args: Any, **settings: Any) -> Any:
        (position,) = _positions([argnums], len(args))

        def of_one(x: Any) -> Any:
            replaced = list(args)
            replaced[position] = x
            return f(*replaced, **settings)

        out, pullback = vjp(of_one, args[position])
        if not isinstance(out, Tensor):
            raise DTypeError(f"jacobian: the function must return one tensor, and returned a {type(out).__name__}.")
        basis = np.eye(out.size, dtype=out.dtype).reshape(out.size, *out.shape)
        rows = [pullback(direction)[0] for direction in basis] or [pullback(np.zeros(out.shape, out.dtype))[0]]
        return tree_map(lambda first, *rest: reshape(stack([first, *rest])[: out.size], out.shape + first.shape), *rows)

    return function


def hessian(f: Function, argnums: int = 0) -> Function:
    """Return the function that computes the Hessian of `f`, which returns one number: of shape x.shape + x.shape.

    Examples
    --------
    >>> hessian(lambda x: x[0] * x[0] * x[1])([3.0, 5.0]).numpy()
    array([[10.,  6.],
           [ 6.,  0.]], dtype=float32)
    """
    return jacobian(grad(f, argnums), argnums)
