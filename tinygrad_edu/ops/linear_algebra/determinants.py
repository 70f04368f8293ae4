"""Determinants. The first two derivatives of `det` are valid at singular matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy import ndarray
from numpy.linalg import LinAlgError

from tinygrad_edu.engine import Array, Tensor, TensorLike, op, values_of
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.ops.linear_algebra.inverses import inv
from tinygrad_edu.ops.products.products import matmul, transposed
from tinygrad_edu.ops.reductions.reduction import sum
from tinygrad_edu.ops.shapes.shape import expand_dims

__all__ = ["det", "slogdet"]


_T = TypeVar("_T")

# Condition number up to which det(x) inv(x).T has as many digits as the SVD: the errors of small pivots cancel.
_REGULAR = 1e10


class SlogdetResult(NamedTuple, Generic[_T]):
    """The sign of a determinant and the logarithm of its absolute value."""

    sign: _T
    logabsdet: _T


@op(batching="matrices")
def det(x: Array, /) -> Array:
    """Return the determinant of each matrix of a stack: (..., n, n) -> (...).

    The first and second derivatives are valid at singular matrices, too. The third requires an inverse of matrices
    with more than three rows.
    """
    return np.linalg.det(x)


@op(name="det", batching="matrices")
def cofactors(x: Array) -> Array:
    """Return the cofactors, the derivatives of the determinant: signed minors without the row and column of an element.

    Those of at most three rows are written out. For larger regular matrices they are det(x) inv(x).T. For the others,
    with x = U diag(s) V, they are det(U) det(V) U diag(c) V, where c[i] is the product of all s[j] with j != i.
    """
    if x.dtype == np.float16:  # NumPy refuses it as well, except for minors
        raise DTypeError("det: float16 is unsupported in linalg; use x.astype(np.float32).")
    if x.shape[-1] in _MINORS:
        return np.asarray(_MINORS[x.shape[-1]](x))
    out, regular = _regular_cofactors(x)
    if not regular.all():
        sign, u, s, v = _svd_with_sign(x[~regular])
        out[~regular] = sign * (u * _leave_one_out_products(s)[..., None, :]) @ v
    return out


def _regular_cofactors(x: ndarray) -> tuple[ndarray, ndarray]:
    """Return det(x) inv(x).T, and which of the matrices are regular: of a normal determinant and a low condition."""
    with np.errstate(all="ignore"):
        sizes, inverses = np.linalg.det(x), np.zeros_like(x)
        regular = np.isfinite(sizes) & (np.abs(sizes) >= np.finfo(x.dtype).tiny)
        inverses[regular] = np.linalg.inv(x[regular])
        regular &= np.linalg.norm(x, axis=(-2, -1)) * np.linalg.norm(inverses, axis=(-2, -1)) <= _REGULAR
        return _as_1x1_matrices(sizes) * np.swapaxes(inverses, -1, -2), regular


def _minors_of_3(x: ndarray, y: ndarray) -> ndarray:
    """Return the minors of the next two rows and columns, in cyclic order without signs, of a row of x and one of y."""
    a, b = np.array([1, 2, 0]), np.array([2, 0, 1])
    rows_a, rows_b = x[..., a, :], y[..., b, :]
    return rows_a[..., a] * rows_b[..., b] - rows_a[..., b] * rows_b[..., a]


_MINORS: dict[int, Callable[[ndarray], Any]] = {
    1: np.ones_like,
    2: lambda x: x[..., ::-1, ::-1] * np.array([[1, -1], [-1, 1]], x.dtype),
    3: lambda x: _minors_of_3(x, x),
}


@op(name="det", batching="matrices")
def cofactors_jvp(direction: Array, x: Array) -> Array:
    """Return the directional derivative of the cofactors of x. It is linear in `direction`, and its own transpose."""
    if x.shape[-1] == 2:
        return np.asarray(_MINORS[2](direction), np.result_type(direction, x))
    if x.shape[-1] == 3:
        return np.asarray(_minors_of_3(direction, x) + _minors_of_3(x, direction))
    sign, u, s, v = _svd_with_sign(x)
    rotated, pairs = np.swapaxes(u, -1, -2) @ direction @ np.swapaxes(v, -1, -2), _leave_two_out_products(s)
    diagonal = np.einsum("...ij,...ii->...j", pairs, rotated)
    change = diagonal[..., None, :] * np.eye(s.shape[-1], dtype=s.dtype) - pairs * np.swapaxes(rotated, -1, -2)
    return sign * u @ change @ v


def _cofactors_jvp_x(g: Any, direction: Any, x: Any) -> Any:
    """Return the vjp of `cofactors_jvp` with respect to x, which needs an inverse for more than three rows."""
    if x.shape[-1] < 3:
        return np.zeros(x.shape, x.dtype)
    if x.shape[-1] == 3:  # the determinant is a cubic form
        return cofactors_jvp(g, direction)
    y = _checked_inv(x)
    change = (
        (_trace_product(y, g) * _trace_product(y, direction) - _trace_product(_interleave(y, g), direction)) * y
        - _trace_product(y, direction) * _interleave(y, g)
        - _trace_product(y, g) * _interleave(y, direction)
        + _interleave(y, g, direction)
        + _interleave(y, direction, g)
    )
    return _as_1x1_matrices(det(x)) * transposed(change)


def _checked_inv(x: Any) -> Any:
    with np.errstate(all="ignore"):
        condition = np.linalg.cond(values_of(x)).max() if x.size else 0
    if not condition * np.finfo(x.dtype).eps < 1e-3:
        raise LinAlgError("det: the third derivative is not supported at or near a singular matrix.")
    return inv(x)


def _interleave(y: Any, *factors: Any) -> Any:
    """Return y @ factor @ y @ factor @ ... @ y."""
    out = y
    for factor in factors:
        out = matmul(matmul(out, factor), y)
    return out


def _trace_product(x: Any, y: Any) -> Any:
    """Return the trace of x @ y for each pair of matrices, keeping the axes."""
    return sum(x * transposed(y), (-1, -2), keepdims=True)


def _as_1x1_matrices(x: Any) -> Any:
    """Return scalars, one per matrix, as a stack of 1 x 1 matrices."""
    return expand_dims(x, (-1, -2))


det.vjps(x=lambda g, x: _as_1x1_matrices(g) * cofactors(x))
cofactors.vjps(x=lambda g, x: cofactors_jvp(g, x))
cofactors_jvp.vjps(direction=lambda g, x: cofactors_jvp(g, x), x=_cofactors_jvp_x)


def _svd_with_sign(x: ndarray) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    """Return det(U) det(V), U, s and V, with x = U diag(s) V. For a matrix with a NaN or infinity, s is NaN."""
    finite = np.isfinite(x).all(axis=(-1, -2), keepdims=True)
    u, s, v = np.linalg.svd(np.where(finite, x, 0))
    sign = np.sign(np.linalg.det(u) * np.linalg.det(v))
    return sign[..., None, None], u, np.where(finite[..., 0], s, np.nan), v


def _leave_one_out_products(s: ndarray) -> ndarray:
    """Return, for each element, the product of the others along the last axis."""
    logs, zeros = _logs_and_zeros(s)
    other_zeros = zeros.sum(-1, keepdims=True) - zeros
    return np.where(other_zeros == 0, np.exp(logs.sum(-1, keepdims=True) - logs), 0).astype(s.dtype)


def _leave_two_out_products(s: ndarray) -> ndarray:
    """Return, for each pair of elements, the product of the others along the last axis; 0 on the diagonal."""
    logs, zeros = (part[..., None] + part[..., None, :] for part in _logs_and_zeros(s))
    total, count = (part.sum(-1)[..., None, None] for part in _logs_and_zeros(s))
    is_nonzero = (count == zeros) & ~np.eye(s.shape[-1], dtype=bool)
    return np.where(is_nonzero, np.exp(total - logs), 0).astype(s.dtype)


def _logs_and_zeros(s: ndarray) -> tuple[ndarray, ndarray]:
    """Return log(s), with 0 where s is 0; and an array that is 1 where s is 0, else 0."""
    zeros = s == 0
    return np.log(np.where(zeros, 1, s)), zeros.astype(int)


@op(name="slogdet", batching="matrices")
def logabsdet(x: Array) -> Array:
    """Return the logarithm of the absolute value of the determinant of each matrix, without overflow."""
    return np.asarray(np.linalg.slogdet(x).logabsdet)


logabsdet.vjps(x=lambda g, x: _as_1x1_matrices(g) * transposed(inv(x)))


@op(name="slogdet", batching="matrices")
def sign_of_det(x: Array) -> Array:
    """Return the sign of the determinant of each matrix: -1, 0 or 1. The derivative is 0."""
    return np.asarray(np.linalg.slogdet(x).sign)


sign_of_det.vjps(x=lambda g, x_shape, x_dtype: np.zeros(x_shape, x_dtype))


def slogdet(x: TensorLike, /) -> SlogdetResult[Tensor | Array]:
    """Return the sign of the determinant of each matrix and the logarithm of its absolute value.

    At a singular matrix the logarithm is -inf and not differentiable.
    """
    return SlogdetResult(sign_of_det(x), logabsdet(x))
