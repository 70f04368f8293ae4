"""Layers that merge and split axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from numpy.lib.array_utils import normalize_axis_index

from tinygrad_edu import core
from tinygrad_edu.engine import Array, Tensor, TensorLike, shape_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.sharding import refuse_in_shard
from tinygrad_edu.ops.shapes.shape import flatten, holds_floats, reshape

if TYPE_CHECKING:
    from tinygrad_edu.nn.calls import OneInput

__all__ = ["Flatten", "Unflatten"]


class Flatten(core.Flatten, Module):
    """Merge consecutive axes into one. By default, a batch (N, ...) becomes (N, length).

    Parameters
    ----------
    start_axis : int, default 1
        The first of the merged axes.
    end_axis : int, default -1
        The last of them. Negative axes count from the end.

    Raises
    ------
    AxisError, ShapeError
        `forward` got an input without these axes, or `start_axis` is after `end_axis`.

    Examples
    --------
    >>> import numpy as np
    >>> Flatten()(np.zeros((5, 2, 3, 4))).shape, Flatten(0, 1)(np.zeros((5, 2, 3, 4))).shape
    ((5, 24), (10, 3, 4))
    """

    __call__: OneInput
    _setting_names = ("start_axis", "end_axis")

    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        self.start_axis, self.end_axis = start_axis, end_axis

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Apply `ops.flatten`."""
        if holds_floats(x) and x.ndim > 1 and (self.start_axis, self.end_axis) == (1, -1):
            return super().forward(x)
        if self.start_axis in (0, -len(shape_of(x))):
            refuse_in_shard(f"{self!r}: it merges the sample axis of its input of shape {shape_of(x)}")
        return flatten(x, self.start_axis, self.end_axis)

    def extra_repr(self) -> str:
        """Return the axes if they are not the defaults."""
        axes = (self.start_axis, self.end_axis)
        return "" if axes == (1, -1) else super().extra_repr()


class Unflatten(Module):
    """Split one axis into several: the inverse of `Flatten`.

    Parameters
    ----------
    axis : int
        The axis to split. A negative axis counts from the end.
    unflattened_size : sequence of int
        The lengths of the new axes. One of them may be -1, which is inferred.

    Raises
    ------
    AxisError, ShapeError
        `forward` got an input without that axis, or the product of the lengths is not its length.

    Examples
    --------
    >>> import numpy as np
    >>> Unflatten(1, (2, -1))(np.zeros((5, 24))).shape
    (5, 2, 12)
    """

    __call__: OneInput
    _setting_names = ("axis", "unflattened_size")

    def __init__(self, axis: int, unflattened_size: Sequence[int]) -> None:
        self.axis, self.unflattened_size = axis, tuple(unflattened_size)

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Reshape the axis."""
        shape, requested = shape_of(x), self.unflattened_size
        if self.axis in (0, -len(shape)):
            refuse_in_shard(f"{self!r}: it splits the sample axis of its input of shape {shape}")
        axis = normalize_axis_index(self.axis, len(shape))
        product = math.prod(size for size in requested if size != -1)
        inferred = shape[axis] // product if product else 0
        sizes = tuple(inferred if size == -1 else size for size in requested)
        if requested.count(-1) > 1 or min(sizes, default=0) < 0 or math.prod(sizes) != shape[axis]:
            raise ShapeError(f"{self!r}: an axis of length {shape[axis]} cannot be split into {requested}.")
        return reshape(x, (*shape[:axis], *sizes, *shape[axis + 1 :]))
