"""Copies of the elements: whole arrays side by side, each element several times, and grids of coordinates."""

from functools import reduce
from itertools import chain
from math import prod
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, add_at, op
from tinygrad_edu.ops.arithmetic import add
from tinygrad_edu.ops.reduction import sum
from tinygrad_edu.ops.shape import broadcast_arrays, identity, reshape

__all__ = ["meshgrid", "repeat", "tile"]


@op
def picked(x: Array, /, positions: ndarray, axis: int) -> Array:
    """Return the elements of x that are at some positions along an axis; some may be named several times."""
    runs, before = _runs(positions), _before(axis)
    if runs is None:
        return np.take(x, positions, axis)
    out = np.empty_like(x, shape=(*x.shape[:axis], len(positions), *x.shape[axis + 1 :]))
    for run, named in runs:
        out[(*before, run)] = x[(*before, named)]
    return out


@op
def added_up(x: Array, /, positions: ndarray, axis: int, length: int) -> Array:
    """Return zeros of that length along an axis, with the elements of x added at the positions: undo `picked`.

    One addition takes one run, or one element of each position, which is ten times as fast as ``np.add.at``, unless
    they are many.
    """
    out = np.zeros_like(x, shape=(*x.shape[:axis], length, *x.shape[axis + 1 :]))
    runs, before = _runs(positions), _before(axis)
    if runs is not None:
        for run, named in runs:
            part, target = x[(*before, run)], out[(*before, named)]
            target += part if part.shape == target.shape else np.add.reduce(part, axis, x.dtype, keepdims=True)
        return out
    if np.max(np.bincount(positions), initial=0) > _MANY:
        add_at(out, (*before, positions), x)
        return out
    left = np.arange(len(positions))
    while left.size:
        at, first = np.unique(positions[left], return_index=True)
        out[(*before, at)] += x[(*before, left[first])]
        left = np.delete(left, first)
    return out


_MANY = 16  # times that one position is named
_FEW = 8  # runs, or copies


def _before(axis: int) -> tuple[Any, ...]:
    return (slice(None),) * axis


def _runs(positions: ndarray) -> list[tuple[slice, slice]] | None:
    """Cut positions into runs upwards, downwards, or on the spot: the place of each, and the elements that it names.

    So they are where a border is put around an array. None stands for more than a few.
    """
    runs: list[tuple[slice, slice]] = []
    steps, start = np.append(np.diff(positions), 2), 0  # 2 is the end of every run
    while start < len(positions) and len(runs) <= _FEW:
        at, step = int(positions[start]), int(steps[start])
        count = 1 + int(np.argmax(steps[start:] != step)) if abs(step) < 2 else 1
        ends = {0: at + 1, -1: at - count if at >= count else None}
        runs.append((slice(start, start + count), slice(at, ends.get(step, at + count), -1 if step == -1 else 1)))
        start += count
    return runs if len(runs) <= _FEW else None


picked.vjps(x=lambda g, x_shape, positions, axis: added_up(g, positions, axis, x_shape[axis]))
added_up.vjps(x=lambda g, positions, axis: picked(g, positions, axis))


@op
def tile(x: Array, /, reps: Any) -> Array:
    """Return x laid side by side `reps` times along each axis; fewer axes, or fewer numbers, count as 1 in front.

    This is what PyTorch calls ``t.repeat(2, 3)``.
    """
    return np.tile(x, reps)


def _tile_x(g: Any, x_shape: tuple[int, ...], reps: Any) -> Any:
    """Add up the copies: each axis of g is made of copies, and of places in a copy."""
    copies = np.ravel(reps).tolist()
    axes = max(len(copies), len(x_shape))
    copies, lengths = [1] * (axes - len(copies)) + copies, [1] * (axes - len(x_shape)) + [*x_shape]
    apart = reshape(g, tuple(chain.from_iterable(zip(copies, lengths, strict=True))))
    return reshape(sum(apart, axis=tuple(range(0, 2 * axes, 2))), x_shape)


tile.vjps(x=_tile_x)


@op
def repeat(x: Array, /, repeats: Any, axis: int | None = None) -> Array:
    """Return x with each element `repeats` times along `axis`: a number, or one for each place.

    Without an axis x is flattened first. As a method ``t.repeat(2, 3)`` is NumPy's too, each element twice along axis
    3; what PyTorch means by it is ``tile(t, (2, 3))``.
    """
    return np.repeat(x, repeats, axis)


def _repeat_x(g: Any, x_shape: tuple[int, ...], repeats: Any, axis: int | None) -> Any:
    lengths = (prod(x_shape),) if axis is None or not x_shape else x_shape
    along = (axis or 0) % len(lengths)
    counts, n = np.asarray(repeats, int), lengths[along]
    if counts.size == 1:
        return reshape(_neighbours_added(g, along, n, counts.item()), x_shape)
    return reshape(added_up(g, np.repeat(np.arange(n), counts), along, n), x_shape)


def _neighbours_added(x: Any, axis: int, n: int, count: int) -> Any:
    """Make n elements along an axis, each the sum of `count`: of few by slices, ten times as fast as NumPy's sum."""
    if 1 <= count <= _FEW:
        return reduce(add, (x[(*_before(axis), slice(i, None, count))] for i in range(count)))
    return sum(reshape(x, (*x.shape[:axis], n, count, *x.shape[axis + 1 :])), axis=axis + 1)


repeat.vjps(x=_repeat_x)


def meshgrid(*arrays: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """Return the coordinates of all points of a grid, one array for each list of coordinates.

    Parameters
    ----------
    *arrays : array_like
        The coordinates along each axis; flattened.
    copy : bool
        Make arrays of their own; else read-only views, where one number is in many places.
    sparse : bool
        Keep the length 1 along the axes that a coordinate does not depend on.
    indexing : str
        With "ij", the first array goes along axis 0 of the results, the second along axis 1; with "xy", these two are
        exchanged.

    Raises
    ------
    ValueError
        For another `indexing`.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f'meshgrid: indexing is "xy" or "ij", not {indexing!r}.')
    count = len(arrays)
    places = [1, 0, *range(2, count)] if indexing == "xy" and count > 1 else range(count)
    grids = tuple(reshape(x, (1,) * at + (-1,) + (1,) * (count - 1 - at)) for at, x in zip(places, arrays, strict=True))
    grids = grids if sparse else broadcast_arrays(*grids)
    return tuple(map(identity, grids)) if copy else grids
