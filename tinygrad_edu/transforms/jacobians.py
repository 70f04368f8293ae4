"""Jacobians and Hessians as wholes: a walk back for each element of the result."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.ops import reshape, stack
from tinygrad_edu.transforms.choosing import chosen
from tinygrad_edu.transforms.pulling import Called, Function, seed
from tinygrad_edu.transforms.trees import tree_map

__all__ = ["hessian", "jacobian"]


def jacobian(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """Return the function that computes the Jacobian of `f`: of shape out.shape + x.shape, for each tensor x.

    Parameters
    ----------
    f : callable
        Of floating-point tensors (in the positions `argnums`), to tensors; both may be nested.
    argnums : int or sequence of int
        Which arguments to differentiate by, each once; -1 is the last. Several give a tuple of Jacobians.
    has_aux : bool
        Whether f returns a pair: the result, and whatever else it is to return. Then ``(jacobian, aux)`` is returned.

    Returns
    -------
    callable
        What it returns is nested as the result is, and each tensor in that stands for a tuple, where `argnums` is a
        sequence, of nests like the arguments: ``jacobian(f, (0, 1))(x, y)["out"][1]["weight"]`` is the derivative of
        ``f(x, y)["out"]`` by ``y["weight"]``.

    Raises
    ------
    DTypeError
        For an f that is no function; when it is called, if f returns something else than tensors, or with `has_aux`
        no pair.
    ValueError
        When it is called, for a position that is out of range or named twice.

    Examples
    --------
    >>> jacobian(lambda x: x * x)([1.0, 2.0]).numpy()
    array([[2., 0.],
           [0., 4.]], dtype=float32)
    >>> by_x, by_y = jacobian(lambda x, y: {"product": x * y}, (0, 1))(2.0, 3.0)["product"]
    >>> float(by_x), float(by_y)
    (3.0, 2.0)
    """
    choose = chosen(f, argnums)

    def function(*args: Any, **settings: Any) -> Any:
        of_these, these = choose(args, settings)
        call = Called(of_these, these, has_aux)
        several = isinstance(argnums, Sequence)
        found = tree_map(lambda out: _derivatives(call, out) if several else _derivatives(call, out)[0], call.out)
        return (found, call.aux) if has_aux else found

    return function


def _derivatives(call: Called, out: Any) -> Any:
    """Return the derivatives of one tensor that was returned by all arguments."""
    if not isinstance(out, Tensor):
        raise DTypeError(
            f"jacobian: the function must return tensors, and returned a {type(out).__name__}. What is not to be "
            "differentiated it returns as the second of a pair, with has_aux=True."
        )
    basis = np.eye(out.size, dtype=out.dtype).reshape(out.size, *out.shape)
    rows = [call.pull(seed(out, direction)) for direction in basis] or [call.pull([])]
    return tree_map(lambda first, *rest: reshape(stack([first, *rest])[: out.size], out.shape + first.shape), *rows)


def hessian(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """Return the function that computes the Hessian of `f`: of shape out.shape + x.shape + x.shape.

    It is the Jacobian of the Jacobian, and `jacobian` says how that is nested: of a function to one number, by two
    tensors it is a tuple of two tuples, and by a dict of parameters a dict of dicts.

    Examples
    --------
    >>> hessian(lambda x: x[0] * x[0] * x[1])([3.0, 5.0]).numpy()
    array([[10.,  6.],
           [ 6.,  0.]], dtype=float32)
    >>> second = hessian(lambda p: p["a"] ** 2 * p["b"])({"a": 3.0, "b": 5.0})
    >>> float(second["a"]["a"]), float(second["a"]["b"]), float(second["b"]["b"])
    (10.0, 6.0, 0.0)
    """
    return jacobian(jacobian(f, argnums, has_aux), argnums, has_aux)
