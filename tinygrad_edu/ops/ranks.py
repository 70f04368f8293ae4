"""Indices of ranks, by a stable sort along the last axis."""

import numpy as np
from numpy import ndarray


def stable_argsort(x: ndarray, descending: bool) -> ndarray:
    """Return the indices that sort x along its last axis. The sort is stable, and NaN is the largest."""
    if not descending:
        return x.argsort(-1, kind="stable")
    # Reversing the array reverses the order of ties; reversing the result restores it.
    return x.shape[-1] - 1 - x[..., ::-1].argsort(-1, kind="stable")[..., ::-1]


def plain_first_indices(x: ndarray, k: int, descending: bool) -> ndarray:
    """Return the first k of the indices that sort x along its last axis."""
    return stable_argsort(x, descending)[..., :k]


def plain_rank_indices(x: ndarray, ranks: ndarray) -> ndarray:
    """Return the index of the element with each rank along the last axis; for a row with a NaN, the index of a NaN."""
    order = stable_argsort(x, False)
    has_nan = np.isnan(np.take_along_axis(x, order[..., -1:], -1))
    return np.where(has_nan, order[..., -1:], order[..., ranks])
