"""Repeated elements, tiled arrays and coordinate grids."""

from __future__ import annotations

from itertools import chain
from math import prod
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, MappedCall, Tensor, TensorLike, op
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.ops.indices.positions import add_positions
from tinygrad_edu.ops.reductions.reduction import sum
from tinygrad_edu.ops.shapes.shape import broadcast_arrays, identity, reshape

__all__ = ["meshgrid", "repeat", "tile"]


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
