"""Median, quantiles and weighted means over axes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_edu.core.arrays import Axis, keepdims_shape
from tinygrad_edu.engine import (
    Array,
    MappedCall,
    Tensor,
    TensorLike,
    anywhere,
    batched,
    composite,
    op,
    shape_of,
    values_of,
)
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.ops.elementwise.arithmetic import as_floating, astype, subtract
from tinygrad_edu.ops.elementwise.selection import where
from tinygrad_edu.ops.fast.partition import rank_indices
from tinygrad_edu.ops.indices.gather import flat_indices, take_along, take_owned
from tinygrad_edu.ops.indices.sorting import sort
from tinygrad_edu.ops.reductions.axes import merge_axes
from tinygrad_edu.ops.reductions.reduction import mean, sum
from tinygrad_edu.ops.shapes.shape import broadcast_to, moveaxis, reshape, transpose

__all__ = ["average", "median", "nanmedian", "nanquantile", "percentile", "quantile"]


@batched("axis")
def median(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor | Array:
    """Return the median over `axis`; for an even number of elements the mean of the middle two, as in NumPy.

    The result is NaN if any element is. The gradient goes to the elements that `sort` puts in the middle.
    """
    rows = _merge_reduced_axes(x, axis)
    n = rows.shape[-1]
    if n % 2 and rows.dtype.kind == "f":
        out = take_ranks(rows, n // 2)
    else:
        out = mean(take_ranks(rows, [(n - 1) // 2, n // 2]) if n else rows, -1)
    return reshape(out, keepdims_shape(shape_of(x), axis)) if keepdims else out


def _quantiles_of_samples(batch: MappedCall) -> Any:
    axis, ndim = batch.settings["axis"], batch.sample_ndim()
    if batch.mapped[1] or not ndim:
        return NotImplemented
    out = batch.on_leading(axis=tuple(range(1, ndim + 1)) if axis is None else batch.shifted(axis))
    return moveaxis(out, np.ndim(batch.inputs[1]), 0)


@batched(_quantiles_of_samples)
def quantile(
    x: TensorLike, q: TensorLike, axis: Axis = None, keepdims: bool = False, method: str = "linear"
) -> Tensor | Array:
    """Return the q-th quantile over `axis`.

    Parameters
    ----------
    x : array_like
        A quantile of elements with a NaN is NaN.
    q : array_like
        Fractions from 0 to 1. They receive a gradient if the method is "linear".
    axis : int, or sequence of int, optional
    keepdims : bool, default False
    method : {"linear", "lower", "higher", "midpoint", "nearest"}, default "linear"
        Value of a quantile between two elements: linear interpolation, the smaller one, the larger one, their mean, or
        the nearest one (halfway, the one of even rank).

    Returns
    -------
    Tensor or ndarray, shape (*q.shape, *remaining axes)
    """
    fractions, rows = _check_fractions(q), _merge_reduced_axes(x, axis)
    n, shape = rows.shape[-1], keepdims_shape(shape_of(x), axis) if keepdims else rows.shape[:-1]
    if not n:
        raise ShapeError(f"quantile: cannot reduce an empty axis; x has shape {shape_of(x)}, axis={axis}.")
    ranks = reshape(fractions, -1) * (n - 1)
    below, above = _neighbor_ranks(values_of(ranks), method)
    neighbors = take_ranks(rows, [below, above])
    out = _between(neighbors[..., 0, :], neighbors[..., 1, :], q, ranks, below, above, method)
    return reshape(transpose(out, (-1, *range(out.ndim - 1))), (*np.shape(q), *shape))


def _between(low: Any, high: Any, q: Any, ranks: Any, below: ndarray, above: ndarray, method: str) -> Any:
    """Return the quantiles between the elements of the ranks `below` and `above`."""
    if method != "midpoint" and (method != "linear" or np.asarray(values_of(q)).dtype.kind != "f"):
        return low
    weight = 0.5 * (below < above) if method == "midpoint" else ranks - below
    narrow = isinstance(q, int | float) and low.dtype.kind == "f"
    return lerp_between(low, high, astype(weight, low.dtype) if narrow else weight)


@batched(_quantiles_of_samples)
def nanquantile(
    x: TensorLike, q: TensorLike, axis: Axis = None, keepdims: bool = False, method: str = "linear"
) -> Tensor | Array:
    """Return the q-th quantile over `axis`, ignoring NaN; NaN if all are NaN. NaN elements receive no gradient.

    The parameters are those of `quantile`.
    """
    fractions, rows = _check_fractions(q), sort(_merge_reduced_axes(x, axis), -1)  # NaN last
    if not rows.shape[-1]:
        raise ShapeError(f"nanquantile: cannot reduce an empty axis; x has shape {shape_of(x)}, axis={axis}.")
    shape = keepdims_shape(shape_of(x), axis) if keepdims else rows.shape[:-1]
    last = np.maximum(np.sum(~np.isnan(values_of(rows)), -1, keepdims=True) - 1, 0)
    ranks = reshape(fractions, -1) * last
    below, above = _neighbor_ranks(values_of(ranks), method)
    low, high = (take_along(rows, indices, rows.ndim - 1) for indices in (below, above))
    out = _between(low, high, q, ranks, below, above, method)
    return reshape(transpose(out, (-1, *range(out.ndim - 1))), (*np.shape(q), *shape))


@batched("axis")
def nanmedian(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor | Array:
    """Return the median over `axis`, ignoring NaN; NaN if all are NaN. NaN elements receive no gradient."""
    return nanquantile(x, 0.5, axis, keepdims)


def percentile(
    x: TensorLike, q: TensorLike, axis: Axis = None, keepdims: bool = False, method: str = "linear"
) -> Tensor | Array:
    """Return the q-th percentile over `axis`, q from 0 to 100: `quantile` of q / 100."""
    q = q / 100 if isinstance(q, int | float | Tensor) else np.asarray(q) / 100
    return quantile(x, q, axis, keepdims, method)


def _merge_reduced_axes(x: Any, axis: Axis) -> Any:
    """Return x with the reduced axes merged into the last one; raise for an axis that x does not have."""
    if axis is not None:
        normalize_axis_tuple(axis, len(shape_of(x)))
    return merge_axes(x, axis)


def _check_fractions(q: Any) -> Any:
    """Return q, as a float64 array unless it is a Tensor; raise unless it is in [0, 1]."""
    values = np.asarray(values_of(q), np.float64)
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError("quantile: q must be from 0 to 1; for percentile, from 0 to 100.")
    return q if isinstance(q, Tensor) else values


def _neighbor_ranks(ranks: ndarray, method: str) -> tuple[ndarray, ndarray]:
    """Return the ranks below and above each fractional rank, or the rank that the method selects twice."""
    low, high = np.floor(ranks), np.ceil(ranks)
    neighbors = {
        "linear": (low, high), "midpoint": (low, high), "lower": (low, low), "higher": (high, high),
        "nearest": (np.rint(ranks),) * 2,
    }  # fmt: skip
    if method not in neighbors:
        raise invalid_choice("quantile: method", method, neighbors)
    below, above = neighbors[method]
    return below.astype(np.intp), above.astype(np.intp)


@composite("quantile")
def lerp_between(x: Any, y: Any, weight: Any) -> Any:
    """Interpolate linearly between x and y, starting from the nearer one."""
    difference = subtract(y, x)
    point = where(weight < 0.5, x + difference * weight, y - difference * (1 - weight))
    return where(weight == 0, x, point) if np.isinf(values_of(x)).any() else point


@composite("quantile")
def take_ranks(rows: Any, ranks: Any) -> Any:
    """Return the elements with these ranks along the last axis, or NaN for each rank in a row with a NaN.

    The axes of the ranks replace the last axis of the rows.
    """
    ranks = np.asarray(ranks)
    indices = rank_indices(np.asarray(values_of(rows)), ranks.ravel())
    flat: Any = flat_indices(indices, rows.ndim - 1, rows.shape)
    return take_owned(rows, flat.reshape((*rows.shape[:-1], *ranks.shape)))


def _weighted_mean_of_samples(batch: MappedCall) -> Any:
    ndim = max(batch.sample_ndim(0), batch.sample_ndim(1))
    axis = batch.settings["axis"]
    axis = tuple(range(1, ndim + 1)) if axis is None or not ndim else batch.shifted(axis, ndim)
    return batch.spread().on_leading(axis=axis)


@op(name="average", broadcasts=True, batching=_weighted_mean_of_samples)
def weighted_mean(x: Array, weights: Array, /, axis: Axis, keepdims: bool) -> Array:
    """Return sum(x * weights) / sum(weights) over `axis`, where the weights broadcast with x."""
    products = x * weights
    return sum(products, axis, keepdims) / sum(weights, axis, keepdims, products.dtype)


def _weighted_mean_weights(g: Any, x: Any, weights: Any, out: Any, axis: Axis) -> Any:
    kept = keepdims_shape(x.shape, axis)
    return reshape(g, kept) * ((x - reshape(out, kept)) / sum(weights, axis, keepdims=True))


weighted_mean.vjps(
    x=lambda g, weights, x_shape, axis: (
        reshape(g, keepdims_shape(x_shape, axis)) * (weights / sum(weights, axis, keepdims=True))
    ),
    weights=_weighted_mean_weights,
)


def average(
    x: TensorLike, axis: Axis = None, weights: TensorLike | None = None, returned: bool = False, keepdims: bool = False
) -> Tensor | Array | tuple[Tensor | Array, Tensor | Array]:
    """Return the weighted mean over `axis`. The weights receive gradients.

    Parameters
    ----------
    x : array_like
    axis : int, or sequence of int, optional
    weights : array_like, optional
        Weights of the shape of x, or of its shape along `axis`. Default: all 1.
    returned : bool, default False
        Whether to also return the sum of the weights, broadcast to the shape of the mean.
    keepdims : bool, default False

    Raises
    ------
    ZeroDivisionError
        If the weights sum to 0, as in NumPy.
    """
    x = as_floating(x)
    if weights is None:
        out = mean(x, axis, keepdims)
        total: Any = np.full(out.shape, x.size / np.maximum(out.size, 1), out.dtype)
    else:
        weights = _expand_weights(weights, x.shape, axis)
        if weights.dtype.kind != "f":  # the sum of narrow integers could overflow
            weights = astype(weights, np.result_type(x.dtype, weights.dtype) if isinstance(x, ndarray) else x.dtype)
        total = sum(weights, axis, keepdims)
        if anywhere(values_of(total) == 0):
            raise ZeroDivisionError("average: the weights must not sum to 0.")
        out = weighted_mean(x, weights, axis, keepdims)
        total = sum(astype(weights, out.dtype), axis, keepdims) if returned else total
    return (out, broadcast_to(total, out.shape)) if returned else out


def _expand_weights(weights: Any, shape: tuple[int, ...], axis: Axis) -> Any:
    """Reshape weights to broadcast with `shape`."""
    weights_shape = shape_of(weights)
    if weights_shape == shape:
        return weights if isinstance(weights, Tensor) else np.asarray(weights)
    axes = normalize_axis_tuple(range(len(shape)) if axis is None else axis, len(shape))
    if weights_shape != tuple(shape[a] for a in axes):
        raise ShapeError(
            f"average: weights must have the shape {shape} or its shape along axis={axis}, got {weights_shape}."
        )
    ordered = transpose(weights, np.argsort(axes).tolist())
    return reshape(ordered, tuple(n if a in axes else 1 for a, n in enumerate(shape)))
