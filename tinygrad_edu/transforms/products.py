"""vjp and jvp: products with the Jacobian that do not form it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.engine import Function, Tensor
from tinygrad_edu.shared.pytree import tree_map
from tinygrad_edu.transforms.linearize import Linearized

__all__ = ["jvp", "vjp"]


def vjp(f: Function, *args: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Return f(*args) and its pullback, which maps a cotangent of the result to the cotangents of the arguments.

    Parameters
    ----------
    f : callable
        Takes tensors and returns tensors; both may be nested.
    *args
        Floating-point arguments of f. A list of plain numbers is one tensor.
    has_aux : bool, default False
        Whether f returns a pair of the result and auxiliary data, which is not differentiated.

    Returns
    -------
    out
        The result of f: arrays if all arguments are arrays, Tensors otherwise.
    pullback : callable
        Takes a pytree with the structure of `out` and returns a tuple with the structure of `args`, with arrays in
        place of arrays. It can be called many times.
    aux
        With `has_aux`, the auxiliary data.

    Raises
    ------
    DTypeError
        f does not return a Tensor, or does not return a pair although `has_aux` is true.
    ShapeError
        Raised by the pullback: a cotangent does not have the shape or the structure of the result.

    Examples
    --------
    >>> out, pullback = vjp(lambda x, y: x * y, 3.0, 4.0)
    >>> [float(g) for g in pullback(1.0)]
    [4.0, 3.0]
    """
    call = Linearized(f, args, has_aux)

    def pullback(cotangents: Any) -> Any:
        return call.pullback(call.out, cotangents)

    out = call.detach(call.out)
    return (out, pullback, call.detach(call.aux)) if has_aux else (out, pullback)


def jvp(f: Function, args: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> tuple[Any, ...]:
    """Return f(*args) and its directional derivative: the Jacobian times `tangents`.

    The pullback is linear, so its own pullback is its transpose, and the transpose of a transposed Jacobian is the
    Jacobian (J. Townsend, "A new trick for calculating Jacobian vector products", 2017).

    Parameters
    ----------
    f : callable
        Takes tensors and returns tensors; both may be nested.
    args, tangents : sequence
        The arguments of f, and for each a direction of the same structure.
    has_aux : bool, default False
        Whether f returns a pair of the result and auxiliary data, which is not differentiated.

    Returns
    -------
    out, direction
        The result of f and its directional derivative, of the same structure.
    aux
        With `has_aux`, the auxiliary data.

    Examples
    --------
    >>> out, direction = jvp(lambda x: x * x, (3.0,), (1.0,))
    >>> float(out), float(direction)
    (9.0, 6.0)
    """
    call = Linearized(f, args, has_aux)
    out = call.detach(call.out)
    transposed = Linearized(lambda g: call.pullback(call.out, g), [tree_map(_zero_cotangent, out)], has_aux=False)
    (direction,) = transposed.pullback(transposed.out, tuple(tangents))
    return (out, direction, call.detach(call.aux)) if has_aux else (out, direction)


def _zero_cotangent(x: Any) -> Any:
    """Return zeros of the shape of a result: an array if the result is one, a Tensor otherwise."""
    dtype = getattr(x, "dtype", None)
    zeros = np.zeros(np.shape(x), dtype if dtype is not None and dtype.kind == "f" else np.float32)[()]
    return zeros if isinstance(x, np.ndarray | np.generic) else Tensor(zeros)
