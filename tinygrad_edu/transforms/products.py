"""Products with Jacobians, without the Jacobian: from the left, which is the walk, and from the right."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.engine import Tensor
from tinygrad_edu.transforms.pulling import Called, Function, Seeds, seed
from tinygrad_edu.transforms.trees import as_tensors, tree_map

__all__ = ["jvp", "vjp"]


def vjp(f: Function, *args: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Return f(*args) and its pullback: from a cotangent of the result to the cotangent of each argument.

    Parameters
    ----------
    f : callable
        Of tensors, to tensors; both may be nested.
    *args
        Floating point. A list of plain numbers is one tensor.
    has_aux : bool
        Whether f returns a pair: the result, and whatever else it is to return, which is not differentiated.

    Returns
    -------
    out
        What f returned.
    pullback : callable
        Of something shaped like `out`; returns a tuple shaped like `args`. May be called many times.
    aux
        With `has_aux`, the rest of what f returned.

    Raises
    ------
    DTypeError
        With `has_aux`, f does not return a pair.
    ShapeError
        From the pullback, for a cotangent that is not shaped like the result.

    Examples
    --------
    >>> out, pullback = vjp(lambda x, y: x * y, 3.0, 4.0)
    >>> [float(g) for g in pullback(1.0)]
    [4.0, 3.0]
    """
    call = Called(f, args, has_aux)

    def pullback(cotangents: Any) -> Any:
        seeds: Seeds = []
        tree_map(lambda result, g: seeds.extend(seed(result, g)), call.out, cotangents)
        return call.pull(seeds)

    return (call.result, pullback, call.aux) if has_aux else (call.result, pullback)


def jvp(f: Function, args: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> tuple[Any, ...]:
    """Return f(*args) and its directional derivative: the Jacobian times `tangents`; with `has_aux` also the rest.

    The pullback is linear, so its own pullback is its transpose, and the transpose of a transposed Jacobian is the
    Jacobian (J. Townsend, "A new trick for calculating Jacobian vector products", 2017).

    Parameters
    ----------
    f, has_aux
        As in `vjp`.
    args, tangents : sequence
        The arguments, and for each a direction, shaped like it.

    Returns
    -------
    out, direction
        Both shaped like what f returns.
    aux
        With `has_aux`, the rest of what f returned.

    Examples
    --------
    >>> out, direction = jvp(lambda x: x * x, (3.0,), (1.0,))
    >>> float(out), float(direction)
    (9.0, 6.0)
    """
    out, pullback, *aux = vjp(f, *args, has_aux=has_aux)
    _, transposed = vjp(pullback, tree_map(_zero_cotangent, out))
    (direction,) = transposed(tuple(as_tensors(t) for t in tangents))
    return (out, direction, *aux)


def _zero_cotangent(x: Any) -> Tensor:
    dtype = getattr(x, "dtype", None)
    return Tensor(np.zeros(np.shape(x), dtype if dtype is not None and dtype.kind == "f" else np.float32))
