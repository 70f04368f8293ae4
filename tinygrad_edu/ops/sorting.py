"""Sorting and selection by rank. Gradients go to the selected elements; the order is a constant."""

from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_edu._checks import integer
from tinygrad_edu.engine import shape_of, values_of
from tinygrad_edu.ops.fast.partition import first_indices
from tinygrad_edu.ops.gather import take, take_along, take_along_axis
from tinygrad_edu.ops.indexing import getitem
from tinygrad_edu.ops.nondifferentiable import argsort
from tinygrad_edu.ops.shape import reshape, squeeze

__all__ = ["kthvalue", "sort", "topk", "unique"]


def sort(
    x: Any, axis: int | None = -1, descending: bool = False, stable: bool | None = None, kind: str | None = None
) -> Any:
    """Return x sorted along `axis`, or flattened and sorted if it is None. A method returns a new tensor, too.

    Equal elements keep their order, and with it their gradients, whatever `stable` and `kind` say: those are NumPy's,
    and of no effect. A NaN is greater than every number: ascending it comes last, and descending first.
    """
    if len(shape_of(x)) == 0 and axis is not None:
        return reshape(x, ())
    return take_along_axis(x, argsort(x, axis, descending, stable, kind), axis)


def topk(x: Any, k: int, axis: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Any, ndarray]:
    """Return the k greatest elements along `axis`, or the smallest, and their positions.

    Parameters
    ----------
    x : array_like
    k : int
    axis : int
    largest : bool
        Of equal elements the first are taken, and a NaN is greater than every number.
    sorted : bool
        They come in order in any case.

    Returns
    -------
    values : Tensor, or for an array an array
    indices : ndarray of int
        A plain array. ``values`` is ``take_along_axis(x, indices, axis)``.

    Raises
    ------
    ShapeError
        For k below 0, or above the length of the axis.
    """
    if len(shape_of(x)) == 0:
        values, places = topk(reshape(x, 1), k, 0, largest)
        return (reshape(values, ()), places.reshape(())) if k else (values, places)
    along = normalize_axis_index(axis, len(shape_of(x)))
    integer("topk: k", k, 0, shape_of(x)[along])
    values = np.asarray(values_of(x)).swapaxes(along, -1)
    places = first_indices(values, k, largest).swapaxes(along, -1)
    return take_along(x, places, along), places


def kthvalue(x: Any, k: int, axis: int = -1, keepdims: bool = False) -> tuple[Any, ndarray]:
    """Return the k-th smallest element along `axis`, counted from 1, and its position: as `topk`, a plain array."""
    if len(shape_of(x)) == 0:
        integer("kthvalue: k", k, 1, 1)
        return reshape(x, ()), np.zeros((), np.intp)
    along = normalize_axis_index(axis, len(shape_of(x)))
    integer("kthvalue: k", k, 1, shape_of(x)[along])
    places = argsort(x, along)[(*[slice(None)] * along, slice(k - 1, k))]
    values = take_along(x, places, along)
    return (values, places) if keepdims else (squeeze(values, along), places.squeeze(along))


def unique(
    x: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
    axis: int | None = None, equal_nan: bool = True, sorted: bool = True,
) -> Any:  # fmt: skip
    """Return the different elements of x, sorted; or, with an axis, the different subarrays along it.

    Of equal elements the gradient goes to the first.

    Parameters
    ----------
    x : array_like
    return_index, return_inverse, return_counts : bool
        Return plain arrays, too, in this order: where each was first found, which of them each element of x is, and how
        often each occurs.
    axis : int, optional
        None stands for x flattened.
    equal_nan : bool
        Whether one NaN stands for all.
    sorted : bool
        They come in order in any case.

    Returns
    -------
    Tensor or ndarray, or a tuple that begins with it
    """
    _, first, inverse, counts = np.unique(values_of(x), True, True, True, axis, equal_nan=equal_nan)
    values = getitem(reshape(x, -1), first) if axis is None else take(x, first, axis)
    wanted = ((return_index, first), (return_inverse, inverse), (return_counts, counts))
    others = tuple(answer for asked, answer in wanted if asked)
    return (values, *others) if others else values
