"""Distances between all pairs of vectors."""

from __future__ import annotations

import numpy as np

from tinygrad_edu.engine import Array, Tensor, TensorLike
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.elementwise.arithmetic import as_floating
from tinygrad_edu.ops.linear_algebra.norms import vector_norm
from tinygrad_edu.ops.shapes.shape import expand_dims

__all__ = ["cdist", "pdist"]


def cdist(x1: TensorLike, x2: TensorLike, p: float = 2.0) -> Tensor | Array:
    """Return the distance of each row of x1 to each row of x2: (..., n, k), (..., m, k) -> (..., n, m).

    All n * m differences are stored. At a distance of 0 the gradient is 0.

    Parameters
    ----------
    x1, x2 : array_like
        The leading axes broadcast.
    p : float, default 2.0
        The order of the norm, as in `vector_norm`; inf for the largest difference.

    Examples
    --------
    >>> import numpy as np
    >>> cdist(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 1.0]]))
    array([[5., 1.]])
    """
    x1, x2 = as_floating(x1), as_floating(x2)
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(f"cdist: expected shapes (..., n, k) and (..., m, k), got {x1.shape} and {x2.shape}.")
    return vector_norm(expand_dims(x1, -2) - expand_dims(x2, -3), axis=-1, ord=p)


def pdist(x: TensorLike, p: float = 2.0) -> Tensor | Array:
    """Return the distance of each row to each later row: (n, k) -> (n * (n - 1) / 2,).

    At a distance of 0 the gradient is 0.

    Parameters
    ----------
    x : array_like, 2-d
    p : float, default 2.0
        The order of the norm, as in `vector_norm`; inf for the largest difference.

    Examples
    --------
    >>> import numpy as np
    >>> pdist(np.array([[0.0], [1.0], [3.0]]))
    array([1., 3., 2.])
    """
    x = as_floating(x)
    if x.ndim != 2:
        raise ShapeError(f"pdist: x must be a matrix (n, k), got shape {x.shape}.")
    first, second = np.triu_indices(len(x), 1)
    return vector_norm(x[first] - x[second], axis=-1, ord=p)
