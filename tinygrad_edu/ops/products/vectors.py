"""Products of vectors, and matrices made of vectors or blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_edu.engine import Array, Tensor, TensorLike
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import integer
from tinygrad_edu.ops.elementwise.arithmetic import multiply, subtract
from tinygrad_edu.ops.elementwise.powers import power
from tinygrad_edu.ops.indices.indexing import scatter_slices
from tinygrad_edu.ops.reductions.reduction import sum
from tinygrad_edu.ops.shapes.shape import atleast_2d, expand_dims, moveaxis, shaped

__all__ = ["block_diag", "cross", "vander", "vecdot"]


def cross(
    a: TensorLike, b: TensorLike, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Tensor | Array:
    """Return the cross product of 3-d vectors.

    Parameters
    ----------
    a, b : array_like
        The axes other than those of the vectors broadcast.
    axisa, axisb, axisc : int, default -1
        The axis of the vectors in a, in b and in the result.
    axis : int, optional
        The axis of the vectors in all three.

    Examples
    --------
    >>> import numpy as np
    >>> cross(np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    array([0., 0., 1.])
    """
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis,) * 3
    a, b = (_vectors_last(x, along) for x, along in ((a, axisa), (b, axisb)))
    following, preceding = [1, 2, 0], [2, 0, 1]
    out = subtract(multiply(a[..., following], b[..., preceding]), multiply(a[..., preceding], b[..., following]))
    return moveaxis(out, -1, axisc)


def _vectors_last(x: Any, axis: int) -> Any:
    x = shaped(x)
    if not x.ndim or x.shape[normalize_axis_index(axis, x.ndim)] != 3:
        raise ShapeError(f"cross: the vectors must have 3 elements along axis {axis}, got shape {x.shape}.")
    return moveaxis(x, axis, -1)


def vecdot(x1: TensorLike, x2: TensorLike, axis: int = -1) -> Tensor | Array:
    """Return the sum of products of the vectors along `axis`; the other axes broadcast.

    Parameters
    ----------
    x1, x2 : array_like
    axis : int, default -1
        The axis in both inputs.

    Examples
    --------
    >>> import numpy as np
    >>> vecdot(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 10.0]))
    array([21., 43.])
    """
    x1, x2 = (moveaxis(shaped(x), axis, -1) for x in (x1, x2))
    if x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(f"vecdot: the vectors must have equal lengths, got {x1.shape[-1]} and {x2.shape[-1]}.")
    return sum(multiply(x1, x2), -1)


def vander(x: TensorLike, N: int | None = None, increasing: bool = False) -> Tensor | Array:
    """Return the Vandermonde matrix of x, whose columns are powers of x: (n,) -> (n, N).

    Parameters
    ----------
    x : array_like, 1-d
    N : int, optional
        The number of columns. Default: the length of x.
    increasing : bool, default False
        Whether the first column is x ** 0, instead of the last.

    Examples
    --------
    >>> import numpy as np
    >>> vander(np.array([1.0, 2.0, 3.0]))
    array([[1., 1., 1.],
           [4., 2., 1.],
           [9., 3., 1.]])
    """
    x = shaped(x)
    if x.ndim != 1:
        raise ShapeError(f"vander: x must be 1-d, got shape {x.shape}.")
    exponents = np.arange(len(x) if N is None else integer("vander: N", N, 0))
    return power(expand_dims(x, -1), exponents if increasing else exponents[::-1])


def block_diag(*arrays: TensorLike) -> Tensor | Array:
    """Return the matrix with the given matrices along its diagonal, and zeros elsewhere.

    Parameters
    ----------
    *arrays : array_like
        Matrices; a 1-d array is a row, and a number a matrix of one element.

    Examples
    --------
    >>> import numpy as np
    >>> block_diag(np.array([[1.0, 2.0]]), 3.0)
    array([[1., 2., 0.],
           [0., 0., 3.]])
    """
    blocks: list[Any] = [atleast_2d(x) for x in arrays]
    if not blocks or any(x.ndim != 2 for x in blocks):
        raise ShapeError(
            f"block_diag: expected one or more arrays of at most 2 axes, got shapes {[x.shape for x in blocks]}."
        )
    ends = np.cumsum([x.shape for x in blocks], axis=0).tolist()
    indices = [
        tuple(slice(m - n, m) for m, n in zip(end, x.shape, strict=True)) for end, x in zip(ends, blocks, strict=True)
    ]
    return scatter_slices(*blocks, indices=tuple(indices), shape=tuple(ends[-1]))
