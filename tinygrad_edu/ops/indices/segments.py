"""Reductions of the elements that have the same index: segments, and reductions into an array."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index
from numpy.typing import ArrayLike

from tinygrad_edu.engine import Array, MappedCall, Tensor, TensorLike, batched, op, values_of
from tinygrad_edu.engine.batching import broadcast_along_samples
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import integer, invalid_choice
from tinygrad_edu.ops.elementwise.arithmetic import divide_evenly
from tinygrad_edu.ops.elementwise.selection import extremes, keep, where
from tinygrad_edu.ops.indices.gather import check_indices, scatter_flat_of_samples, take_flat
from tinygrad_edu.ops.indices.indexing import scatter_add
from tinygrad_edu.ops.indices.positions import add_positions
from tinygrad_edu.ops.shapes.joining import concatenate
from tinygrad_edu.ops.shapes.shape import reshape, shaped, swapaxes

__all__ = ["index_add", "scatter_reduce", "segment_max", "segment_min", "segment_prod", "segment_sum"]


# --- Segments ---


def _segments_of_samples(batch: MappedCall) -> Any:
    """Reduce along axis 0 of samples in axis 1, if all samples have the same indices."""
    if batch.mapped[1] or not batch.sample_ndim(0):
        return NotImplemented
    out = batch.call(swapaxes(batch.inputs[0], 0, 1), batch.inputs[1], **batch.settings)
    return swapaxes(out, 0, 1)


@batched(_segments_of_samples)
def segment_sum(data: TensorLike, segment_ids: ArrayLike, num_segments: int | None = None) -> Tensor | Array:
    """Return the sums of the rows of data that have the same segment index, as in JAX.

    Parameters
    ----------
    data : array_like, of shape (n, ...)
    segment_ids : array_like of int, of shape (n,)
        The segment of each row, from 0, in any order.
    num_segments : int, optional
        The length of the result. Default: the largest index plus one.

    Returns
    -------
    Tensor or ndarray, shape (num_segments, ...)
        0 for a segment without rows.

    Examples
    --------
    >>> import numpy as np
    >>> segment_sum(np.array([1.0, 2.0, 4.0]), [1, 0, 1])
    array([2., 5.])
    """
    data, ids, count = _checked_segments("segment_sum", data, segment_ids, num_segments)
    return scatter_add(data, ids, (count, *data.shape[1:]))


@batched(_segments_of_samples)
def segment_prod(data: TensorLike, segment_ids: ArrayLike, num_segments: int | None = None) -> Tensor | Array:
    """Return the products of the rows of data that have the same segment index, 1 for none; see `segment_sum`.

    Derivatives of any order are correct at zeros, too.
    """
    return _products(*_checked_segments("segment_prod", data, segment_ids, num_segments))


@batched(_segments_of_samples)
def segment_max(data: TensorLike, segment_ids: ArrayLike, num_segments: int | None = None) -> Tensor | Array:
    """Return the maxima of the rows of data that have the same segment index, -inf for none; see `segment_sum`.

    Ties share the gradient evenly.
    """
    return _extrema(*_checked_segments("segment_max", data, segment_ids, num_segments), True)


@batched(_segments_of_samples)
def segment_min(data: TensorLike, segment_ids: ArrayLike, num_segments: int | None = None) -> Tensor | Array:
    """Return the minima of the rows of data that have the same segment index, inf for none; see `segment_sum`.

    Ties share the gradient evenly.
    """
    return _extrema(*_checked_segments("segment_min", data, segment_ids, num_segments), False)


def _checked_segments(name: str, data: Any, ids: Any, count: int | None) -> tuple[Any, ndarray, int]:
    """Return the data, the segment of each row, and the number of segments; raise if they do not fit."""
    data, ids = shaped(data), check_indices(name, ids)
    count = int(ids.max(initial=-1)) + 1 if count is None else integer(f"{name}: num_segments", count, 0)
    if ids.ndim != 1 or data.shape[:1] != ids.shape:
        raise ShapeError(f"{name}: expected data (n, ...) and segment_ids (n,), got {data.shape} and {ids.shape}.")
    if ids.size and not 0 <= ids.min() <= ids.max() < count:
        raise IndexError(f"{name}: segments must be from 0 to {count - 1}, got {ids.min()} to {ids.max()}.")
    return data, ids, count


def _products(x: Any, ids: ndarray, count: int) -> Any:
    """Multiply the rows of each segment in pairs, until each segment has at most one row."""
    shape, lengths = (count, *x.shape[1:]), np.bincount(ids, minlength=count)
    if not len(ids):
        return scatter_add(x, ids, shape) + np.ones((), x.dtype)
    x = x[np.argsort(ids, kind="stable")]
    while lengths.max() > 1:
        starts, lengths, before = np.cumsum(lengths) - lengths, (lengths + 1) // 2, lengths
        segment = np.repeat(np.arange(count), lengths)
        rank = np.arange(len(segment)) - (np.cumsum(lengths) - lengths)[segment]
        first = starts[segment] + 2 * rank
        has_second = _as_rows(2 * rank + 1 < before[segment], x)
        x = x[first] * where(has_second, x[np.minimum(first + 1, len(x) - 1)], np.ones((), x.dtype))
    place = np.maximum(np.cumsum(lengths) - 1, 0)
    return where(_as_rows(lengths > 0, x), x[place], np.ones((), x.dtype))


def _as_rows(mask: ndarray, x: Any) -> ndarray:
    """Return a mask of rows that broadcasts with x."""
    return mask.reshape(-1, *[1] * (x.ndim - 1))


def _extrema(x: Any, ids: ndarray, count: int, largest: bool) -> Any:
    row = math.prod(x.shape[1:])
    indices = _as_rows(ids, x) * row + np.arange(row).reshape(x.shape[1:])
    return extremum_flat(x, indices, (count, *x.shape[1:]), largest)


@op(name="scatter_reduce", promotes=("x",), batching=scatter_flat_of_samples)
def extremum_flat(x: Array, indices: Array, /, shape: tuple[int, ...], largest: bool) -> Array:
    """Return the maximum, or minimum, of the elements of x at each flat index into `shape`; infinite for none."""
    out = np.full(math.prod(shape), extremes(x.dtype)[0 if largest else 1], x.dtype)
    (np.maximum if largest else np.minimum).at(out, indices.reshape(-1), x.reshape(-1))
    return out.reshape(shape)


def _extremum_flat_x(g: Any, x: Any, indices: Any, out: Any) -> Any:
    """Split the gradient of each extremum evenly among the elements that attain it."""
    places = np.asarray(values_of(indices))
    attains = values_of(x) == values_of(out).reshape(-1)[places]
    ties = np.bincount(places.reshape(-1), attains.reshape(-1), out.size)[places]
    return divide_evenly(keep(take_flat(g, indices), attains), ties)


extremum_flat.vjps(x=_extremum_flat_x)


# --- Reductions into an array ---


def _index_add_of_samples(batch: MappedCall) -> Any:
    (x, axis, indices, source), ndim = batch.inputs, batch.sample_ndim()
    if batch.mapped[2] or not ndim:
        return NotImplemented
    x, source = (_spread(part, is_on, batch) for part, is_on in ((x, batch.mapped[0]), (source, batch.mapped[3])))
    return index_add(x, batch.shifted(axis), indices, source, **batch.settings)


def _spread(x: Any, is_mapped: bool, batch: MappedCall) -> Any:
    return x if is_mapped else broadcast_along_samples(x, batch.size)


@batched(_index_add_of_samples)
def index_add(x: TensorLike, axis: int, indices: ArrayLike, source: TensorLike, *, alpha: float = 1) -> Tensor | Array:
    """Return x with the slices of `source` added to its slices at `indices` along `axis`, as in PyTorch.

    Parameters
    ----------
    x : array_like
    axis : int
    indices : array_like of int, 1-d
        Repeated indices accumulate.
    source : array_like
        Of the shape of x, but with the length of `indices` along `axis`.
    alpha : float, default 1
        Factor of `source`.

    Examples
    --------
    >>> import numpy as np
    >>> index_add(np.zeros((2, 2)), 0, [1, 1], np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[0., 0.],
           [4., 6.]])
    """
    x, source, indices = shaped(x), shaped(source), check_indices("index_add", indices)
    along = normalize_axis_index(axis, x.ndim)
    n, expected = x.shape[along], (*x.shape[:along], *indices.shape, *x.shape[along + 1 :])
    if indices.ndim != 1 or source.shape != expected:
        raise ShapeError(f"index_add: source must have shape {expected} for 1-d indices, got {source.shape}.")
    if indices.size and not -n <= indices.min() <= indices.max() < n:
        raise IndexError(f"index_add: indices must be from {-n} to {n - 1}, got {indices.min()} to {indices.max()}.")
    added = add_positions(source, indices % max(n, 1), along, n)
    return x + (added if alpha == 1 else added * alpha)


def _scatter_reduce_of_samples(batch: MappedCall) -> Any:
    x, axis, indices, src = batch.inputs
    if not batch.sample_ndim():
        return NotImplemented
    pairs = zip((x, indices, src), (batch.mapped[k] for k in (0, 2, 3)), strict=True)
    x, indices, src = (_spread(part, is_on, batch) for part, is_on in pairs)
    return scatter_reduce(x, batch.shifted(axis), indices, src, **batch.settings)


@batched(_scatter_reduce_of_samples, inputs=4)
def scatter_reduce(
    x: TensorLike, axis: int, indices: ArrayLike, src: TensorLike, reduce: str, include_self: bool = True
) -> Tensor | Array:
    """Return x with each element reduced with the elements of `src` that are scattered to it, as in PyTorch.

    Element ``src[i, j]`` goes to ``[indices[i, j], j]`` for axis 0.

    Parameters
    ----------
    x : array_like
    axis : int
    indices : array_like of int
        As many axes as x. Its length may be shorter than that of `src`, and except along `axis`, than that of x.
    src : array_like
        As many axes as x.
    reduce : {"sum", "prod", "mean", "amax", "amin"}
        Ties for "amax" and "amin" share the gradient evenly.
    include_self : bool, default True
        Whether to reduce the elements of x, too. If False, they remain only where nothing is scattered.

    Examples
    --------
    >>> import numpy as np
    >>> scatter_reduce(np.array([1.0, 2.0]), 0, [1, 1], np.array([3.0, 9.0]), "amax")
    array([1., 9.])
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise invalid_choice("scatter_reduce: reduce", reduce, ("sum", "prod", "mean", "amax", "amin"))
    x, src, indices = shaped(x), shaped(src), check_indices("scatter_reduce", indices)
    along = normalize_axis_index(axis, x.ndim)
    lengths = zip(indices.shape, src.shape, x.shape, strict=False)
    exceeds = any(n > m or (a != along and n > k) for a, (n, m, k) in enumerate(lengths))
    if not x.ndim == src.ndim == indices.ndim or exceeds:
        raise ShapeError(f"scatter_reduce: indices {indices.shape} do not fit into src {src.shape} and x {x.shape}.")
    places: list[Any] = list(np.indices(indices.shape, sparse=True))
    places[along] = indices
    ids = np.arange(x.size).reshape(x.shape)[tuple(places)].reshape(-1)
    kept = np.arange(x.size) if include_self else np.setdiff1d(np.arange(x.size), ids)
    scattered = src[tuple(map(slice, indices.shape))]
    elements, ids = concatenate([reshape(x, -1)[kept], reshape(scattered, -1)]), np.concatenate([kept, ids])
    return reshape(_reduced(elements, ids, x.size, reduce), x.shape)


def _reduced(x: Any, ids: ndarray, count: int, reduce: str) -> Any:
    if reduce in ("amax", "amin"):
        return _extrema(x, ids, count, reduce == "amax")
    if reduce == "prod":
        return _products(x, ids, count)
    total = scatter_add(x, ids, (count,))
    return total if reduce == "sum" else divide_evenly(total, np.bincount(ids, minlength=count))
