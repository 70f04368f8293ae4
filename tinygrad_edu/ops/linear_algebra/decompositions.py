"""Matrix decompositions: Cholesky, symmetric eigenvalues, SVD and QR.

An op has one result, so an op that computes several matrices returns them concatenated along an axis. Its vjp
splits the result and the gradient at the same indices.
"""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, Tensor, TensorLike, anywhere, batched, op, values_of
from tinygrad_edu.errors import MissingVJPError
from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.ops.elementwise.arithmetic import abs, sign
from tinygrad_edu.ops.elementwise.selection import keep
from tinygrad_edu.ops.linear_algebra.inverses import mean_with_transpose, substitute, symmetric
from tinygrad_edu.ops.products.products import matmul, transposed
from tinygrad_edu.ops.shapes.joining import concatenate
from tinygrad_edu.ops.shapes.shape import broadcast_to, shaped

__all__ = ["cholesky", "eigh", "eigvalsh", "qr", "svd", "svdvals"]


_T = TypeVar("_T")


class EighResult(NamedTuple, Generic[_T]):
    """Eigenvalues in ascending order, and eigenvectors as columns."""

    eigenvalues: _T
    eigenvectors: _T


class QRResult(NamedTuple, Generic[_T]):
    """Q, with orthonormal columns, and R, upper triangular."""

    Q: _T
    R: _T


class SVDResult(NamedTuple, Generic[_T]):
    """Left singular vectors as columns, singular values in descending order, right singular vectors as rows."""

    U: _T
    S: _T
    Vh: _T


def _lower_ones(n: int, dtype: Any, diagonal: float) -> ndarray:
    """Return a lower triangular matrix of ones, with the value `diagonal` on the diagonal."""
    return np.tri(n, k=-1, dtype=dtype) + np.eye(n, dtype=dtype) * np.asarray(diagonal, dtype)


# --- Cholesky ---


@op(name="cholesky", batching="matrices")
def cholesky_factor(x: Array) -> Array:
    """Return the lower triangular L with L @ L.T = (x + x.T) / 2, for each matrix of a stack."""
    return np.linalg.cholesky(mean_with_transpose(x))


def _cholesky_factor_x(g: Any, out: Any) -> Any:
    """Return the vjp by I. Murray, Differentiation of the Cholesky decomposition (2016), equation 10."""
    lower = transposed(out)
    inner = matmul(lower, g) * _lower_ones(g.shape[-1], g.dtype, 0.5)
    return mean_with_transpose(substitute(lower, transposed(substitute(lower, inner, upper=True)), upper=True))


cholesky_factor.vjps(x=_cholesky_factor_x)


@batched("matrices")
def cholesky(x: TensorLike, /, *, upper: bool = False) -> Tensor | Array:
    """Return the lower triangular L with L @ L.T = x, or its transpose, for each matrix of a stack (..., n, n).

    The matrices must be symmetric and positive definite; only the lower triangle of each is read, or the
    upper one if `upper`. The gradient is symmetric.
    """
    factor = cholesky_factor(symmetric(x, "U" if upper else "L"))
    return transposed(factor) if upper else factor


# --- Eigenvalues ---


@op(name="eigvalsh", batching="matrices")
def eigenvalues(x: Array, /, UPLO: Any = "L") -> Array:
    """Return the eigenvalues of (x + x.T) / 2 in ascending order."""
    return np.linalg.eigvalsh(mean_with_transpose(x), UPLO)


@op(name="eigh", batching="matrices")
def eigenpairs(x: Array, /, UPLO: Any = "L") -> Array:
    """Return the eigenvalues of (x + x.T) / 2 in ascending order, each above its eigenvector: (..., n + 1, n).

    `UPLO` is passed to NumPy; it may change the signs of the eigenvectors.
    """
    values, vectors = np.linalg.eigh(mean_with_transpose(x), UPLO)
    return np.concatenate([values[..., None, :], vectors], axis=-2)


def _eigenvalues_x(g: Any, x: Any) -> Any:
    vectors = eigenpairs(x)[..., 1:, :]
    return matmul(vectors * g[..., None, :], transposed(vectors))


def _eigenpairs_x(g: Any, out: Any) -> Any:
    values, vectors = out[..., 0, :], out[..., 1:, :]
    identity = np.eye(out.shape[-1], dtype=out.dtype)
    differences = values[..., None, :] - values[..., :, None]  # at [i, j] values[j] - values[i]
    rotation = matmul(transposed(vectors), g[..., 1:, :]) / (differences + identity)
    inner = keep(rotation, identity == 0) + g[..., :1, :] * identity
    return mean_with_transpose(matmul(matmul(vectors, inner), transposed(vectors)))


eigenvalues.vjps(x=_eigenvalues_x)
eigenpairs.vjps(x=_eigenpairs_x)


@batched("matrices")
def eigvalsh(x: TensorLike, UPLO: str = "L") -> Tensor | Array:
    """Return the eigenvalues of symmetric matrices in ascending order: (..., n, n) -> (..., n).

    Only the triangle `UPLO` is read: ``"L"`` (lower) or ``"U"`` (upper). At equal eigenvalues the first derivative is
    one of several valid ones, and the second is NaN, as in PyTorch.
    """
    return eigenvalues(symmetric(x, UPLO.upper()), UPLO)


@batched("matrices")
def eigh(x: TensorLike, UPLO: str = "L") -> EighResult[Tensor | Array]:
    """Return the eigenvalues of symmetric matrices in ascending order, and their eigenvectors as columns.

    Parameters
    ----------
    x : array_like, of shape (..., n, n)
    UPLO : str, default "L"
        Triangle to read, ``"L"`` (lower) or ``"U"`` (upper). The gradient is symmetric.

    Notes
    -----
    Eigenvectors of equal eigenvalues are not differentiable: the gradient is infinite or NaN, as in PyTorch. The sign
    of an eigenvector is arbitrary, so a loss should not depend on it.
    """
    x = symmetric(x, UPLO.upper())
    return EighResult(eigenvalues(x, UPLO), eigenpairs(x, UPLO)[..., 1:, :])


# --- Singular values ---


@op(batching="matrices")
def svdvals(x: Array, /) -> Array:
    """Return the singular values of each matrix in descending order: (..., m, n) -> (..., min(m, n)).

    At equal singular values the first derivative is one of several valid ones, and the second is NaN, as in PyTorch.
    """
    return np.linalg.svdvals(x)


@op(name="svd", batching="matrices")
def singular_triplets(x: Array, /, full_matrices: bool = False) -> Array:
    """Return columns of a left singular vector, its singular value and the right singular vector: (..., m + 1 + n, k).

    `full_matrices` is passed to NumPy; it may change the signs of the vectors.
    """
    u, s, v = np.linalg.svd(x, full_matrices)
    k = s.shape[-1]
    return np.concatenate([u[..., :k], s[..., None, :], np.swapaxes(v, -1, -2)[..., :k]], axis=-2)


def _split_triplets(triplets: Any, m: int) -> tuple[Any, Any, Any]:
    """Return the left singular vectors, the singular values (..., 1, k) and the right singular vectors."""
    return triplets[..., :m, :], triplets[..., m : m + 1, :], triplets[..., m + 1 :, :]


def _svdvals_x(g: Any, x: Any) -> Any:
    u, _, v = _split_triplets(singular_triplets(x), x.shape[-2])
    return matmul(u * g[..., None, :], transposed(v))


def _singular_triplets_x(g: Any, x_shape: tuple[int, ...], out: Any) -> Any:
    """Return the vjp by J. Townsend, Differentiating the singular value decomposition (2016)."""
    (u, s, v), (g_u, g_s, g_v) = _split_triplets(out, x_shape[-2]), _split_triplets(g, x_shape[-2])
    identity = np.eye(out.shape[-1], dtype=out.dtype)
    gaps = (s - transposed(s)) * (s + transposed(s)) + identity
    inner = _skew_product(u, g_u) / gaps * s + transposed(s) * (_skew_product(v, g_v) / gaps) + g_s * identity
    gradient = matmul(matmul(u, inner), transposed(v))
    if x_shape[-2] > x_shape[-1]:
        gradient = gradient + matmul(_orthogonal_component(u, g_u / s), transposed(v))
    if x_shape[-2] < x_shape[-1]:
        gradient = gradient + matmul(u, transposed(_orthogonal_component(v, g_v / s)))
    return gradient


def _skew_product(vectors: Any, g: Any) -> Any:
    """Return the skew-symmetric matrix vectors.T @ g - g.T @ vectors."""
    product = matmul(transposed(vectors), g)
    return product - transposed(product)


def _orthogonal_component(vectors: Any, g: Any) -> Any:
    """Return the component of g that is orthogonal to the vectors."""
    return g - matmul(vectors, matmul(transposed(vectors), g))


svdvals.vjps(x=_svdvals_x)
singular_triplets.vjps(x=_singular_triplets_x)


@op(name="svd")
def undifferentiable(x: Array, /, values: Array, description: str) -> Array:
    """Return values, computed from x, that have no derivative; a nonzero gradient raises."""
    return np.array(values, x.dtype if x.dtype.kind == "f" else None)


def _refuse_gradient(g: Any, x_shape: tuple[int, ...], x_dtype: Any, description: str) -> ndarray:
    if anywhere(g):
        raise MissingVJPError(
            f"a nonzero gradient reached {description}, which has no derivative; exclude it from the loss."
        )
    return np.zeros(x_shape, x_dtype)


undifferentiable.vjps(x=_refuse_gradient)


def _complete_basis(x: Any, columns: Any, basis: ndarray, description: str) -> Any:
    """Append to `columns` the remaining columns of `basis`, which have no derivative."""
    remaining = basis[..., columns.shape[-1] :]
    if not remaining.shape[-1]:
        return columns
    return concatenate([columns, undifferentiable(x, remaining, description)], axis=-1)


@batched("matrices")
def svd(
    x: TensorLike, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> SVDResult[Tensor | Array] | Tensor | Array:
    """Return U, S and Vh with x = U @ diag(S) @ Vh, for each matrix of a stack (..., m, n).

    Parameters
    ----------
    x : array_like
    full_matrices : bool, default True
        Whether U is (..., m, m) and Vh (..., n, n), or (..., m, k) and (..., k, n) with k = min(m, n). The vectors
        beyond k have no derivative; a nonzero gradient that reaches them raises.
    compute_uv : bool, default True
        Whether to return U and Vh; False returns S only, as `svdvals`.
    hermitian : bool, default False
        Whether the matrices are symmetric; only the lower triangle of each is read.

    Notes
    -----
    Vectors of equal singular values are not differentiable: the gradient is infinite or NaN, as in PyTorch. The common
    sign of a left and a right vector is arbitrary.
    """
    if hermitian:
        return _symmetric_svd(symmetric(x, "L"), compute_uv)
    if not compute_uv:
        return svdvals(x)
    m, n = np.shape(x)[-2:]
    u, _, v = _split_triplets(singular_triplets(x, full_matrices), m)
    if full_matrices and m != n:
        all_u, _, all_v = np.linalg.svd(values_of(x))
        u = _complete_basis(x, u, all_u, "the columns of U beyond the singular values")
        v = _complete_basis(x, v, np.swapaxes(all_v, -1, -2), "the rows of Vh beyond the singular values")
    return SVDResult(u, svdvals(x), transposed(v))


def _symmetric_svd(x: Any, compute_uv: bool) -> Any:
    """Return the SVD of symmetric matrices from their eigenvalues, whose signs are moved to Vh."""
    values, vectors = eigh(x)
    order = np.argsort(np.abs(values_of(values)), axis=-1)[..., ::-1]
    grids = np.ix_(*map(np.arange, order.shape[:-1]))
    batch_index = tuple(index[..., None] for index in grids)
    values = values[(*batch_index, order)]
    if not compute_uv:
        return abs(values)
    rows = transposed(vectors)[(*batch_index, order)]
    return SVDResult(transposed(rows), abs(values), rows * sign(values)[..., None])


# --- QR ---


@op(name="qr", batching="matrices")
def orthogonal_triangular(x: Array) -> Array:
    """Return Q above the transpose of R, with x = Q @ R: (..., m, n) -> (..., m + n, n), for m >= n."""
    q, r = np.linalg.qr(x)
    return np.concatenate([q, np.swapaxes(r, -1, -2)], axis=-2)


def _orthogonal_triangular_x(g: Any, x_shape: tuple[int, ...], out: Any) -> Any:
    """Apply Walter, Lehmann and Lamour, On evaluating higher-order derivatives of the QR decomposition (2012)."""
    m, n = x_shape[-2:]
    q, r, g_q, g_r = out[..., :m, :], transposed(out[..., m:, :]), g[..., :m, :], transposed(g[..., m:, :])
    inner = matmul(r, transposed(g_r)) - matmul(transposed(g_q), q)
    half = inner * _lower_ones(n, g.dtype, 0.5)
    return transposed(substitute(r, transposed(g_q + matmul(q, half + transposed(half))), upper=True))


orthogonal_triangular.vjps(x=_orthogonal_triangular_x)


@batched("matrices")
def qr(x: TensorLike, mode: str = "reduced") -> QRResult[Tensor | Array] | Tensor | Array | tuple[Array, Array]:
    """Return Q, with orthonormal columns, and R, upper triangular, with x = Q @ R, for each matrix (..., m, n).

    Parameters
    ----------
    x : array_like
    mode : str, default "reduced"
        ``"reduced"``: (..., m, k) and (..., k, n), with k = min(m, n). ``"complete"``: (..., m, m) and (..., m, n);
        a nonzero gradient that reaches the columns of Q beyond k raises. ``"r"``: only R. ``"raw"``: LAPACK's output,
        for plain arrays only.

    Notes
    -----
    The derivative exists where the first k columns are linearly independent.
    """
    if mode not in ("reduced", "complete", "r", "raw"):
        raise invalid_choice("qr: mode", mode, ("reduced", "complete", "r", "raw"))
    if mode == "raw":
        if isinstance(x, Tensor):
            raise MissingVJPError("qr: mode 'raw' has no derivative; pass x.numpy().")
        return np.linalg.qr(x, mode="raw")
    m, n = np.shape(x)[-2:]
    x = shaped(x)
    out = orthogonal_triangular(x[..., :m])
    q, r = out[..., :m, :], transposed(out[..., m:, :])
    if n > m:
        r = concatenate([r, matmul(transposed(q), x[..., m:])], axis=-1)
    if mode == "r":
        return r
    if mode == "complete" and m > n:
        q = _complete_basis(x, q, np.linalg.qr(values_of(x), "complete").Q, "the columns of Q beyond those of R")
        r = concatenate([r, broadcast_to(np.zeros((), r.dtype), (*r.shape[:-2], m - n, n))], axis=-2)
    return QRResult(q, r)
