"""The multivariate normal distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.distributions.continuous import HALF_LOG_2PI
from tinygrad_edu.distributions.distribution import Distribution, as_parameter, common_shape, require, require_number
from tinygrad_edu.engine import Array, Tensor, TensorLike, values_of
from tinygrad_edu.errors import DataError, ShapeError
from tinygrad_edu.ops import broadcast_to, diagonal, expand_dims, flip, log, matmul, square, sum
from tinygrad_edu.ops.creation import normal
from tinygrad_edu.ops.draws import floating_dtype
from tinygrad_edu.ops.linear_algebra.decompositions import cholesky
from tinygrad_edu.ops.linear_algebra.systems import cholesky_solve, solve_triangular
from tinygrad_edu.ops.products.products import transposed

_NAME = "MultivariateNormal"


class MultivariateNormal(Distribution):
    """The normal distribution of vectors, with one of three parameters for the covariance.

    Parameters
    ----------
    loc : array_like, of shape (..., n)
        Means.
    covariance_matrix : array_like, of shape (..., n, n), optional
        Symmetric and positive definite.
    precision_matrix : array_like, of shape (..., n, n), optional
        The inverse of the covariance matrix.
    scale_tril : array_like, of shape (..., n, n), optional
        The Cholesky factor of the covariance matrix: lower triangular, with a positive diagonal.

    Examples
    --------
    >>> x = MultivariateNormal(np.zeros(2), np.array([[2.0, 1.0], [1.0, 2.0]]))
    >>> x.log_prob(np.array([1.0, 1.0])).round(4)
    np.float64(-2.7205)
    >>> x.variance.round(4)
    array([2., 2.])
    """

    def __init__(
        self, loc: TensorLike, covariance_matrix: TensorLike | None = None,
        precision_matrix: TensorLike | None = None, scale_tril: TensorLike | None = None,
    ) -> None:  # fmt: skip
        matrices = {
            "covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix, "scale_tril": scale_tril,
        }  # fmt: skip
        given = {name: matrix for name, matrix in matrices.items() if matrix is not None}
        if len(given) != 1:
            raise ValueError(f"{_NAME}: give one of {', '.join(matrices)}, got {', '.join(given) or 'none'}.")
        ((name, matrix),) = given.items()
        mean, square_matrix = as_parameter(_NAME, "loc", loc), as_parameter(_NAME, name, matrix)
        _check_shapes(mean.shape, name, square_matrix.shape)
        require_number(_NAME, "loc", mean)
        self._given, self.scale_tril = {name: square_matrix}, _factor(name, square_matrix)
        batch_shape = common_shape(_NAME, **{"loc": mean.shape[:-1], name: square_matrix.shape[:-2]})
        super().__init__(batch_shape, mean.shape[-1:], floating_dtype(loc, matrix))
        self.loc = broadcast_to(mean, (*self.batch_shape, *self.event_shape))

    @property
    def covariance_matrix(self) -> Any:
        """The covariance matrix, of shape batch_shape + (n, n)."""
        given = self._given.get("covariance_matrix")
        return self._in_batch(matmul(self.scale_tril, transposed(self.scale_tril)) if given is None else given)

    @property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance matrix, of shape batch_shape + (n, n)."""
        given, identity = self._given.get("precision_matrix"), np.eye(self.event_shape[0], dtype=self.dtype)
        return self._in_batch(cholesky_solve(identity, self.scale_tril) if given is None else given)

    def _in_batch(self, matrix: Any) -> Any:
        return broadcast_to(matrix, (*self.batch_shape, *self.event_shape, *self.event_shape))

    def rsample(self, sample_shape: int | Sequence[int] = (), *, rng: np.random.Generator) -> Tensor:
        drawn: Any = normal(size=self.full_shape(sample_shape), rng=rng, dtype=self.dtype)
        return self.loc + _product(self.scale_tril, drawn)

    def whitened(self, value: Any) -> Any:
        """Return the standard normal z with loc + scale_tril @ z = value."""
        return _product(_inverse(self.scale_tril), value - self.loc)

    def half_log_det(self) -> Any:
        """Return half of the logarithm of the determinant of the covariance matrix."""
        return sum(log(diagonal(self.scale_tril, 0, -2, -1)), -1)

    def log_prob(self, value: TensorLike) -> Tensor | Array:
        value = self.as_value(value)
        if value.shape[-1:] != self.event_shape:
            raise ShapeError(f"{_NAME}: value must have shape (..., {self.event_shape[0]}), got {value.shape}.")
        z = self.whitened(value)
        constant = HALF_LOG_2PI * self.event_shape[0]
        return -0.5 * sum(square(z), -1) - self.half_log_det() - constant

    def entropy(self) -> Tensor | Array:
        return broadcast_to(self.half_log_det() + (0.5 + HALF_LOG_2PI) * self.event_shape[0], self.batch_shape)

    @property
    def mean(self) -> Tensor | Array:
        return self.loc

    @property
    def variance(self) -> Tensor | Array:
        return broadcast_to(sum(square(self.scale_tril), -1), self.loc.shape)


def _product(matrix: Any, vectors: Any) -> Any:
    """Return the product with each vector; one matrix for all of them takes one product of matrices."""
    if matrix.ndim == 2:
        return matmul(vectors, transposed(matrix))
    return matmul(matrix, expand_dims(vectors, -1))[..., 0]


def _inverse(lower: Any) -> Any:
    """Return the inverse of lower triangular matrices."""
    return solve_triangular(lower, np.eye(lower.shape[-1], dtype=lower.dtype), upper=False)


def _check_shapes(mean: tuple[int, ...], name: str, matrix: tuple[int, ...]) -> None:
    if not mean or not mean[-1] or matrix[-2:] != 2 * mean[-1:]:
        raise ShapeError(
            f"{_NAME}: loc must have shape (..., n) with n > 0 and {name} shape (..., n, n), got {mean} and {matrix}."
        )


def _factor(name: str, matrix: Any) -> Any:
    """Return the Cholesky factor of the covariance matrix."""
    values = values_of(matrix)
    if name == "scale_tril":
        is_valid = np.all(np.triu(values, 1) == 0, (-2, -1)) & np.all(np.diagonal(values, 0, -2, -1) > 0, -1)
        require(_NAME, name, matrix, is_valid, "lower triangular with a positive diagonal")
        return matrix
    asymmetry = np.abs(values - np.swapaxes(values, -1, -2))
    largest = np.max(np.abs(values), (-2, -1), keepdims=True)
    require(_NAME, name, matrix, asymmetry <= 1e-5 * largest, "symmetric")
    try:
        if name == "covariance_matrix":
            return cholesky(matrix)
        # matrix = upper @ upper.T, so that the covariance matrix is the product of inverse(upper).T and its transpose
        lower = transposed(flip(cholesky(flip(matrix, (-2, -1))), (-2, -1)))
    except np.linalg.LinAlgError as error:
        raise DataError(f"{_NAME}: {name} must be positive definite, got {matrix!r}.") from error
    return _inverse(lower)
