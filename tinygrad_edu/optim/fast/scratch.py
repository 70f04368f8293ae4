"""Scratch arrays that are reused from step to step, and the chunks of parameters, which fit the cache."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from operator import is_
from threading import local
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.thresholds import SizeThreshold

# A step passes over its arrays two to sixteen times: chunks of this size stay in the cache meanwhile.
_BYTES = SizeThreshold(1024 * 1024)
_LINE = 64  # bytes of a cache line


class Chunk(NamedTuple):
    """A chunk of a parameter: its index, views of the parameter and its state, and two scratch arrays."""

    index: Any
    param: ndarray
    a: ndarray
    b: ndarray
    state: tuple[ndarray, ...]


class Scratch(local):
    """Scratch memory, separate for each thread, and the chunks of each parameter. A copy starts empty."""

    def __init__(self) -> None:
        self._buffer = np.empty(0, np.uint8)
        self._chunks: dict[int, tuple[list[ndarray], list[Chunk]]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Scratch, ()

    def chunks(self, arrays: list[ndarray]) -> list[Chunk]:
        """Return the chunks of a parameter, the first array, and of its state, arrays of the same shape."""
        kept, found = self._chunks.get(id(arrays[0]), ([], []))
        if len(kept) != len(arrays) or not all(map(is_, kept, arrays)):
            found = list(self._cut(*arrays))
            self._chunks[id(arrays[0])] = arrays, found  # a reference keeps the id unique
        return found

    def _cut(self, param: ndarray, *state: ndarray) -> Iterator[Chunk]:
        for index in _indices(param):
            part = param[index]
            a, b = self.arrays(part.dtype, part.shape, part.shape)
            yield Chunk(index, part, a, b, tuple(array[index] for array in state))

    def arrays(self, dtype: np.dtype[Any], *shapes: tuple[int, ...]) -> list[ndarray]:
        """Return one array for each shape. All share one buffer, whose old contents are overwritten."""
        counts = [int(np.prod(shape)) for shape in shapes]
        starts = [0, *accumulate(-(-count * dtype.itemsize // _LINE) * _LINE for count in counts)]
        if starts[-1] > self._buffer.nbytes:
            self._buffer = _aligned(starts[-1])
            self._chunks.clear()  # they hold views of the old buffer
        views = [
            self._buffer[start : start + count * dtype.itemsize]
            for start, count in zip(starts[:-1], counts, strict=True)
        ]
        return [view.view(dtype).reshape(shape) for view, shape in zip(views, shapes, strict=True)]


def _aligned(size: int) -> ndarray:
    """Return a buffer that starts at a cache line: a write across two lines costs twice as much."""
    whole = np.empty(size + _LINE, np.uint8)
    return whole[-whole.ctypes.data % _LINE :][:size]


def _indices(array: ndarray) -> list[Any]:
    """Return the indices of the chunks: as many rows as fit `_BYTES`, at least one."""
    if not array.ndim:
        return [...]
    rows = max(1, _BYTES * len(array) // max(1, array.nbytes))
    return [slice(start, start + rows) for start in range(0, len(array), rows)]
