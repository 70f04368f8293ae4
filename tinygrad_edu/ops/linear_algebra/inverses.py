"""Matrix inverse, linear systems, pseudoinverse and matrix powers."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from tinygrad_edu.engine import Array, MappedCall, Tensor, TensorLike, aligned, batched, op, values_of
from tinygrad_edu.errors.checks import integer, invalid_choice
from tinygrad_edu.ops.elementwise.selection import keep
from tinygrad_edu.ops.linear_algebra.diagonals import tril, triu
from tinygrad_edu.ops.products.products import matmul, transposed
from tinygrad_edu.ops.shapes.shape import expand_dims, identity, squeeze
from tinygrad_edu.shared.speed.thresholds import SizeThreshold

__all__ = ["inv", "matrix_power", "pinv", "solve"]

_UNSET: Any = object()


@op(batching="matrices")
def inv(x: Array, /) -> Array:
    """Return the inverse of each matrix of a stack (..., n, n)."""
    return np.linalg.inv(x)


inv.vjps(x=lambda g, out: -matmul(matmul(transposed(out), g), transposed(out)))


def _solve_samples(batch: MappedCall) -> Any:
    a, b = batch.inputs
    if batch.sample_ndim(0) < 2 or batch.sample_ndim(1) < 1:
        return NotImplemented  # an error for each sample
    if batch.sample_ndim(1) == 1:
        b = expand_dims(b, -1)
        return squeeze(batch.with_inputs(*aligned([a, b], batch.mapped, batch.size)).on_leading(), -1)
    return batch.with_inputs(*batch.aligned()).on_leading()


@op(broadcasts=True, batching=_solve_samples)
def solve(a: Array, b: Array, /) -> Array:
    """Return x with a @ x = b: (..., n, n), (n,) -> (..., n), or (..., n, n), (..., n, k) -> (..., n, k).

    As in NumPy, a 1-d b is a vector; otherwise b is a stack of matrices, broadcast with those of a.
    """
    return np.linalg.solve(a, b)


def _solve_b(g: Any, a: Any, b_shape: tuple[int, ...]) -> Any:
    if len(b_shape) == 1:
        return squeeze(solve(transposed(a), expand_dims(g, -1)), -1)
    return solve(transposed(a), g)


def _solve_a(g: Any, a: Any, b_shape: tuple[int, ...], out: Any) -> Any:
    g_b = _solve_b(g, a, b_shape)
    if len(b_shape) == 1:
        return -expand_dims(g_b, -1) * expand_dims(out, -2)
    return -matmul(g_b, transposed(out))


solve.vjps(a=_solve_a, b=_solve_b)

# Rows of a triangular system that LAPACK solves at a time; the results of the others are subtracted by products.
_ROWS = SizeThreshold(32)


@op(name="solve_triangular", broadcasts=True, batching=_solve_samples)
def substitute(a: Array, b: Array, /, upper: bool) -> Array:
    """Return x with a @ x = b, reading one triangle of a: (..., n, n), (..., n, k) -> (..., n, k).

    NumPy has no triangular solver. Its general one takes n**3 steps, even if a is triangular.
    """
    lead, starts = np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), range(0, b.shape[-2], _ROWS)
    out, lower = np.empty((*lead, *b.shape[-2:]), np.result_type(a, b)), np.tri(min(_ROWS, b.shape[-2]), dtype=bool)
    read = lower.T if upper else lower
    for start in reversed(starts) if upper else starts:
        end = start + _ROWS
        rows, solved = slice(start, end), slice(end, None) if upper else slice(start)
        rest = b[..., rows, :]
        if len(starts) > 1:
            rest = rest - a[..., rows, solved] @ out[..., solved, :]
        block, size = a[..., rows, rows], rest.shape[-2]
        out[..., rows, :] = np.linalg.solve(np.where(read[:size, :size], block, a.dtype.type(0)), rest)
    return out


def _substitute_a(g: Any, a: Any, out: Any, upper: bool) -> Any:
    gradient = matmul(-_substitute_b(g, a, upper), transposed(out))
    return (triu if upper else tril)(gradient)


def _substitute_b(g: Any, a: Any, upper: bool) -> Any:
    return substitute(transposed(a), g, upper=not upper)


substitute.vjps(a=_substitute_a, b=_substitute_b)


def symmetric(x: Any, triangle: str) -> Any:
    """Return symmetric matrices made from one triangle of x, ``"L"`` or ``"U"``, with the gradient of (x + x.T) / 2.

    LAPACK, too, reads one triangle of a symmetric matrix. The gradient is symmetric, as in PyTorch, although the
    result does not depend on the other triangle.
    """
    if triangle not in ("L", "U"):
        raise invalid_choice("UPLO (lower or upper triangle)", triangle, ("L", "U"))
    values = np.asarray(values_of(x))
    if values.ndim < 2 or values.shape[-1] != values.shape[-2]:
        raise LinAlgError(f"expected square matrices of shape (..., n, n), got shape {values.shape}.")
    lower = np.tri(values.shape[-1], dtype=bool)
    symmetrized = np.where(lower if triangle == "L" else lower.T, values, np.swapaxes(values, -1, -2))
    if not isinstance(x, Tensor):
        return symmetrized
    if np.array_equal(symmetrized, values, equal_nan=values.dtype.kind == "f"):
        return x
    return mean_with_transpose(x) + (symmetrized - mean_with_transpose(values))


def mean_with_transpose(x: Any) -> Any:
    """Return (x + x.T) / 2, the nearest symmetric matrix, for each matrix of a stack."""
    return x * 0.5 + transposed(x) * 0.5  # a sum of integers could overflow


@op(name="pinv", batching="matrices")
def pseudo_inverse(x: Array, /, rcond: Any = None) -> Array:
    """Return the Moore-Penrose inverse of each matrix. Singular values <= rcond * largest count as 0."""
    return np.linalg.pinv(x) if rcond is None else np.linalg.pinv(x, rcond)


def _pseudo_inverse_x(g: Any, x: Any, out: Any) -> Any:
    """Apply Golub and Pereyra, The differentiation of pseudo-inverses (1973); it is valid at constant rank."""
    p, q = transposed(out), transposed(g)
    rest_x = matmul(q, matmul(out, p))
    rest_y = matmul(matmul(p, out), q)
    return rest_x - matmul(x, matmul(out, rest_x)) + rest_y - matmul(matmul(rest_y, out), x) - matmul(p, matmul(g, p))


pseudo_inverse.vjps(x=_pseudo_inverse_x)


@batched("matrices", inputs=1)
def pinv(x: TensorLike, /, rcond: Any = None, hermitian: bool = False, *, rtol: Any = _UNSET) -> Tensor | Array:
    """Return the Moore-Penrose inverse of each matrix of a stack: (..., m, n) -> (..., n, m).

    Parameters
    ----------
    x : array_like
    rcond : float or array_like, optional
        Singular values <= rcond * largest count as 0; a scalar, or one value per matrix. The default is 1e-15.
    hermitian : bool, default False
        Whether the matrices are symmetric; only the lower triangle of each is read.
    rtol : float or array_like, optional
        Alias of `rcond`. ``rtol=None`` means max(m, n) times the machine epsilon of the dtype.

    Notes
    -----
    The derivative is valid for changes that preserve the rank; it does not exist where the rank changes.
    """
    if rcond is not None and rtol is not _UNSET:
        raise ValueError("pinv: rcond and rtol are aliases; give only one of them.")
    if rtol is None:
        dtype = np.result_type(values_of(x))
        rcond = max(np.shape(x)[-2:]) * np.finfo(dtype if dtype.kind == "f" else np.float64).eps
    elif rtol is not _UNSET:
        rcond = rtol
    return pseudo_inverse(symmetric(x, "L") if hermitian else x, rcond)


@batched("matrices", inputs=1)
def matrix_power(x: TensorLike, n: int) -> Tensor | Array:
    """Return the n-th power of each matrix of a stack: the identity for n = 0, powers of inv(x) for n < 0.

    Raises
    ------
    DTypeError
        If `n` is not an integer.
    LinAlgError
        If the matrices are not square, or n < 0 and one is singular.
    """
    n = integer("matrix_power: n", n)
    shape = np.shape(x)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise LinAlgError(f"matrix_power: x must be square matrices (..., n, n), got shape {shape}.")
    if n == 0:
        values = np.asarray(values_of(x))
        return keep(x, np.False_) + np.eye(shape[-1], dtype=values.dtype)
    squares = [inv(x) if n < 0 else x]
    bits = [bit == "1" for bit in reversed(f"{abs(n):b}")]
    for _ in bits[1:]:
        squares.append(matmul(squares[-1], squares[-1]))
    factors = [square for square, bit in zip(squares, bits, strict=True) if bit]
    return reduce(matmul, factors) if len(bits) > 1 or n < 0 else identity(x)
