"""The matrix exponential."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, op, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.elementwise.powers import power_of_2_below
from tinygrad_edu.ops.products.products import transposed
from tinygrad_edu.ops.shapes.joining import concatenate

__all__ = ["expm"]

# Coefficients and radius of the Pade approximant of degree 13: Higham, The scaling and squaring method for the matrix
# exponential revisited (2005), table 2.3.
_PADE = (
    64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
    670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1,
)  # fmt: skip
_RADIUS = 5.371920351148152


@op(batching="matrices")
def expm(x: Array, /) -> Array:
    """Return the exponential of each matrix of a stack (..., n, n): the sum of ``x ** k / k!``.

    It is computed in float64, and rounded once.

    Examples
    --------
    >>> import numpy as np
    >>> expm(np.array([[0.0, 1.0], [0.0, 0.0]]))
    array([[1., 1.],
           [0., 1.]])
    """
    if np.ndim(x) < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"expm: expected square matrices of shape (..., n, n), got shape {np.shape(x)}.")
    wide = x.astype(np.float64)
    size = np.abs(wide).sum(-2).max(-1, initial=0)[..., None, None]
    halvings = np.where(np.isfinite(size), np.maximum(np.frexp(size / _RADIUS)[1], 0), 0)
    out = _pade(np.ldexp(wide, -halvings))
    for k in range(halvings.max(initial=0)):
        out = np.where(k < halvings, out @ out, out)
    return out.astype(x.dtype if x.dtype.kind == "f" else np.float64, copy=False)


def _pade(x: ndarray) -> ndarray:
    """Return the approximant (even(x) - odd(x)) ** -1 @ (even(x) + odd(x))."""
    powers = [np.broadcast_to(np.eye(x.shape[-1]), x.shape), x @ x]
    powers += [powers[1] @ powers[1], powers[1] @ powers[1] @ powers[1]]

    def of_one_parity(coefficients: tuple[int, ...]) -> ndarray:
        low, high = (
            sum(map(operator.mul, some, terms))
            for some, terms in ((coefficients[:4], powers), (coefficients[4:], powers[1:]))
        )
        return np.asarray(low + powers[3] @ high)

    even, odd = of_one_parity(_PADE[::2]), x @ of_one_parity(_PADE[1::2])
    return np.linalg.solve(even - odd, even + odd)


def _expm_x(g: Any, x: Any) -> Any:
    """Return the upper right block of expm([[x.T, g], [0, x.T]]): Higham, Functions of Matrices (2008), theorem 3.6."""
    scale = power_of_2_below(np.max(np.abs(values_of(g)), axis=(-2, -1), keepdims=True, initial=0))
    n, a = x.shape[-1], transposed(x)
    top = concatenate([a, g / scale], -1)  # a large g would need many halvings
    bottom = concatenate([np.zeros(x.shape, x.dtype), a], -1)
    return expm(concatenate([top, bottom], -2))[..., :n, n:] * scale


expm.vjps(x=_expm_x)
