"""Vector and matrix norms, condition numbers and ranks."""

from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_edu.engine import Array, op, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.arithmetic import abs, as_floating, sign
from tinygrad_edu.ops.axes import Axis
from tinygrad_edu.ops.decompositions import svdvals
from tinygrad_edu.ops.inverses import inv
from tinygrad_edu.ops.powers import all_normal, power, power_of_2_below
from tinygrad_edu.ops.reduction import max, min, sum
from tinygrad_edu.ops.selection import keep, where
from tinygrad_edu.ops.shape import broadcast_to, reshape, transpose

__all__ = ["cond", "matrix_norm", "matrix_rank", "norm", "vector_norm"]

# --- Norms of vectors ---


@op(name="norm")
def p_norm(x: Array, /, p: float, axis: Any, keepdims: bool = False) -> Array:
    """Return (sum(|x| ** p)) ** (1 / p) over `axis`, for a finite p; for 0, how many elements are not 0.

    Where the sum would leave the range of the dtype, it is taken of x over a power of 2 that is as large as x.
    """
    size = np.abs(x).astype(np.result_type(x.dtype, np.float32), copy=False)
    if p == 0:
        return np.count_nonzero(x, axis=axis, keepdims=keepdims).astype(x.dtype)
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        total = _sum_of_powers(size, p, axis)
        limits = np.finfo(size.dtype)
        if not ((total > limits.tiny / limits.eps) & (total < np.inf)).all():
            scale = _norm_scale(size, p, axis)
            total, out = _sum_of_powers(size / scale, p, axis), scale
        else:
            out = size.dtype.type(1)
        out = out * (np.sqrt(total) if p == 2 else total ** (1 / p))
    return (out if keepdims else out.squeeze(axis)).astype(x.dtype, copy=False)


def _sum_of_powers(size: ndarray, p: float, axis: Any) -> ndarray:
    powers = size if p == 1 else np.square(size) if p == 2 else size**p
    return np.asarray(np.add.reduce(powers, axis=axis, keepdims=True))


def _norm_scale(size: ndarray, p: float, axis: Any) -> ndarray:
    """Return the power of 2 below the dominant element: the greatest, or for p < 0 the smallest."""
    extremum, initial = (np.max, 0) if p > 0 else (np.min, np.inf)
    return power_of_2_below(extremum(size, axis=axis, keepdims=True, initial=initial))


def _p_norm_x(g: Any, x: Any, out: Any, p: float, axis: Any) -> Any:
    """Return g times sign(x) |x / out| ** (p - 1), whatever the size of x; 0 where out is, and for p < 1 where x is."""
    kept = tuple(1 if a in axis else n for a, n in enumerate(x.shape))
    g, out = reshape(g, kept), reshape(out, kept)
    if p == 0:
        return keep(broadcast_to(g, x.shape), np.False_)
    if p == 1:
        return g * sign(x)
    if not all_normal(values_of(out)):  # out is infinite or has lost digits; a scale cancels out of x / out
        with np.errstate(over="ignore"):
            x = x / _norm_scale(np.abs(values_of(x)), p, axis)
        out = p_norm(x, p, axis, True)
    counts = out != 0
    share = x / where(counts, out, 1)
    if p == 2:
        return g * keep(share, counts)
    if p < 1:
        counts = counts & (x != 0)
    return g * sign(x) * keep(power(where(counts, abs(share), 1), p - 1), counts)


p_norm.vjps(x=_p_norm_x)


def vector_norm(x: Any, /, *, axis: Axis = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Return the norm of the vectors along `axis`, one axis or several, or of all elements, as `norm`."""
    x = as_floating(x)
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    return _vector_norm(x, ord, axes, keepdims)


def _vector_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if isinstance(ord, str):
        raise ValueError(f"norm: a norm of vectors has a number as its order, not {ord!r}.")
    if ord is None or np.isfinite(ord):
        return p_norm(x, 2 if ord is None else ord, axes, keepdims)
    return (_max_or_zero if ord > 0 else min)(abs(x), axes, keepdims)


def _max_or_zero(sizes: Any, axis: Any, keepdims: bool = False) -> Any:
    """Return the maximum of absolute values over `axis`, or 0 if there are none, as in NumPy."""
    of_none = any(sizes.shape[a] == 0 for a in (axis if isinstance(axis, tuple) else (axis,)))
    return (sum if of_none else max)(sizes, axis, keepdims)


# --- Norms of matrices ---


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Return the norm of each matrix of a stack (..., m, n), as `norm`."""
    x = as_floating(x)
    if x.ndim < 2:
        raise ShapeError(f"matrix_norm: matrices have two axes at least; the shape is {x.shape}.")
    return _matrix_norm(x, ord, (x.ndim - 2, x.ndim - 1), keepdims)


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    rest = tuple(a for a in range(x.ndim) if a not in axes)
    extremum = _max_or_zero if ord == "nuc" or (not isinstance(ord, str | None) and ord > 0) else min
    if ord is None or ord in ("fro", "f"):
        out = p_norm(x, 2, axes)
    elif ord in (1, -1, np.inf, -np.inf):
        added, compared = axes if np.isfinite(ord) else axes[::-1]
        out = extremum(sum(abs(x), added, keepdims=True), compared, keepdims=True)
    elif ord in (2, -2, "nuc"):
        values = svdvals(transpose(x, (*rest, *axes)))
        out = sum(values, -1) if ord == "nuc" else extremum(values, -1)
    else:
        raise ValueError(
            f"norm: the order of a norm of matrices is 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, not {ord!r}."
        )
    return reshape(out, tuple(1 if a in axes else n for a, n in enumerate(x.shape) if keepdims or a not in axes))


def norm(x: Any, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the norm of vectors, of matrices, or of all elements: NumPy's ``linalg.norm``.

    Parameters
    ----------
    x : array_like
    ord : float or str, optional
        Of vectors, p for ``sum(|x| ** p) ** (1 / p)``; inf and -inf for the greatest and the smallest size, 0 for the
        number of elements that are not 0. Of matrices, ``"fro"`` for the root of the sum of squares, ``"nuc"`` for the
        sum of the singular values, 2 and -2 for the greatest and the smallest of them, 1 and -1 for the greatest and
        the smallest sum of sizes in a column, inf and -inf for those in a row. By default 2, and ``"fro"``.
    axis : int, or sequence of int, optional
        One axis for vectors, two for matrices. By default all elements are taken as one vector, where there is no
        `ord`; with one, x is a vector or a matrix.
    keepdims : bool
        Whether the axes stay, with length 1.

    Returns
    -------
    Tensor or ndarray
        Of the dtype of x; of integers, floating-point. Sums of powers do not overflow where the norm does not.

    Raises
    ------
    ValueError
        For an order that is none, and for another number of axes than one or two.

    Notes
    -----
    Where the norm is 0, its derivative is 0, and for an order below 1 that by each element that is 0, as in PyTorch.
    What attains a greatest or smallest size shares the gradient evenly.
    """
    x = as_floating(x)
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    if (axis is None and ord is None) or len(axes) == 1:
        return _vector_norm(x, ord, axes, keepdims)
    if len(axes) != 2:
        raise ShapeError(
            f"norm: an order is of vectors, along one axis, or of matrices, along two, not {len(axes)}: give `axis`. "
            f"The shape is {x.shape}."
        )
    return _matrix_norm(x, ord, axes, keepdims)


# --- What norms measure ---


def cond(x: Any, p: Any = None) -> Any:
    """Return the condition of each matrix of a stack: norm(x, p) * norm(inv(x), p), infinite where x is singular.

    Without p, or with 2, it is the greatest singular value over the smallest, of matrices of any shape, and with -2
    the smallest over the greatest. A condition that is infinite has no derivative here: 0.
    """
    values = np.asarray(np.linalg.cond(values_of(x), p))
    eye, infinite = np.eye(*np.shape(x)[-2:], dtype=values.dtype), np.isinf(values)
    x = where(infinite[..., None, None], eye, x) if infinite.any() else x
    if p in (None, 2, -2):
        s = svdvals(x)
        out = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    else:
        out = norm(x, p, (-2, -1)) * norm(inv(x), p, (-2, -1))
    return where(infinite, np.asarray(np.inf, values.dtype), out) if infinite.any() else out


def matrix_rank(x: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """Return the rank of each matrix of a stack, as plain whole numbers: how many singular values are above `tol`.

    As in NumPy, `rtol` is relative to the greatest of them, and by default the longer side of a matrix times the
    distance of 1 to the next number of the dtype. A vector has the rank 1, unless it is 0.
    """
    return np.linalg.matrix_rank(values_of(x), values_of(tol), hermitian, rtol=values_of(rtol))
