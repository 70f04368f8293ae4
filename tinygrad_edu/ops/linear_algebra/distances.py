"""Distances between all pairs of vectors."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, Tensor, TensorLike, op, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.ops.elementwise.arithmetic import abs, as_floating, cast, sign
from tinygrad_edu.ops.elementwise.selection import keep, where
from tinygrad_edu.ops.indices.indexing import getitem, scatter_add
from tinygrad_edu.ops.linear_algebra.norms import p_norm, vector_norm
from tinygrad_edu.ops.products.products import matmul, transposed
from tinygrad_edu.ops.reductions.reduction import max, sum
from tinygrad_edu.ops.shapes.joining import concatenate
from tinygrad_edu.ops.shapes.shape import broadcast_to, expand_dims, moveaxis
from tinygrad_edu.shared.speed.thresholds import SizeThreshold

__all__ = ["cdist", "pdist"]

# Elements that are computed at a time: a few arrays of this size fit into a core's cache.
_BLOCK = SizeThreshold(2**18)

# Rows of `pdist` that are computed at a time, with all later rows: half of the pairs are not computed.
_STRIP = SizeThreshold(256)


@op(name="cdist", batching="matrices")
def distances(x1: Array, x2: Array, /, p: float) -> Array:
    """Return the p-norms of the differences of rows: (..., n, k), (..., m, k) -> (..., n, m), with equal leading axes.

    The squares of distances d for p = 2 are |x|**2 + |y|**2 - 2 x @ y, in float64 and relative to the mean of x2. The
    measured error of d is at most 5 eps (|x|**2 + |y|**2) / d**2, for 2 to 1,024 columns. Where this could be more
    than 20 eps, or more than a quarter of the eps of float32, the pair is near, and its difference is computed.
    """
    out = np.empty((*x1.shape[:-1], x2.shape[-2]), np.result_type(x1, x2))
    if p != 2:
        a, b = _columns(x1, x2)
        for rows in _blocks(x1, x2, x1.shape[-1]):
            out[..., rows, :] = vector_norm(a[..., rows, :] - b, axis=0, ord=p)
        return out
    (a, a_squares), (b, b_squares) = _centered(x1, x2), _centered(x2, x2)
    columns, limits = -2 * transposed(b), _limits_of_near(out.dtype, a_squares, b_squares)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in _blocks(x1, x2):
            squares = a_squares[..., rows, None] + b_squares[..., None, :]
            squares += matmul(a[..., rows, :], columns)
            near = _where_not(squares > limits[0][..., rows, None] + limits[1][..., None, :])
            out[..., rows, :] = np.sqrt(squares, out=squares)
            if near:
                out[..., rows, :][near] = p_norm(_pairs(x1[..., rows, :], x2, near), 2, (1,))
    return out


def _blocks(x1: Any, x2: Any, size: int = 1) -> Iterator[slice]:
    """Yield slices of rows of x1, so that few numbers are computed at a time, `size` for each pair."""
    n, columns = x1.shape[-2], prod(x1.shape[:-2]) * x2.shape[-2] * size
    step = _BLOCK // columns if 0 < columns < _BLOCK else 1 if columns else n
    for start in range(0, n or 1, step or 1):
        yield slice(start, start + step)


def _columns(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Return (k, ..., n, 1) and (k, ..., 1, m) for (..., n, k) and (..., m, k), with long axes last."""
    return expand_dims(moveaxis(x1, -1, 0), -1), expand_dims(moveaxis(x2, -1, 0), -2)


def _centered(x: Any, x2: Any) -> tuple[Any, ndarray]:
    """Return x in float64 minus the mean row of x2, and squared lengths: 0 and infinity if these are not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        center = np.add.reduce(values_of(x2), -2, np.float64, keepdims=True) / (x2.shape[-2] or 1)
        rows = cast(x, np.float64) - np.where(np.isfinite(center), center, 0)
        squares = np.einsum("...k,...k->...", values_of(rows), values_of(rows))
    finite = np.isfinite(squares)
    return (rows, squares) if finite.all() else (keep(rows, finite[..., None]), np.where(finite, squares, np.inf))


def _limits_of_near(dtype: Any, *squares: ndarray) -> list[ndarray]:
    """Return the shares of rows in the squared distance up to which a pair is near; infinite rows are near to all."""
    bound = 0.25 if dtype == np.float64 else 2.0**-24
    return [part * bound + 1e-290 for part in squares]  # below it, squares have fewer digits


def _where_not(mask: ndarray) -> tuple[ndarray, ...]:
    """Return the indices of elements that are False; nothing if there are none. `np.nonzero` takes ten times longer."""
    order: Any = "C" if mask.flags.c_contiguous else "F"
    flat = np.flatnonzero(~mask.ravel(order))
    return np.unravel_index(flat, mask.shape, order) if flat.size else ()


def _pairs(x1: Any, x2: Any, near: tuple[ndarray, ...]) -> Any:
    """Return the differences of pairs of rows, given their indices in the result."""
    return getitem(x1, near[:-1]) - getitem(x2, (*near[:-2], near[-1]))


def _distances_x1(g: Any, x1: Any, x2: Any, out: Any, p: float) -> Any:
    if p == 2:
        parts = concatenate(list(_by_products(g, x1, x2, out, p)), -2)
    else:
        parts = moveaxis(concatenate(list(_by_differences(g, x1, x2, out, p)), -1), 0, -1)
    return cast(parts, x1.dtype)


def _by_products(g: Any, x1: Any, x2: Any, out: Any, p: float) -> Iterator[Any]:
    """Yield sums of g / out * (x1 - x2), as products of matrices for pairs that are not near."""
    (a, a_squares), (b, b_squares) = _centered(x1, x2), _centered(x2, x2)
    limits = _limits_of_near(out.dtype, a_squares, b_squares)
    for rows in _blocks(x1, x2):
        part, d = g[..., rows, :], out[..., rows, :]
        with np.errstate(over="ignore"):
            squares = np.square(values_of(d), dtype=np.float64)
        far = squares > np.add(limits[0][..., rows, None], limits[1][..., None, :], out=np.empty_like(squares))
        far &= np.isfinite(values_of(part))
        near = _where_not(far)
        weights = cast(keep(part / where(far, d, 1), far) if near else part / d, np.float64)
        total = sum(weights, -1, keepdims=True) * a[..., rows, :] - matmul(weights, b)
        if near:  # the gradient at a distance of 0 is 0
            apart = values_of(d)[near] != 0
            near = tuple(index[apart] for index in near)
            pairs = _pairs(x1[..., rows, :], x2, near)
            direct = p_norm.vjp_functions["x"](getitem(part, near), pairs, getitem(d, near), p, (1,))
            total = total + scatter_add(direct, near[:-1], total.shape)
        yield total


def _by_differences(g: Any, x1: Any, x2: Any, out: Any, p: float) -> Iterator[Any]:
    """Yield sums of the vjps of norms of differences, with the columns of x1 first."""
    a, b = _columns(x1, x2)
    for rows in _blocks(x1, x2, x1.shape[-1]):
        part, d, x = g[..., rows, :], out[..., rows, :], a[..., rows, :] - b
        if np.isfinite(p):
            slopes = p_norm.vjp_functions["x"](part, x, d, p, (0,))
        else:
            slopes = sign(x) * max.vjp_functions["x"](part, abs(x), d, 0)
        yield sum(slopes, -1)


distances.vjps(x1=_distances_x1, x2=lambda g, x1, x2, out, p: _distances_x1(transposed(g), x2, x1, transposed(out), p))


def cdist(x1: TensorLike, x2: TensorLike, p: float = 2.0) -> Tensor | Array:
    """Return the distance of each row of x1 to each row of x2: (..., n, k), (..., m, k) -> (..., n, m).

    The differences are not stored. At a distance of 0 the gradient is 0.

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
    lead = np.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    return distances(broadcast_to(x1, (*lead, *x1.shape[-2:])), broadcast_to(x2, (*lead, *x2.shape[-2:])), p=p)


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
    parts, n = [], len(x)
    for start in range(0, n or 1, _STRIP):
        strip = distances(x[start : start + _STRIP], x[start:], p=p)
        parts.append(getitem(strip, np.arange(n - start) > np.arange(strip.shape[0])[:, None]))
    return concatenate(parts)
