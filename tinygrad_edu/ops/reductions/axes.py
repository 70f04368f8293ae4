"""Numbers of reduced elements, and merging of axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.arrays import Axis, keepdims_shape
from tinygrad_edu.engine import shape_of
from tinygrad_edu.ops.shapes.shape import reshape, transpose


def inverse(axes: Sequence[int]) -> tuple[int, ...]:
    """Return the inverse of a permutation of axes."""
    positions = [axis % len(axes) for axis in axes]
    return tuple(positions.index(axis) for axis in range(len(axes)))


def reduced_count(shape: tuple[int, ...], axis: Axis) -> int:
    """Return the number of elements that a reduction over `axis` combines into one."""
    return math.prod(n for n, kept in zip(shape, keepdims_shape(shape, axis), strict=True) if kept != n)


def _reduced_axes_last(ndim: int, axis: Axis) -> tuple[tuple[int, ...], int]:
    """Return the order of axes with the reduced axes last, and the number of reduced axes."""
    axes = range(ndim) if axis is None else (axis,) if isinstance(axis, int | np.integer) else axis
    reduced = sorted({a % ndim for a in axes}) if ndim else []
    return (*(a for a in range(ndim) if a not in reduced), *reduced), len(reduced)


def merge_axes(x: Any, axis: Axis) -> Any:
    """Return x with the reduced axes merged into one, which is moved last."""
    shape = shape_of(x)
    order, count = _reduced_axes_last(len(shape), axis)
    kept = tuple(shape[a] for a in order[: len(order) - count])
    if count == 1 and order[-1] == len(order) - 1:
        return x
    return reshape(transpose(x, order), (*kept, reduced_count(shape, axis)))


def split_axes(x: Any, shape: tuple[int, ...], axis: Axis) -> Any:
    """Undo `merge_axes` of an array of shape `shape`."""
    order, _ = _reduced_axes_last(len(shape), axis)
    return transpose(reshape(x, tuple(shape[a] for a in order)), inverse(order))
