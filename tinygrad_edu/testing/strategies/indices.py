"""Strategies for array indices: basic, advanced, boolean and mixed ones, often with repeated positions."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.strategies.arrays import Shape, Strategy, masks, positions

_DTYPES = st.sampled_from([np.dtype(name) for name in ("int64", "int64", "int32", "uint8")])
_REPEATED = st.sampled_from([None, 1, 1, 2])  # the number of distinct positions in an array; None for any number
_LENGTHS = st.sampled_from([2, 3, 4, 5, 1, 0])
_SHAPES = hnp.array_shapes(max_dims=2, max_side=4)
_KINDS = st.sampled_from(["slice", "position", "mask", *["array"] * 4])


@lru_cache
def indices(shape: Shape) -> Strategy[Any]:
    """Draw an index for an array of this shape.

    The index is basic, with ``...`` and new axes; an index array for the first axis or for each axis; a mask; or a
    mixture of slices, integers, arrays and masks. Most index arrays repeat positions, also as equivalent negative
    indices. Some have dtype int32 or uint8.
    """
    strategies = [hnp.basic_indices(shape, allow_newaxis=True), masks(shape), *[_mixed(shape)] * 3]
    if shape and all(shape):
        for_each_axis = _DTYPES.flatmap(
            lambda dtype: hnp.integer_array_indices(shape, result_shape=_SHAPES, dtype=dtype)
        )
        strategies += [_rows(shape[0]), _rows(shape[0]), for_each_axis]
    return st.sampled_from(strategies).flatmap(lambda strategy: strategy)


@st.composite
def _rows(draw: Any, n: int) -> Array:
    return _index_array(draw, n, (draw(_LENGTHS),), draw(_REPEATED))


def _index_array(draw: Any, n: int, shape: Shape, repeated: int | None) -> Array:
    """Draw positive and negative positions on an axis of length n: independent ones, or the first few repeated."""
    drawn, dtype = draw(positions(shape, 2 * n)), draw(_DTYPES)
    position = np.resize(drawn.ravel()[:repeated] // 2, shape)
    from_the_end = n * (drawn % 2) if dtype.kind == "i" else 0
    return (position - from_the_end).astype(dtype)


@st.composite
def _mixed(draw: Any, shape: Shape) -> Any:
    """Draw a mixed index for some axes on either side of ``...``. The arrays and masks in it broadcast together."""
    repeated, length = draw(_REPEATED), draw(_LENGTHS)
    parts: list[Any] = []
    if draw(st.booleans()):
        last = draw(st.integers(0, len(shape)))
        parts = [..., *(_part(draw, n, length, repeated) for n in shape[len(shape) - last :])]
        shape = shape[: len(shape) - last]
    first = draw(st.integers(0 if parts else min(1, len(shape)), len(shape)))
    parts = [*(_part(draw, n, length, repeated) for n in shape[:first]), *parts]
    if draw(st.integers(0, 3)) == 3:
        parts.insert(draw(st.integers(0, len(parts))), None)
    return tuple(parts)


def _part(draw: Any, n: int, length: int, repeated: int | None) -> Any:
    kind = draw(_KINDS) if n else "slice"
    if kind == "slice":
        return draw(st.slices(n))
    if kind == "position":
        return draw(st.integers(-n, n - 1))
    if kind == "array":
        return _index_array(draw, n, draw(st.sampled_from([(length,)] * 3 + [(2, length), (1,)])), repeated)
    return np.argsort(draw(positions((n,), 256)), kind="stable") < (length if length <= n else 1)
