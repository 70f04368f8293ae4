"""Functions of functions: gradients, products with Jacobians, and second derivatives. All stand on the one walk.

Arguments and results may be Tensors, arrays and numbers, and lists, tuples and dicts of them. While gradients are
recorded, so is what a transform returns: ``grad(grad(f))`` is the second derivative, and ``.backward()`` goes through
a gradient. Under `no_grad` only the values are computed, on bare arrays, and nothing is kept.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.engine import Node, Tensor, enable_grad, from_numpy, is_grad_enabled, leaf, walk, wrap
from tinygrad_edu.errors import NonScalarBackwardError, ShapeError
from tinygrad_edu.ops import reshape, stack
from tinygrad_edu.ops.shape import identity

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]

Function = Callable[..., Any]


def tree_map(function: Function, tree: Any, *others: Any) -> Any:
    """Apply `function` to each leaf of nested lists, tuples and dicts, and to the leaves at its place in `others`."""
    if isinstance(tree, dict):
        return {key: tree_map(function, tree[key], *(other[key] for other in others)) for key in tree}
    if isinstance(tree, list | tuple):
        if any(len(other) != len(tree) for other in others):
            raise ShapeError(f"nested arguments of {len(tree)} and of {[len(other) for other in others]} parts.")
        return type(tree)([tree_map(function, *parts) for parts in zip(tree, *others, strict=True)])
    return function(tree, *others)


def tree_leaves(tree: Any) -> Iterator[Any]:
    """Yield the leaves of nested lists, tuples and dicts."""
    if isinstance(tree, dict | list | tuple):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from tree_leaves(part)
    else:
        yield tree


def _input(x: Any) -> Tensor:
    """Give an argument a node of its own, which the walk can stop at; what it was computed from stays behind it."""
    tensor = x if isinstance(x, Tensor) else Tensor(x)
    if tensor.requires_grad:
        with enable_grad():
            result: Tensor = identity(tensor)
            return result
    return wrap(tensor.data, leaf(tensor.data), tensor._cell)


def _unrecorded(x: Any) -> Any:
    return x.detach() if isinstance(x, Tensor) and not is_grad_enabled() else x


def _node(x: Tensor) -> Node:
    assert x._node is not None
    return x._node


def vjp(f: Function, *args: Any) -> tuple[Any, Function]:
    """Return f(*args) and its pullback: from a cotangent of the result to the cotangent of each argument.

    Parameters
    ----------
    f : callable
        Of tensors, to tensors; both may be nested.
    *args
        Floating point.

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
    inputs = tree_map(_input, args)
    with enable_grad():
        out = f(*inputs)
    targets = frozenset(_node(x) for x in tree_leaves(inputs))

    def pullback(cotangents: Any) -> Any:
        record = is_grad_enabled()
        seeds: list[tuple[Node, Any]] = []
        tree_map(lambda result, g: seeds.extend(_seed(result, g, record)), out, cotangents)
        found = walk(seeds, targets, retain_graph=True, create_graph=record)
        return tree_map(lambda x: _gradient(found, x), inputs)

    return tree_map(_unrecorded, out), pullback


def _seed(result: Any, g: Any, record: bool) -> list[tuple[Node, Any]]:
    if not isinstance(result, Tensor) or result._node is None:
        return []
    cotangent = g if isinstance(g, Tensor) else Tensor(g, dtype=result.dtype)
    if cotangent.shape != result.shape:
        raise ShapeError(f"a cotangent of shape {cotangent.shape} for a result of shape {result.shape}.")
    return [(result._node, cotangent if record else cotangent.data)]


def _gradient(found: dict[Node, Any], x: Tensor) -> Tensor:
    g = found.get(_node(x))
    if g is None:
        return from_numpy(np.zeros(x.shape, x.dtype))
    return g if isinstance(g, Tensor) else from_numpy(g)


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """Return a function that computes f and its gradient: of f's one-element result, by the arguments `argnums`.

    Examples
    --------
    >>> value, gradient = value_and_grad(lambda x: (x * x).sum())([1.0, 2.0])
    >>> float(value), gradient.numpy()
    (5.0, array([2., 4.], dtype=float32))
    """

    def function(*args: Any) -> tuple[Any, Any]:
        positions = [argnums] if isinstance(argnums, int) else list(argnums)

        def of_selected(*selected: Any) -> Any:
            replaced = list(args)
            for position, x in zip(positions, selected, strict=True):
                replaced[position] = x
            return f(*replaced)

        out, pullback = vjp(of_selected, *(_as_tensors(args[i]) for i in positions))
        if not isinstance(out, Tensor) or out.size != 1:
            raise NonScalarBackwardError(
                f"the gradient is taken of a function to one number; this one returned {out!r}. Use jacobian or vjp."
            )
        gradients = pullback(np.ones(out.shape, out.dtype))
        return out, gradients[0] if isinstance(argnums, int) else gradients

    return function


def _as_tensors(x: Any) -> Any:
    """Read a plain list of numbers as one tensor, and a list of tensors or arrays as several."""
    plain = isinstance(x, list | tuple) and all(isinstance(leaf, int | float) for leaf in tree_leaves(x))
    return Tensor(x) if plain else x


def grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """Return the function that computes the gradient of `f`, which returns one number.

    Parameters
    ----------
    f : callable
        Of floating-point tensors (in the positions `argnums`), to a tensor of one element.
    argnums : int or sequence of int
        Which arguments to differentiate by; several give a tuple of gradients.

    Examples
    --------
    >>> cube = lambda x: x**3
    >>> float(grad(cube)(2.0)), float(grad(grad(cube))(2.0)), float(grad(grad(grad(cube)))(2.0))
    (12.0, 12.0, 6.0)
    """
    both = value_and_grad(f, argnums)
    return lambda *args: both(*args)[1]


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
    with enable_grad():
        out, pullback = vjp(f, *args)
        zeros = tree_map(lambda x: Tensor(np.zeros(x.shape, x.dtype)), out)
        _, transposed = vjp(pullback, zeros)
    (direction,) = transposed(tuple(tangents))
    return tree_map(_unrecorded, out), direction


def hvp(f: Function, x: Any, v: Any) -> Any:
    """Return the Hessian of `f` at `x` times `v`, without forming the Hessian.

    Examples
    --------
    >>> hvp(lambda x: (x * x * x).sum(), [1.0, 2.0], [1.0, 1.0]).numpy()
    array([ 6., 12.], dtype=float32)
    """
    with enable_grad():
        _, pullback = vjp(grad(f), _as_tensors(x))
    (product,) = pullback(v)
    return product


def jacobian(f: Function, argnums: int = 0) -> Function:
    """Return the function that computes the Jacobian of `f`: of shape out.shape + x.shape, for each tensor x.

    Examples
    --------
    >>> jacobian(lambda x: x * x)([1.0, 2.0]).numpy()
    array([[2., 0.],
           [0., 4.]], dtype=float32)
    """

    def function(*args: Any) -> Any:
        def of_one(x: Any) -> Any:
            return f(*args[:argnums], x, *args[argnums + 1 :])

        x = _as_tensors(args[argnums])
        out, pullback = vjp(of_one, x)
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
