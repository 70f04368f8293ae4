"""jacobian and hessian: full matrices, by backward passes for many elements of the result at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.engine import Function, Tensor, warn_of_a_loop
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.ops import concatenate, reshape, stack
from tinygrad_edu.shared.pytree import tree_map
from tinygrad_edu.transforms.argnums import require_function, select_argnums
from tinygrad_edu.transforms.linearize import Linearized
from tinygrad_edu.transforms.vmap import vmap

__all__ = ["hessian", "jacobian"]

# Rows of a Jacobian that are computed at once: more would take more memory, and little less time.
_CHUNK_LENGTH = 256


def jacobian(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """Return a function that computes the Jacobian of `f`, of shape ``out.shape + x.shape`` for each tensor x.

    Parameters
    ----------
    f : callable
        Takes floating-point tensors at `argnums` and returns tensors; both may be nested.
    argnums : int or sequence of int, default 0
        Arguments to differentiate with respect to; negative indices count from the end. A sequence gives a tuple of
        Jacobians.
    has_aux : bool, default False
        Whether f returns a pair of the result and auxiliary data. If so, the function returns ``(jacobian, aux)``.

    Returns
    -------
    callable
        It returns the pytree of the result, with each tensor replaced by the argument's pytree of derivatives, or by a
        tuple of such pytrees if `argnums` is a sequence: ``jacobian(f, (0, 1))(x, y)["out"][1]["weight"]`` is the
        derivative of ``f(x, y)["out"]`` with respect to ``y["weight"]``.

    Raises
    ------
    DTypeError
        f is not callable. The returned function raises it if f does not return tensors, or does not return a pair
        although `has_aux` is true.
    ValueError
        Raised by the returned function: `argnums` has a position that is out of range or occurs twice.

    Examples
    --------
    >>> jacobian(lambda x: x * x)([1.0, 2.0]).numpy()
    array([[2., 0.],
           [0., 4.]], dtype=float32)
    >>> by_x, by_y = jacobian(lambda x, y: {"product": x * y}, (0, 1))(2.0, 3.0)["product"]
    >>> float(by_x), float(by_y)
    (3.0, 2.0)
    """
    require_function(f)

    def function(*args: Any, **kwargs: Any) -> Any:
        call = Linearized(*select_argnums(f, argnums, args, kwargs), has_aux)
        is_sequence = isinstance(argnums, Sequence)
        jacobians = tree_map(
            lambda out: _jacobian_of_output(call, out) if is_sequence else _jacobian_of_output(call, out)[0], call.out
        )
        return (jacobians, call.detach(call.aux)) if has_aux else jacobians

    return function


def _jacobian_of_output(call: Linearized, out: Any) -> Any:
    """Return the Jacobian of one output tensor with respect to all arguments."""
    if not isinstance(out, Tensor):
        raise DTypeError(
            f"jacobian: the function must return tensors, got a {type(out).__name__}. Return auxiliary data as the "
            "second element of a pair, with has_aux=True."
        )
    if not out.size:
        return tree_map(lambda x: reshape(x[None][:0], out.shape + x.shape), call.pullback(None, None))
    basis = np.eye(out.size, dtype=out.dtype).reshape(out.size, *out.shape)
    chunks = [basis[start : start + _CHUNK_LENGTH] for start in range(0, out.size, _CHUNK_LENGTH)]
    rows = [_rows(call, out, directions) for directions in chunks]
    joined = tree_map(lambda *parts: reshape(concatenate(parts), out.shape + parts[0].shape[1:]), *rows)
    return call.like_arguments(joined)


def _rows(call: Linearized, out: Tensor, directions: Any) -> Any:
    """Return the cotangents of the arguments for each direction, stacked."""
    try:
        return vmap(lambda g: call.pullback(out, g))(Tensor(directions))
    except Exception:  # a vjp that reads values, or is not written for Tensors; the loop raises any other error again
        warn_of_a_loop("the pullback of a function")
        return tree_map(lambda *rows: stack(rows), *(call.pullback(out, g) for g in directions))


def hessian(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """Return a function that computes the Hessian of `f`, of shape ``out.shape + x.shape + x.shape``.

    It is the Jacobian of the Jacobian, with the same nesting: a tuple of two tuples for two tensors, a dict of dicts
    for a dict of parameters.

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
