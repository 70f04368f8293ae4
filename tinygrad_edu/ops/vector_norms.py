"""Norms of vectors and matrices: how long they are."""

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_edu.engine import Array, op, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.arithmetic import abs, sign
from tinygrad_edu.ops.axes import Axis, kept_shape, plain_axes, reduced_count
from tinygrad_edu.ops.choosing import keep, where
from tinygrad_edu.ops.powers import power
from tinygrad_edu.ops.reduction import as_floating, max, min, sum
from tinygrad_edu.ops.shape import reshape, squeeze

__all__ = ["norm"]


@op
def p_norm(x: Array, /, ord: float, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return sum(abs(x) ** ord) ** (1 / ord) over `axis`, for any `ord` but 0 and the infinities.

    The element that decides on the size of the sum is taken out first, so that nothing overflows; for ord=2 the power
    of two below it, which changes no digit.
    """
    axes, size = plain_axes(axis), np.abs(x)
    top = size.max(axes, keepdims=True, initial=0) if ord > 0 else size.min(axes, keepdims=True, initial=np.inf)
    scale = np.ldexp(np.ones((), x.dtype), np.frexp(top)[1] - 1) if ord == 2 else top
    scale = np.where(np.isfinite(top) & (top > 0), scale, np.ones((), x.dtype))
    with np.errstate(divide="ignore", over="ignore"):  # of negative powers: 0 is infinite and decides, inf is 0
        total = np.sum((size / scale) ** ord, axes, keepdims=True, dtype=np.result_type(x.dtype, np.float32))
        out = (total ** (1 / ord)).astype(x.dtype, copy=False) * scale
    return out if keepdims else out.squeeze(axes)


def _p_norm_x(g: Any, x: Any, out: Any, ord: float, axis: Axis) -> Any:
    """Return g * sign(x) * (abs(x) / out) ** (ord - 1). It is 0 where `out` is, and but for ord=2, where x is."""
    kept = kept_shape(x.shape, axis)
    out = reshape(out, kept)
    ratio = x / where(out == 0, 1.0, out)
    if ord == 2:
        return reshape(g, kept) * keep(ratio, out != 0)
    alive = (x != 0) & (out != 0)
    return reshape(g, kept) * sign(x) * keep(power(where(alive, abs(ratio), 1.0), ord - 1), alive)


p_norm.vjps(x=_p_norm_x)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Return a norm of vectors or matrices. Where it is 0, its derivative is 0, as in PyTorch, at every order.

    Parameters
    ----------
    x : array_like
    ord : number, inf, -inf, "fro", optional
        Of vectors: 2 unless given; 1, inf and -inf for the sum, the greatest and the smallest of the absolute values,
        0 for how many are not 0, and any other p for ``sum(abs(x) ** p) ** (1 / p)``. Of matrices: "fro", the root of
        all squares, unless given; 1 and -1 for the greatest and the smallest sum of absolute values of a column, inf
        and -inf of a row.
    axis : int, or two of them, optional
        One is an axis of vectors, two are the rows and columns of matrices. Without it x is a vector or a matrix, or,
        without `ord`, is taken as one vector.
    keepdims : bool

    Raises
    ------
    ValueError
        For an order that these axes do not have.

    Notes
    -----
    With an order that is not 2, an element that is 0 has the derivative 0, as in PyTorch, and so it has at higher
    orders, where PyTorch has a NaN.

    Examples
    --------
    >>> norm([3.0, 4.0]).item()
    5.0
    """
    x = as_floating(x)
    axes = normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim)
    if ord is None and (axis is None or len(axes) in (1, 2)):
        return p_norm(x, 2, axes, keepdims)
    if len(axes) == 1:
        return _of_vectors(x, ord, axes, keepdims)
    if len(axes) == 2:
        return _of_matrices(x, ord, axes, keepdims)
    raise ShapeError(
        f"norm: of vectors it has one axis and of matrices two; x has the shape {x.shape}, and axis={axis}."
    )


def _of_vectors(x: Any, ord: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    if isinstance(ord, str):
        raise ValueError(f"norm: the order {ord!r} is one of matrices: give two axes.")
    if ord == np.inf:
        return _greatest(abs(x), axis, keepdims)
    if ord == -np.inf:
        return min(abs(x), axis, keepdims)
    if ord == 0:
        return sum(where(values_of(x) != 0, 1.0, x * 0.0), axis, keepdims)
    return sum(abs(x), axis, keepdims) if ord == 1 else p_norm(x, float(ord), axis, keepdims)


def _greatest(x: Any, axis: Axis, keepdims: bool) -> Any:
    """Return the greatest absolute value; of none, 0."""
    return (max if reduced_count(x.shape, axis) else sum)(x, axis, keepdims)


def _of_matrices(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if ord == "fro":
        return p_norm(x, 2, axes, keepdims)
    if ord in ("nuc", 2, -2):
        raise NotImplementedError(f"norm: the order {ord!r} of matrices needs their singular values.")
    if ord not in (1, -1, np.inf, -np.inf):
        raise ValueError(f"norm: {ord!r} is no order of matrices: 'fro', 'nuc', 1, -1, 2, -2, inf or -inf.")
    added, chosen = axes if ord in (1, -1) else axes[::-1]
    choose = _greatest if ord > 0 else min
    out = choose(sum(abs(x), added, keepdims=True), chosen, True)
    return out if keepdims else squeeze(out, axes)
