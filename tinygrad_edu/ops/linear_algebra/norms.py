"""Vector and matrix norms, condition numbers and ranks."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_tuple
from numpy.typing import ArrayLike

from tinygrad_edu.core.arrays import Axis
from tinygrad_edu.engine import Array, PlainArrayLike, Tensor, TensorLike, batched, op, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.ops.elementwise.arithmetic import abs, as_floating, sign
from tinygrad_edu.ops.elementwise.powers import all_normal, power, power_of_2_below
from tinygrad_edu.ops.elementwise.selection import keep, where
from tinygrad_edu.ops.linear_algebra.decompositions import svdvals
from tinygrad_edu.ops.linear_algebra.inverses import inv
from tinygrad_edu.ops.reductions.reduction import max, min, sum
from tinygrad_edu.ops.shapes.shape import broadcast_to, reshape, transpose

__all__ = ["cond", "matrix_norm", "matrix_rank", "norm", "vector_norm"]

# --- Vector norms ---


@op(name="norm", batching=lambda batch: batch.on_leading(axis=batch.shifted(tuple(batch.settings["axis"]))))
def p_norm(x: Array, /, p: float, axis: Any, keepdims: bool = False) -> Array:
    """Return (sum(|x| ** p)) ** (1 / p) over `axis` for a finite p; for p = 0, the number of nonzero elements.

    If the sum would overflow or underflow, x is first divided by a power of 2 near its dominant element.
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
    """Return the power of 2 below the dominant element: the largest, or for p < 0 the smallest."""
    extremum, initial = (np.max, 0) if p > 0 else (np.min, np.inf)
    return power_of_2_below(extremum(size, axis=axis, keepdims=True, initial=initial))


def _p_norm_x(g: Any, x: Any, out: Any, p: float, axis: Any) -> Any:
    """Return g * sign(x) * |x / out| ** (p - 1); 0 where out is 0 and, for p < 1, where x is 0."""
    kept = tuple(1 if a in axis else n for a, n in enumerate(x.shape))
    g, out = reshape(g, kept), reshape(out, kept)
    if p == 0:
        return keep(broadcast_to(g, x.shape), np.False_)
    if p == 1:
        return g * sign(x)
    if not all_normal(values_of(out)):  # out is infinite, 0 or subnormal; a scale of x cancels in x / out
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


def vector_norm(x: TensorLike, /, *, axis: Axis = None, keepdims: bool = False, ord: Any = 2) -> Tensor | Array:
    """Return the norm of the vectors along one or several axes, by default of all elements; see `norm`."""
    x = as_floating(x)
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    return _vector_norm(x, ord, axes, keepdims)


def _vector_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if isinstance(ord, str):
        raise ValueError(f"norm: ord of a vector norm must be a number, got {ord!r}.")
    if ord is None or np.isfinite(ord):
        return p_norm(x, 2 if ord is None else ord, axes, keepdims)
    return (_max_or_zero if ord > 0 else min)(abs(x), axes, keepdims)


def _max_or_zero(sizes: Any, axis: Any, keepdims: bool = False) -> Any:
    """Return the maximum of absolute values over `axis`, or 0 if `axis` is empty, as in NumPy."""
    is_empty = any(sizes.shape[a] == 0 for a in (axis if isinstance(axis, tuple) else (axis,)))
    return (sum if is_empty else max)(sizes, axis, keepdims)


# --- Matrix norms ---


def matrix_norm(x: TensorLike, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor | Array:
    """Return the norm of each matrix of a stack (..., m, n); see `norm`."""
    x = as_floating(x)
    if x.ndim < 2:
        raise ShapeError(f"matrix_norm: x must have at least 2 axes, got shape {x.shape}.")
    return _matrix_norm(x, ord, (x.ndim - 2, x.ndim - 1), keepdims)


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    batch_axes = tuple(a for a in range(x.ndim) if a not in axes)
    extremum = _max_or_zero if ord == "nuc" or (not isinstance(ord, str | None) and ord > 0) else min
    if ord is None or ord in ("fro", "f"):
        out = p_norm(x, 2, axes)
    elif ord in (1, -1, np.inf, -np.inf):
        added, compared = axes if np.isfinite(ord) else axes[::-1]
        out = extremum(sum(abs(x), added, keepdims=True), compared, keepdims=True)
    elif ord in (2, -2, "nuc"):
        values = svdvals(transpose(x, (*batch_axes, *axes)))
        out = sum(values, -1) if ord == "nuc" else extremum(values, -1)
    else:
        raise ValueError(f"norm: ord of a matrix norm must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}.")
    return reshape(out, tuple(1 if a in axes else n for a, n in enumerate(x.shape) if keepdims or a not in axes))


def norm(x: TensorLike, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Tensor | Array:
    """Return a vector norm or a matrix norm, as NumPy's ``linalg.norm``.

    Parameters
    ----------
    x : array_like
    ord : float or str, optional
        Order of the norm. For vectors: p for ``sum(|x| ** p) ** (1 / p)``, inf or -inf for the maximum or minimum
        absolute value, 0 for the number of nonzero elements. For matrices: ``"fro"`` for the Frobenius norm, ``"nuc"``
        for the sum of the singular values, 2 or -2 for the largest or smallest singular value, 1 or -1 for the maximum
        or minimum column sum of absolute values, inf or -inf for the row sums. Default: 2, or ``"fro"``.
    axis : int, or sequence of int, optional
        One axis for vector norms, two for matrix norms. By default x is flattened if `ord` is None; otherwise x must
        be a vector or a matrix.
    keepdims : bool, default False
        Whether to keep the reduced axes with length 1.

    Returns
    -------
    Tensor or ndarray
        In the dtype of x; floating-point for integers. Sums of powers do not overflow unless the norm does.

    Raises
    ------
    ValueError
        If `ord` is not supported, or `axis` has more than two axes.

    Notes
    -----
    Where the norm is 0, the gradient is 0; for orders below 1, it is 0 at each element that is 0, as in PyTorch.
    Elements that tie for the maximum or minimum share the gradient evenly.
    """
    x = as_floating(x)
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    if (axis is None and ord is None) or len(axes) == 1:
        return _vector_norm(x, ord, axes, keepdims)
    if len(axes) != 2:
        raise ShapeError(
            f"norm: expected 1 axis (vector norm) or 2 axes (matrix norm), got {len(axes)} axes of shape {x.shape}; "
            f"pass axis=."
        )
    return _matrix_norm(x, ord, axes, keepdims)


@overload
def norm_of_elements(x: Tensor, p: Any = "fro", axis: Axis = None, keepdims: bool = False) -> Tensor: ...
@overload
def norm_of_elements(x: PlainArrayLike, p: Any = "fro", axis: Axis = None, keepdims: bool = False) -> Array: ...
def norm_of_elements(x: TensorLike, p: Any = "fro", axis: Axis = None, keepdims: bool = False) -> Tensor | Array:
    """Return the p-norm of the elements over `axis`, as PyTorch's ``norm``; ``tg.linalg.norm`` is NumPy's.

    Parameters
    ----------
    x : array_like
    p : float or {"fro", "nuc"}, default "fro"
        As `ord` of ``tg.linalg.vector_norm``; "fro" and None are 2. For "nuc", the sum of the singular values.
    axis : int, or sequence of int, optional
        By default all axes: ``norm(x, 2)`` of a matrix is the norm of its elements. For "nuc", two axes.
    keepdims : bool, default False

    Raises
    ------
    ValueError
        p is another string.
    ShapeError
        p is "nuc", and there are not two axes.
    """
    if not isinstance(p, str):
        return vector_norm(x, axis=axis, keepdims=keepdims, ord=2 if p is None else p)
    if p == "fro":
        return vector_norm(x, axis=axis, keepdims=keepdims)
    if p != "nuc":
        raise invalid_choice("norm: p", p, ("fro", "nuc"), "a number")
    axes = range(np.ndim(x)) if axis is None else np.atleast_1d(axis)
    if len(axes) != 2:
        raise ShapeError(f"norm: p='nuc' needs 2 axes, got {len(axes)} of shape {np.shape(x)}; pass axis=.")
    return norm(x, p, axis, keepdims)


norm_of_elements.__name__ = "norm"  # its public name is tg.norm


# --- Condition numbers and ranks ---


@batched("matrices")
def cond(x: TensorLike, p: Any = None) -> Tensor | Array:
    """Return the condition number of each matrix of a stack: norm(x, p) * norm(inv(x), p), infinite if x is singular.

    For p = None or 2 it is the ratio of the largest to the smallest singular value, for p = -2 the inverse ratio; both
    accept matrices that are not square. The gradient of an infinite condition number is 0.
    """
    values = np.asarray(np.linalg.cond(values_of(x), p))
    eye, infinite = np.eye(*np.shape(x)[-2:], dtype=values.dtype), np.isinf(values)
    x = where(infinite[..., None, None], eye, x) if infinite.any() else x
    if p in (None, 2, -2):
        s = svdvals(x)
        out: Any = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    else:
        out = norm(x, p, (-2, -1)) * norm(inv(x), p, (-2, -1))
    return where(infinite, np.asarray(np.inf, values.dtype), out) if infinite.any() else out


def matrix_rank(x: ArrayLike, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Array:
    """Return the rank of each matrix of a stack, the number of singular values above `tol`, as NumPy integers.

    As in NumPy, `rtol` is relative to the largest singular value; its default is max(m, n) times the machine epsilon
    of the dtype. The rank of a vector is 1, or 0 if all its elements are 0.
    """
    return np.linalg.matrix_rank(values_of(x), values_of(tol), hermitian, rtol=values_of(rtol))
