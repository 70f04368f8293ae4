"""Repeated elements, tiled arrays and coordinate grids."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, islice
from math import prod
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, MappedCall, Tensor, TensorLike, add_at, op
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.ops.reduction import sum
from tinygrad_edu.ops.shape import broadcast_arrays, identity, reshape
from tinygrad_edu.shared.speed.thresholds import PLANS, SizeThreshold

__all__ = ["meshgrid", "repeat", "tile"]


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


def _tile_samples(batch: MappedCall) -> Any:
    (x,), reps = batch.inputs, np.ravel(batch.settings["reps"]).tolist()
    ndim = max(len(reps), batch.sample_ndim())
    x = reshape(x, (batch.size, *[1] * (ndim - batch.sample_ndim()), *batch.sample_shape()))
    return batch.with_inputs(x).on_leading(reps=(1, *[1] * (ndim - len(reps)), *reps))


@op(batching=_tile_samples)
def tile(x: Array, /, reps: Any) -> Array:
    """Repeat x `reps` times along each axis. The shorter of `reps` and the shape of x is padded with leading 1s.

    PyTorch's ``t.repeat(2, 3)`` is ``tile(t, (2, 3))``.
    """
    return np.tile(x, reps)


def _tile_x(g: Any, x_shape: tuple[int, ...], reps: Any) -> Any:
    """Sum over the copies: split each axis of g into copies and positions within a copy."""
    copies = np.ravel(reps).tolist()
    axes = max(len(copies), len(x_shape))
    copies, lengths = [1] * (axes - len(copies)) + copies, [1] * (axes - len(x_shape)) + [*x_shape]
    split = reshape(g, tuple(chain.from_iterable(zip(copies, lengths, strict=True))))
    return reshape(sum(split, axis=tuple(range(0, 2 * axes, 2))), x_shape)


tile.vjps(x=_tile_x)


@op(batching="along")
def repeat(x: Array, /, repeats: Any, axis: int | None = None) -> Array:
    """Repeat each element of x along `axis`. `repeats` is an integer, or one integer per position.

    If `axis` is None, x is flattened first. The method ``t.repeat(2, 3)`` also follows NumPy: it repeats each element
    twice along axis 3. PyTorch's ``t.repeat(2, 3)`` is ``tile(t, (2, 3))``.
    """
    counts = np.asarray(repeats)
    try:
        length = x.size if axis is None or not x.ndim else x.shape[axis]
    except IndexError:
        raise _torch_repeat(x, f"axis {axis} is out of bounds", f"({repeats}, {axis})") from None
    total = counts.sum(dtype=float) * (length if counts.size == 1 else 1) if counts.dtype.kind in "iu" else 0
    if total > np.iinfo(np.intp).max:  # NumPy does not check this, and writes out of bounds
        raise ShapeError(f"repeat: repeats={repeats!r} makes an axis of {total:.0f} elements, too long for an array.")
    try:
        return np.repeat(x, repeats, axis)
    except ValueError:
        if axis is not None or counts.ndim != 1:
            raise
        raise _torch_repeat(x, f"{counts.size} repeats for {length} elements", str(repeats)) from None


def _torch_repeat(x: Array, problem: str, copies: str) -> ShapeError:
    """Return the error for a call that repeats the whole array, as PyTorch's method does."""
    return ShapeError(
        f"repeat: {problem}, for x of shape {x.shape}. It repeats each element along one axis, as in NumPy; PyTorch's "
        f"repeat is tg.tile(x, {copies})."
    )


def _repeat_x(g: Any, x_shape: tuple[int, ...], repeats: Any, axis: int | None) -> Any:
    lengths = (prod(x_shape),) if axis is None or not x_shape else x_shape
    along = (axis or 0) % len(lengths)
    counts, n = np.asarray(repeats, int), lengths[along]
    if counts.size == 1:
        split = reshape(g, (*lengths[:along], n, counts.item(), *lengths[along + 1 :]))
        return reshape(sum(split, axis=along + 1), x_shape)
    return reshape(add_positions(g, np.repeat(np.arange(n), counts), along, n), x_shape)


repeat.vjps(x=_repeat_x)


def meshgrid(
    *arrays: TensorLike, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Tensor | Array, ...]:
    """Return coordinate arrays of a grid, one for each 1-d array of coordinates.

    Parameters
    ----------
    *arrays : array_like
        The coordinates along each axis; flattened.
    copy : bool, default True
        Whether to return copies. If False, return read-only views, in which repeated elements share storage.
    sparse : bool, default False
        Whether to keep length 1 along the axes that a coordinate does not depend on.
    indexing : {"xy", "ij"}, default "xy"
        "ij" (matrix) varies the first array along axis 0 of the results and the second along axis 1; "xy" (Cartesian)
        exchanges these two axes.

    Raises
    ------
    ValueError
        If `indexing` is neither "xy" nor "ij".
    """
    if indexing not in ("xy", "ij"):
        raise invalid_choice("meshgrid: indexing", indexing, ("xy", "ij"))
    count = len(arrays)
    axes = [1, 0, *range(2, count)] if indexing == "xy" and count > 1 else range(count)
    grids = tuple(reshape(x, (1,) * a + (-1,) + (1,) * (count - 1 - a)) for a, x in zip(axes, arrays, strict=True))
    grids = grids if sparse else broadcast_arrays(*grids)
    return tuple(map(identity, grids)) if copy else grids
