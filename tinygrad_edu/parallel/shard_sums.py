"""The weighted loss and gradients of shards, and their sum."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy import ndarray

__all__ = ["Gradients", "ShardSum", "add_gradients", "add_shards", "in_c_order"]

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
