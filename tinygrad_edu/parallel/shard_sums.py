"""The weighted loss and gradients of shards, their sum, and flat arrays that hold it, one per dtype."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy import ndarray

Gradients = list[ndarray | None]


class ShardSum(NamedTuple):
    """Loss and gradients of a shard or a sum of shards, weighted by its share of the batch.

    Attributes
    ----------
    value : float
        The loss.
    gradients : list of (ndarray or None)
        One for each tensor, or None if the loss does not depend on it.
    weight : float
        The denominator of an additive loss, or the number of samples of any other loss.
    """

    value: float
    gradients: Gradients
    weight: float


def add_shards(left: ShardSum, right: ShardSum) -> ShardSum:
    """Return the sum of two parts. The gradients of `left` are changed in place."""
    gradients = add_gradients(left.gradients, right.gradients)
    return ShardSum(left.value + right.value, gradients, left.weight + right.weight)


def add_gradients(totals: Gradients, parts: Gradients) -> Gradients:
    """Return the sums of gradients. `totals` is changed in place."""
    return [_add(total, part) for total, part in zip(totals, parts, strict=True)]


def _add(total: ndarray | None, part: ndarray | None) -> ndarray | None:
    if total is None or part is None:
        return part if total is None else total
    total += part
    return total


def in_c_order(gradients: Sequence[ndarray | None]) -> Gradients:
    """Return the gradients in C order, as received from other ranks: the layout affects the bits of later products."""
    return [None if g is None else np.asarray(g, order="C") for g in gradients]


class PackedSums:
    """Layout of the flat arrays that hold a `ShardSum`.

    Parameters
    ----------
    tensors : list of ndarray
        The arrays that the gradients belong to.

    Attributes
    ----------
    like : list of ndarray
        Arrays with the sizes and dtypes of the flat arrays.
    """

    def __init__(self, tensors: list[ndarray]) -> None:
        self._tensors = tensors
        self._dtypes = list(dict.fromkeys(tensor.dtype for tensor in tensors))
        sizes = [sum(t.size for t in tensors if t.dtype == dtype) for dtype in self._dtypes]
        self.like = [np.empty(2 + len(tensors)), *map(np.empty, sizes, self._dtypes)]

    def pack(self, part: ShardSum) -> list[ndarray]:
        """Return the flat arrays of a sum."""
        # x + -0.0 is x for every x, also for 0.0 and -0.0, so -0.0 represents a missing gradient.
        flat = [np.full(size.shape, -0.0, size.dtype) for size in self.like[1:]]
        for view, gradient in zip(self._views(flat), part.gradients, strict=True):
            if gradient is not None:
                view[...] = gradient
        is_present = [float(gradient is not None) for gradient in part.gradients]
        return [np.array([part.value, part.weight, *is_present]), *flat]

    def unpack(self, arrays: list[ndarray]) -> ShardSum:
        """Return the sum that flat arrays hold."""
        (value, weight, *is_present), *flat = arrays
        gradients = [view if present else None for view, present in zip(self._views(flat), is_present, strict=True)]
        return ShardSum(float(value), gradients, float(weight))

    def _views(self, flat: list[ndarray]) -> list[ndarray]:
        """Return a view of each tensor's part of the flat arrays."""
        ends, views = dict.fromkeys(self._dtypes, 0), list[ndarray]()
        for t in self._tensors:
            start, ends[t.dtype] = ends[t.dtype], ends[t.dtype] + t.size
            views.append(flat[self._dtypes.index(t.dtype)][start : ends[t.dtype]].reshape(t.shape))
        return views
