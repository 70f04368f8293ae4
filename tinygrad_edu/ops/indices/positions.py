"""Selection of positions along an axis, and its transpose, which adds at positions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, add_at, op
from tinygrad_edu.shared.speed.thresholds import PLANS, SizeThreshold


@op(name="take", batching="along")
def index_select(x: Array, /, positions: ndarray, axis: int) -> Array:
    """Return the elements of x at these positions along an axis; positions may repeat."""
    runs, leading = _runs(positions), leading_slices(axis)
    if runs is None:
        return np.take(x, positions, axis)
    out = np.empty_like(x, shape=(*x.shape[:axis], len(positions), *x.shape[axis + 1 :]))
    for run, target in runs:
        out[(*leading, run)] = x[(*leading, target)]
    return out


@op(name="scatter_add", batching="along")
def add_positions(x: Array, /, positions: ndarray, axis: int, length: int) -> Array:
    """Add x to zeros at these positions along an axis of length `length`: the transpose of `index_select`."""
    wide = x.astype(np.float32) if x.dtype == np.float16 else x  # 2048 + 1 is 2048 in float16
    out = np.zeros_like(wide, shape=(*x.shape[:axis], length, *x.shape[axis + 1 :]))
    index_add_array(out, wide, positions, axis)
    return out.astype(x.dtype, copy=False)


def index_add_array(out: ndarray, x: ndarray, positions: ndarray, axis: int) -> None:
    """Add the elements of x to `out` at these positions along an axis, in place.

    One addition handles one run, or one occurrence of each position. That is ten times as fast as ``np.add.at`` unless
    positions repeat often.
    """
    runs, leading = _runs(positions), leading_slices(axis)
    if runs is not None:
        for run, indexed in runs:
            part, target = x[(*leading, run)], out[(*leading, indexed)]
            for chunk in _chunks_or_sum(part, target.shape[axis], axis):
                target += chunk
        return
    if np.max(np.bincount(positions), initial=0) > _MANY_DUPLICATES:
        add_at(out, (*leading, positions), x)
        return
    remaining = np.arange(len(positions))
    while remaining.size:
        unique, first = np.unique(positions[remaining], return_index=True)
        out[(*leading, unique)] += x[(*leading, remaining[first])]
        remaining = np.delete(remaining, first)


def _chunks_or_sum(x: ndarray, length: int, axis: int) -> Iterator[ndarray]:
    """Yield the chunks of x of this length along an axis, or their sum if there are many, which is faster."""
    count = x.shape[axis] // length
    if count > _MANY_DUPLICATES:
        yield np.add.reduce(x, axis, x.dtype, keepdims=True)
    else:
        yield from (x[(*leading_slices(axis), slice(i * length, (i + 1) * length))] for i in range(count))


_MANY_DUPLICATES = SizeThreshold(16)  # occurrences of one position
_MAX_RUNS = SizeThreshold(32)
_MAX_CACHED_LENGTH = SizeThreshold(4096)  # longest array of positions whose runs are cached


def leading_slices(axis: int) -> tuple[Any, ...]:
    """Return the full slices that index all axes before `axis`."""
    return (slice(None),) * axis


def _runs(positions: ndarray) -> list[tuple[slice, slice]] | None:
    """Split positions into runs of equal steps, each as two slices: into `positions` and into the indexed axis.

    Padding needs few runs; so does upsampling by 2 or 3 if the runs take every second or third position. A run of one
    repeated position indexes one element. Return None for more than `_MAX_RUNS` runs.
    """
    find = _find_runs if len(positions) <= _MAX_CACHED_LENGTH else _find_runs.__wrapped__
    return find(positions.astype(np.intp, copy=False).tobytes())


@lru_cache(128)
def _find_runs(buffer: bytes) -> list[tuple[slice, slice]] | None:
    positions = np.frombuffer(buffer, np.intp)
    span = np.ptp(positions) + 1 if len(positions) else 1
    candidates: list[list[tuple[slice, slice]]] = []
    for step in {1, max(1, round(len(positions) / span))}:
        runs = chain.from_iterable(_iter_runs(positions[first::step], first, step) for first in range(step))
        candidates.append(list(islice(runs, _MAX_RUNS + 1)))
    fewest = min(candidates, key=len)
    return fewest if len(fewest) <= _MAX_RUNS else None


PLANS.append(_find_runs.cache_clear)


def _iter_runs(positions: ndarray, first: int, step: int) -> Iterator[tuple[slice, slice]]:
    """Yield the runs of the positions at the indices first, first + step, ..."""
    start = 0
    while start < len(positions):
        strides = np.diff(positions[start:])
        stride = int(strides[0]) if len(strides) else 1
        count = 1 + int(np.argmin(np.append(strides == stride, False)))
        begin, last = int(positions[start]), int(positions[start + count - 1])
        end = last + 1 if stride >= 0 else last - 1 if last else None
        run = slice(first + step * start, first + step * (start + count - 1) + 1, step)
        yield run, slice(begin, end, stride or 1)
        start += count


index_select.vjps(x=lambda g, x_shape, positions, axis: add_positions(g, positions, axis, x_shape[axis]))
add_positions.vjps(x=lambda g, positions, axis: index_select(g, positions, axis))
