"""Sorting and selection by rank. Gradients go to the selected elements; the order is a constant."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_edu.engine import Array, MappedCall, Tensor, TensorLike, batched, shape_of, values_of
from tinygrad_edu.errors.checks import integer
from tinygrad_edu.ops.fast.partition import first_indices
from tinygrad_edu.ops.indices.gather import take, take_along, take_along_axis
from tinygrad_edu.ops.indices.indexing import getitem
from tinygrad_edu.ops.indices.nondifferentiable import argsort
from tinygrad_edu.ops.shapes.shape import reshape, squeeze

__all__ = ["kthvalue", "sort", "topk", "unique"]


@batched("along")
def sort(
    x: TensorLike, axis: int | None = -1, descending: bool = False, stable: bool | None = None, kind: str | None = None
) -> Tensor | Array:
    """Return a copy of x sorted along `axis`, or of the flattened x if `axis` is None.

    The sort is always stable, also in decreasing order; NumPy's `stable` and `kind` have no effect. NaN counts as
    larger than every number. Unlike NumPy's, the method ``t.sort()`` does not sort in place.
    """
    if len(shape_of(x)) == 0 and axis is not None:
        return reshape(x, ())
    return take_along_axis(x, argsort(x, axis, descending, stable, kind), axis)


def _selected_of_samples(batch: MappedCall) -> Any:
    return batch.on_leading(axis=batch.shifted(batch.settings["axis"])) if batch.sample_ndim() else NotImplemented


@batched(_selected_of_samples, inputs=1)
def topk(
    x: TensorLike, k: int, axis: int = -1, largest: bool = True, sorted: bool = True
) -> tuple[Tensor | Array, Array]:
    """Return the k largest elements along `axis`, or the k smallest, and their indices.

    Parameters
    ----------
    x : array_like
    k : int
        Number of elements, from 0 to the length of the axis.
    axis : int, default -1
    largest : bool, default True
        Whether to return the largest (default) or the smallest elements. Among equal elements the first are taken; NaN
        counts as larger than every number.
    sorted : bool, default True
        Has no effect: the elements are always sorted, the largest (smallest) first.

    Returns
    -------
    values : Tensor or ndarray
    indices : ndarray of int
        ``values`` is ``take_along_axis(x, indices, axis)``.

    Raises
    ------
    ShapeError
        If k is not from 0 to the length of the axis.
    """
    if len(shape_of(x)) == 0:
        values, indices = topk(reshape(x, 1), k, 0, largest)
        return (reshape(values, ()), indices.reshape(())) if k else (values, indices)
    along = normalize_axis_index(axis, len(shape_of(x)))
    integer("topk: k", k, 0, shape_of(x)[along])
    values = np.asarray(values_of(x)).swapaxes(along, -1)
    indices = first_indices(values, k, largest).swapaxes(along, -1)
    return take_along(x, indices, along), indices


@batched(_selected_of_samples, inputs=1)
def kthvalue(x: TensorLike, k: int, axis: int = -1, keepdims: bool = False) -> tuple[Tensor | Array, Array]:
    """Return the k-th smallest element along `axis`, with k counted from 1, and its index as a plain array."""
    if len(shape_of(x)) == 0:
        integer("kthvalue: k", k, 1, 1)
        return reshape(x, ()), np.zeros((), np.intp)
    along = normalize_axis_index(axis, len(shape_of(x)))
    integer("kthvalue: k", k, 1, shape_of(x)[along])
    indices = argsort(x, along)[(*[slice(None)] * along, slice(k - 1, k))]
    values = take_along(x, indices, along)
    return (values, indices) if keepdims else (squeeze(values, along), indices.squeeze(along))


@batched()
def unique(
    x: TensorLike, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
    axis: int | None = None, equal_nan: bool = True, sorted: bool = True,
) -> Tensor | Array | tuple[Tensor | Array, *tuple[Array, ...]]:  # fmt: skip
    """Return the sorted unique elements of x or, along an axis, its unique subarrays.

    The gradient goes to the first of equal elements.

    Parameters
    ----------
    x : array_like
    return_index, return_inverse, return_counts : bool, default False
        Whether to also return, as plain arrays in this order: the index of the first occurrence of each unique element,
        the index of the unique element for each element of x, and the number of occurrences.
    axis : int, optional
        Axis of the subarrays. By default x is flattened.
    equal_nan : bool, default True
        Whether to treat all NaN as equal.
    sorted : bool, default True
        Has no effect: the result is always sorted.

    Returns
    -------
    Tensor or ndarray, or a tuple of it and the requested arrays
    """
    _, first, inverse, counts = np.unique(values_of(x), True, True, True, axis, equal_nan=equal_nan)
    values = getitem(reshape(x, -1), first) if axis is None else take(x, first, axis)
    requested = ((return_index, first), (return_inverse, inverse), (return_counts, counts))
    extras = tuple(extra for is_requested, extra in requested if is_requested)
    return (values, *extras) if extras else values
