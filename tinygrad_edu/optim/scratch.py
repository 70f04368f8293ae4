"""Memory that the steps of an optimizer compute in: kept from one step to the next, and small enough for the cache."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

# A step passes over its arrays two to sixteen times: parts of this size stay in the cache meanwhile.
_BYTES = 128 * 1024


class Scratch:
    """The parts that an array is worked on in, each with scratch arrays of its shape. A copy begins anew."""

    __slots__ = ("_buffer", "_parts")

    def __init__(self) -> None:
        self._buffer = np.empty(0, np.uint8)
        self._parts: dict[Any, list[tuple[Any, list[ndarray]]]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Scratch, ()

    def parts(self, array: ndarray) -> list[tuple[Any, list[ndarray]]]:
        """Return the index of each part of an array, and two arrays of the shape and dtype of the part."""
        key = array.shape, array.dtype
        found = self._parts.get(key)
        if found is None:
            shapes = [(index, array[index].shape) for index in _cut(array)]
            found = [(index, self.arrays(array.dtype, shape, shape)) for index, shape in shapes]
            self._parts[key] = found
        return found

    def arrays(self, dtype: np.dtype[Any], *shapes: tuple[int, ...]) -> list[ndarray]:
        """Return an array for each shape, side by side in the one memory; what else was in it is overwritten."""
        counts = [int(np.prod(shape)) for shape in shapes]
        if sum(counts) * dtype.itemsize > self._buffer.nbytes:
            self._buffer = np.empty(sum(counts) * dtype.itemsize, np.uint8)
            self._parts.clear()  # they are of the old buffer, which would live on
        room = self._buffer[: sum(counts) * dtype.itemsize].view(dtype)
        pieces = np.split(room, np.cumsum(counts)[:-1])
        return [piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True)]


def _cut(array: ndarray) -> list[Any]:
    """Return the indices of the parts: as many rows each as `_BYTES` hold, and at least one."""
    if not array.ndim:
        return [...]
    rows = max(1, _BYTES * len(array) // max(1, array.nbytes))
    return [slice(start, start + rows) for start in range(0, len(array), rows)]
