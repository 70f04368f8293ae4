"""Memory that the steps of an optimizer compute in: kept from one step to the next, and small enough for the cache."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from operator import is_
from threading import local
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.thresholds import SizeThreshold

# A step passes over its arrays two to sixteen times: parts of so many bytes stay near by meanwhile.
_BYTES = SizeThreshold(1024 * 1024)
_LINE = 64  # bytes of the cache that are read and written together


class Piece(NamedTuple):
    """A part of a parameter: where it is, a view of it and of each array beside it, and two scratch arrays."""

    index: Any
    data: ndarray
    a: ndarray
    b: ndarray
    beside: tuple[ndarray, ...]


class Scratch(local):
    """Scratch memory, of each thread its own, and the parts that arrays are worked on in. A copy begins anew."""

    def __init__(self) -> None:
        self._buffer = np.empty(0, np.uint8)
        self._parts: dict[int, tuple[list[ndarray], list[Piece]]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Scratch, ()

    def parts(self, arrays: list[ndarray]) -> list[Piece]:
        """Return the parts of an array, the first, and of others of its shape that are worked on together with it."""
        kept, found = self._parts.get(id(arrays[0]), ([], []))
        if len(kept) != len(arrays) or not all(map(is_, kept, arrays)):
            found = list(self._cut(*arrays))
            self._parts[id(arrays[0])] = arrays, found  # which keeps the array, and so its id
        return found

    def _cut(self, data: ndarray, *beside: ndarray) -> Iterator[Piece]:
        for index in _indices(data):
            part = data[index]
            a, b = self.arrays(part.dtype, part.shape, part.shape)
            yield Piece(index, part, a, b, tuple(array[index] for array in beside))

    def arrays(self, dtype: np.dtype[Any], *shapes: tuple[int, ...]) -> list[ndarray]:
        """Return an array for each shape, side by side in the one memory; what else was in it is overwritten."""
        counts = [int(np.prod(shape)) for shape in shapes]
        starts = [0, *accumulate(-(-count * dtype.itemsize // _LINE) * _LINE for count in counts)]
        if starts[-1] > self._buffer.nbytes:
            self._buffer = _on_a_line(starts[-1])
            self._parts.clear()  # they are of the old buffer, which would live on
        rooms = [
            self._buffer[start : start + count * dtype.itemsize]
            for start, count in zip(starts[:-1], counts, strict=True)
        ]
        return [room.view(dtype).reshape(shape) for room, shape in zip(rooms, shapes, strict=True)]


def _on_a_line(size: int) -> ndarray:
    """Return so many bytes, the first of a cache line: what is written across two lines costs twice."""
    whole = np.empty(size + _LINE, np.uint8)
    return whole[-whole.ctypes.data % _LINE :][:size]


def _indices(array: ndarray) -> list[Any]:
    """Return the indices of the parts: as many rows each as `_BYTES` hold, and at least one."""
    if not array.ndim:
        return [...]
    rows = max(1, _BYTES * len(array) // max(1, array.nbytes))
    return [slice(start, start + rows) for start in range(0, len(array), rows)]
