"""Covariances and correlations of variables."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_edu.engine import Array, Tensor, TensorLike, anywhere, values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.ops.elementwise.arithmetic import as_floating, astype, cast
from tinygrad_edu.ops.elementwise.powers import sqrt
from tinygrad_edu.ops.elementwise.selection import maximum
from tinygrad_edu.ops.linear_algebra.diagonals import diagonal
from tinygrad_edu.ops.products.products import matmul
from tinygrad_edu.ops.reductions.reduction import sum
from tinygrad_edu.ops.shapes.joining import concatenate
from tinygrad_edu.ops.shapes.shape import atleast_2d, expand_dims, shaped, squeeze

__all__ = ["corrcoef", "cov"]


def cov(
    m: TensorLike,
    y: TensorLike | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: ArrayLike | None = None,
    aweights: TensorLike | None = None,
    *,
    dtype: DTypeLike | None = None,
) -> Tensor | Array:
    """Return the covariance matrix of variables. m, y and `aweights` receive gradients.

    Parameters
    ----------
    m : array_like, 1-d or 2-d
        Each row is a variable, and each column an observation of all variables.
    y : array_like, optional
        More variables, in the form of m.
    rowvar : bool, default True
        False if each column is a variable.
    bias : bool, default False
        Whether to divide by the number n of observations, instead of n - 1.
    ddof : int, optional
        Divide by n - ddof instead.
    fweights : array_like of int, optional
        How often each observation occurs.
    aweights : array_like, optional
        The weight of each observation.
    dtype : dtype, optional

    Returns
    -------
    Tensor or ndarray
        (variables, variables); 0-d for one variable.

    Examples
    --------
    >>> import numpy as np
    >>> cov(np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    x = _variables(m, rowvar)
    x = x if y is None else concatenate([x, _variables(y, rowvar)], 0)
    x = x if dtype is None else astype(x, dtype)
    reliability = np.ones(x.shape[1], x.dtype) if aweights is None else _weights("aweights", aweights, x)
    weights = reliability if fweights is None else reliability * _weights("fweights", fweights, x)
    total = sum(weights)
    centred = x - expand_dims(matmul(x, weights) / total, 1)
    lost = (int(not bias) if ddof is None else ddof) * sum(weights * reliability) / total
    return squeeze(matmul(centred * weights, centred.T) / maximum(total - lost, 0.0))


def _variables(x: Any, rowvar: bool) -> Any:
    """Return variables as rows, one for a 1-d x."""
    x = as_floating(x)
    if x.ndim > 2:
        raise ShapeError(f"cov: variables must be 1-d or 2-d, got shape {x.shape}.")
    return x.T if x.ndim == 2 and not rowvar else atleast_2d(x)


def _weights(name: str, weights: Any, x: Any) -> Any:
    """Return the weights of the observations. Integers get the dtype of x."""
    weights = shaped(values_of(weights) if name == "fweights" else weights)
    if name == "fweights" and weights.dtype.kind not in "iu":
        raise DTypeError(f"cov: fweights must be integers, got {weights.dtype}; pass weights as aweights.")
    if weights.shape != x.shape[1:] or anywhere(values_of(weights) < 0):
        raise ShapeError(f"cov: {name} must be {x.shape[1]} numbers >= 0, one for each observation, got {weights!r}.")
    return weights if weights.dtype.kind == "f" else cast(weights, x.dtype)


def corrcoef(x: TensorLike, y: TensorLike | None = None, rowvar: bool = True) -> Tensor | Array:
    """Return the matrix of Pearson's correlation coefficients of variables.

    Parameters
    ----------
    x : array_like, 1-d or 2-d
        Each row is a variable, and each column an observation of all variables.
    y : array_like, optional
        More variables, in the form of x.
    rowvar : bool, default True
        False if each column is a variable.

    Returns
    -------
    Tensor or ndarray
        (variables, variables); 0-d for one variable. NaN for a variable that is constant.

    Examples
    --------
    >>> import numpy as np
    >>> corrcoef(np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    covariance: Any = atleast_2d(cov(x, y, rowvar))
    deviations = sqrt(diagonal(covariance))
    out = covariance / expand_dims(deviations, 1) / deviations
    excess = np.clip(values_of(out), -1, 1) - values_of(out)  # a rounding error
    return squeeze(out + excess)
