"""LU decomposition with partial pivoting."""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, Tensor, TensorLike, batched, from_numpy, op, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.ops.elementwise.arithmetic import as_floating
from tinygrad_edu.ops.indices.gather import take_along
from tinygrad_edu.ops.linear_algebra.diagonals import tril, triu
from tinygrad_edu.ops.linear_algebra.inverses import solve
from tinygrad_edu.ops.products.products import matmul, transposed
from tinygrad_edu.ops.shapes.joining import concatenate

__all__ = ["lu"]

_T = TypeVar("_T")


class LUResult(NamedTuple, Generic[_T]):
    """P, a permutation matrix, L, lower triangular with ones on the diagonal, and U, upper triangular."""

    P: _T
    L: _T
    U: _T


def _eliminated(x: ndarray, pivots: bool) -> tuple[ndarray, ndarray]:
    """Return L below the diagonal and U above it, and the order of the rows, which changes if `pivots`."""
    if x.dtype == np.float16:
        raise DTypeError("lu: float16 is unsupported in linalg; use x.astype(np.float32).")
    out, (m, n) = np.array(x), x.shape[-2:]
    order = np.broadcast_to(np.arange(m), x.shape[:-1]).copy()
    for k in range(min(m, n)):
        if pivots:
            largest = k + np.argmax(np.abs(out[..., k:, k]), -1)[..., None]
            swapped = np.where(np.arange(m) == k, largest, np.where(np.arange(m) == largest, k, np.arange(m)))
            out, order = np.take_along_axis(out, swapped[..., None], -2), np.take_along_axis(order, swapped, -1)
        pivot = out[..., k : k + 1, k]
        out[..., k + 1 :, k] /= np.where(pivot == 0, 1, pivot)
        out[..., k + 1 :, k + 1 :] -= out[..., k + 1 :, k : k + 1] * out[..., k : k + 1, k + 1 :]
    return out, order


@op(name="lu", batching="matrices")
def triangular_factors(x: Array) -> Array:
    """Return L below the diagonal and U on and above it, with L @ U = x, for square matrices."""
    return _eliminated(x, pivots=False)[0]


def _triangular_factors_x(g: Any, out: Any) -> Any:
    """Return the vjp inv(L.T) @ (tril(L.T @ g_L, -1) + triu(g_U @ U.T)) @ inv(U.T), from d(LU) = dL U + L dU."""
    lower, upper = tril(out, -1) + np.eye(out.shape[-1], dtype=out.dtype), triu(out)
    inner = tril(matmul(transposed(lower), tril(g, -1)), -1) + triu(matmul(triu(g), transposed(upper)))
    return transposed(solve(upper, transposed(solve(transposed(lower), inner))))


triangular_factors.vjps(x=_triangular_factors_x)


@batched("matrices")
def lu(x: TensorLike, /) -> LUResult[Tensor | Array]:
    """Return P, L and U with x = P @ L @ U, for each matrix of a stack (..., m, n).

    Parameters
    ----------
    x : array_like

    Returns
    -------
    LUResult
        P (..., m, m), without a gradient, L (..., m, k) and U (..., k, n), with k = min(m, n).

    Notes
    -----
    The derivative exists where the first k columns are linearly independent and no other row could be the pivot.

    Examples
    --------
    >>> import numpy as np
    >>> lu(np.array([[1.0, 2.0], [2.0, 2.0]])).U
    array([[2., 2.],
           [0., 1.]])
    """
    x = as_floating(x)
    if x.ndim < 2:
        raise ShapeError(f"lu: x must have at least 2 axes, got shape {x.shape}.")
    k = min(x.shape[-2:])
    _, order = _eliminated(np.asarray(values_of(x)), pivots=True)
    rows = take_along(x, np.broadcast_to(order[..., None], x.shape), x.ndim - 2)
    square = triangular_factors(rows[..., :k, :k])
    lower, upper = tril(square, -1) + np.eye(k, dtype=x.dtype), triu(square)
    if x.shape[-2] > k:
        rest = transposed(solve(transposed(upper), transposed(rows[..., k:, :])))
        lower = concatenate([lower, rest], -2)
    if x.shape[-1] > k:
        upper = concatenate([upper, solve(lower, rows[..., k:])], -1)
    permutation = (np.arange(x.shape[-2])[:, None] == order[..., None, :]).astype(x.dtype)
    return LUResult(from_numpy(permutation) if isinstance(x, Tensor) else permutation, lower, upper)
