"""Triangular systems, least squares, and systems of tensors."""

from __future__ import annotations

import math
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from tinygrad_edu.engine import Array, Tensor, TensorLike, batched, shape_of, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.elementwise.arithmetic import as_floating
from tinygrad_edu.ops.elementwise.powers import square
from tinygrad_edu.ops.linear_algebra.decompositions import svdvals
from tinygrad_edu.ops.linear_algebra.diagonals import tril, triu
from tinygrad_edu.ops.linear_algebra.inverses import inv, pseudo_inverse, solve, substitute
from tinygrad_edu.ops.products.products import matmul, transposed
from tinygrad_edu.ops.reductions.reduction import sum
from tinygrad_edu.ops.shapes.shape import expand_dims, moveaxis, reshape, shaped, squeeze

__all__ = ["cholesky_solve", "lstsq", "solve_triangular", "tensorinv", "tensorsolve"]

_T = TypeVar("_T")


class LstsqResult(NamedTuple, Generic[_T]):
    """The solutions, the sums of squared residuals, the ranks and the singular values, in descending order."""

    x: _T
    residuals: _T
    rank: Any
    s: _T


def solve_triangular(
    a: TensorLike, b: TensorLike, /, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor | Array:
    """Return x with a @ x = b for triangular matrices a, of which only one triangle is read.

    Parameters
    ----------
    a : array_like, of shape (..., n, n)
    b : array_like, of shape (..., n, k), or (n,)
        The leading axes broadcast with those of a.
    upper : bool
        Whether to read the upper triangle of a, or the lower one.
    left : bool, default True
        False solves x @ a = b, for b of shape (..., k, n).
    unitriangular : bool, default False
        Whether to read ones on the diagonal.

    Raises
    ------
    LinAlgError
        If an element on a diagonal is 0.

    Examples
    --------
    >>> import numpy as np
    >>> solve_triangular(np.array([[2.0, 9.0], [1.0, 1.0]]), np.array([2.0, 3.0]), upper=False)
    array([1., 2.])
    """
    a, b = _square("solve_triangular", as_floating(a)), as_floating(b)
    if unitriangular:
        a = (triu(a, 1) if upper else tril(a, -1)) + np.eye(a.shape[-1], dtype=a.dtype)
    if not left:
        return transposed(substitute(transposed(a), transposed(b), upper=not upper))
    return squeeze(substitute(a, expand_dims(b, -1), upper=upper), -1) if b.ndim == 1 else substitute(a, b, upper=upper)


def _square(name: str, x: Any) -> Any:
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{name}: expected square matrices of shape (..., n, n), got shape {x.shape}.")
    return x


def cholesky_solve(b: TensorLike, factor: TensorLike, /, upper: bool = False) -> Tensor | Array:
    """Return x with a @ x = b, given the Cholesky factor of a.

    Parameters
    ----------
    b : array_like, of shape (..., n, k), or (n,)
    factor : array_like, of shape (..., n, n)
        ``cholesky(a, upper=upper)``. Only this triangle is read.
    upper : bool, default False
        Whether a = factor.T @ factor, instead of factor @ factor.T.

    Examples
    --------
    >>> import numpy as np
    >>> a, b = np.array([[4.0, 2.0], [2.0, 5.0]]), np.array([2.0, 5.0])
    >>> cholesky_solve(b, np.linalg.cholesky(a))
    array([0., 1.])
    """
    factor = _square("cholesky_solve", as_floating(factor))
    lower = transposed(factor) if upper else factor
    is_vector = len(shape_of(b)) == 1
    halfway = solve_triangular(lower, expand_dims(b, -1) if is_vector else b, upper=False)
    out = solve_triangular(transposed(lower), halfway, upper=True)
    return squeeze(out, -1) if is_vector else out


@batched("matrices", inputs=2)
def lstsq(a: TensorLike, b: TensorLike, rcond: float | None = None) -> LstsqResult[Tensor | Array]:
    """Return x with the smallest ``norm(a @ x - b)``, and of several such x, the shortest.

    Parameters
    ----------
    a : array_like, of shape (..., m, n)
    b : array_like, of shape (..., m, k), or (m,)
    rcond : float, optional
        Singular values <= rcond * largest count as 0. Default: max(m, n) times the machine epsilon.

    Returns
    -------
    LstsqResult
        x, the sums of squared residuals (empty if m <= n or a has no full rank), the rank of a, and its singular
        values.

    Notes
    -----
    The derivative is valid for changes that preserve the rank of a.

    Examples
    --------
    >>> import numpy as np
    >>> lstsq(np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]), np.array([1.0, 3.0, 5.0])).x.round(6)
    array([1., 2.])
    """
    a, b = as_floating(a), shaped(b)
    if a.ndim < 2 or a.shape[-2] != b.shape[-1 if b.ndim == 1 else -2]:
        raise ShapeError(f"lstsq: expected shapes (..., m, n) and (..., m, k) or (m,), got {a.shape} and {b.shape}.")
    m, n = a.shape[-2:]
    rcond = max(m, n) * float(np.finfo(a.dtype).eps) if rcond is None else rcond
    s = svdvals(a)
    rank = np.sum(values_of(s) > rcond * np.max(values_of(s), -1, keepdims=True, initial=0), -1, np.int32)
    columns = expand_dims(b, -1) if b.ndim == 1 else b
    x = matmul(pseudo_inverse(a, rcond), columns)
    residuals: Any = sum(square(columns - matmul(a, x)), -2)
    residuals = residuals if m > n and np.all(rank == n) else residuals[..., :0]
    return LstsqResult(squeeze(x, -1) if b.ndim == 1 else x, residuals, rank, s)


def tensorinv(a: TensorLike, ind: int = 2) -> Tensor | Array:
    """Return the inverse of `tensordot` with a over its last axes: ``tensordot(tensorinv(a), tensordot(a, x)) = x``.

    Parameters
    ----------
    a : array_like
        The product of the lengths of its first `ind` axes is that of the others.
    ind : int, default 2
        The number of axes of the results of a.

    Examples
    --------
    >>> import numpy as np
    >>> tensorinv(np.eye(6).reshape(2, 3, 6)).shape
    (6, 2, 3)
    """
    a = as_floating(a)
    rows, columns = a.shape[:ind], a.shape[ind:]
    if ind <= 0 or math.prod(rows) != math.prod(columns):
        raise ShapeError(f"tensorinv: axes {rows} and {columns} must have equally many elements; got ind={ind}.")
    return reshape(inv(reshape(a, (math.prod(rows), math.prod(columns)))), (*columns, *rows))


def tensorsolve(a: TensorLike, b: TensorLike, axes: Any = None) -> Tensor | Array:
    """Return x with ``tensordot(a, x, x.ndim) = b``.

    Parameters
    ----------
    a : array_like
        Its shape is that of b, followed by that of x.
    b : array_like
    axes : sequence of int, optional
        Axes of a to move to its end first.

    Examples
    --------
    >>> import numpy as np
    >>> tensorsolve(np.eye(6).reshape(2, 3, 6), np.ones((2, 3))).shape
    (6,)
    """
    a, b_shape = as_floating(a), shape_of(b)
    a = a if axes is None else moveaxis(a, tuple(axes), tuple(range(a.ndim - len(axes), a.ndim)))
    x_shape = a.shape[len(b_shape) :]
    if math.prod(x_shape) != math.prod(b_shape) or a.size != math.prod(b_shape) ** 2:
        raise ShapeError(f"tensorsolve: a must have the axes of b and as many others, got {a.shape} for b {b_shape}.")
    matrix = reshape(a, (math.prod(b_shape), math.prod(x_shape)))
    return reshape(solve(matrix, reshape(b, -1)), x_shape)
