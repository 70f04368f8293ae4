"""Shapes, arrays of every memory layout, tensors, axes, labels and indices. They shrink to small round numbers."""

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_edu.engine import Array, Tensor
from tinygrad_edu.testing.literals import LAYOUTS

Shape = tuple[int, ...]
Strategy = st.SearchStrategy

_SIDES = (1, 2, 3, 4)
_GRID = 32  # values are multiples of 1 / 32: short to print, and exact
_MARGIN = 0.125  # from a value that is to be avoided


@st.composite
def shapes(draw: Any, min_dims: int = 0, max_dims: int = 3, empty: bool = True) -> Shape:
    """Draw a shape: 0-d, with axes of length 1, and now and then (unless ``empty=False``) with an axis of length 0."""
    sides = st.sampled_from(_SIDES * 4 + (0,) * empty)
    ndim = draw(st.integers(min_dims, max_dims))
    if draw(st.integers(0, 2)) == 2:  # all alike: only these show a forgotten transposition
        sides = st.just(draw(sides))
    return tuple(draw(sides) for _ in range(ndim))


@st.composite
def broadcastable(draw: Any, count: int = 2, max_dims: int = 3, empty: bool = True) -> tuple[Shape, ...]:
    """Draw `count` shapes that broadcast: each is a common shape with axes of length 1 put in and left out, or not."""
    common = draw(shapes(0, max_dims, empty))
    if draw(st.integers(0, 2)) == 2:
        return (common,) * count

    def one() -> Shape:
        left_out = min(draw(st.sampled_from((0, 0, 0, 1, 2))), len(common))
        return tuple(draw(st.sampled_from((n, n, 1))) for n in common[left_out:])

    return tuple(one() for _ in range(count))


@lru_cache
def _numbers(low: float, high: float, away_from: tuple[float, ...]) -> Strategy[float]:
    grid = (k / _GRID for k in range(round(low * _GRID), round(high * _GRID) + 1))
    kept = [x for x in grid if all(abs(x - a) >= _MARGIN for a in away_from)]
    return st.sampled_from(sorted(kept, key=lambda x: (x.as_integer_ratio()[1], abs(x), x < 0)))


@st.composite
def arrays(
    draw: Any,
    shape: Shape | Strategy[Shape] | None = None,
    low: float = -3.0,
    high: float = 3.0,
    away_from: Sequence[float] = (),
    distinct: bool = False,
    dtype: Any = np.float64,
    layouts: bool = True,
) -> Array:
    """Draw an array of floating-point numbers.

    Parameters
    ----------
    shape : tuple of int, or strategy of such, optional
    low, high : float
        Bounds of the values.
    away_from : sequence of float
        Where a kink is: no value is closer to one than an eighth.
    distinct : bool
        All values differ by at least an eighth; `low`, `high` and `away_from` do not hold.
    dtype : dtype
    layouts : bool
        Draw the memory layout too: contiguous, Fortran, strided, reversed, and of stride 0 (unless distinct).
    """
    lengths: Shape = draw(shapes() if shape is None else shape if isinstance(shape, Strategy) else st.just(shape))
    size = prod(lengths)
    if distinct:
        values = [(k - size // 2) / 8 for k in draw(st.permutations(range(size)))]
    else:
        values = draw(st.lists(_numbers(low, high, tuple(away_from)), min_size=size, max_size=size))
    array = np.array(values, dtype).reshape(lengths)
    names = ["contiguous", *LAYOUTS][: None if not distinct else -1]
    layout = draw(st.sampled_from(names)) if layouts and size and lengths else "contiguous"
    return array if layout == "contiguous" else LAYOUTS[layout](array)


def tensors(requires_grad: bool | None = None, **settings: Any) -> Strategy[Tensor]:
    """Draw a Tensor: a leaf with or without a gradient (both, unless said), of `arrays(**settings)`."""
    flags = st.booleans() if requires_grad is None else st.just(requires_grad)
    return st.builds(Tensor, arrays(layouts=False, **settings), flags)


@st.composite
def axes(draw: Any, ndim: int, none: bool = True, several: bool = True) -> Any:
    """Draw what the keyword `axis` takes for an array of `ndim` axes: None, a position of either sign, a tuple."""
    one = st.integers(0, ndim - 1).flatmap(lambda a: st.sampled_from((a, a - ndim))) if ndim else st.nothing()
    positions = st.lists(st.sampled_from(range(ndim)), unique=True) if ndim else st.just([])
    some = positions.map(tuple) if several else st.nothing()
    return draw(one | some | (st.none() if none else st.nothing()))


def labels(shape: Shape, classes: int) -> Strategy[Array]:
    """Draw integer labels in 0..classes - 1."""
    return st.lists(st.integers(0, classes - 1), min_size=prod(shape), max_size=prod(shape)).map(
        lambda values: np.array(values, np.int64).reshape(shape)
    )


def masks(shape: Shape) -> Strategy[Array]:
    """Draw a boolean array."""
    return st.lists(st.booleans(), min_size=prod(shape), max_size=prod(shape)).map(
        lambda values: np.array(values, bool).reshape(shape)
    )


@st.composite
def _index_arrays(draw: Any, n: int, shape: Shape) -> Array:
    """Draw an integer array that indexes an axis of length n, with repetitions and negative positions."""
    return np.array(
        draw(st.lists(st.integers(-n, n - 1), min_size=prod(shape), max_size=prod(shape))), np.int64
    ).reshape(shape)


@st.composite
def _mixed(draw: Any, shape: Shape) -> Any:
    """Draw for each axis a slice, a position, an array of positions or a mask; the arrays broadcast together."""
    length = draw(st.integers(1, 3))
    parts: list[Any] = []
    for n in shape[: draw(st.integers(0, len(shape)))]:
        kinds = ["slice", "position", "array", "mask"] if n else ["slice"]
        kind = draw(st.sampled_from(kinds))
        if kind == "slice":
            parts.append(draw(st.slices(n)))
        elif kind == "position":
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == "array":
            parts.append(draw(_index_arrays(n, draw(st.sampled_from([(length,), (1,), (2, length)])))))
        else:
            mask = np.zeros(n, bool)
            mask[
                draw(st.lists(st.integers(0, n - 1), min_size=min(n, length), max_size=min(n, length), unique=True))
            ] = 1
            parts.append(mask)
    return tuple(parts)


def indices(shape: Shape) -> Strategy[Any]:
    """Draw an index for an array of that shape: basic, advanced, boolean, or all of them mixed."""
    whole_mask = masks(shape)
    row = st.integers(0, 3).flatmap(lambda k: _index_arrays(shape[0], (k,))) if shape and shape[0] else st.nothing()
    basic = hnp.basic_indices(shape, allow_newaxis=True)
    return basic | row | whole_mask | _mixed(shape).filter(lambda index: _fits(index, shape))


def _fits(index: Any, shape: Shape) -> bool:
    try:
        np.empty(shape)[index]
    except IndexError:
        return False
    return True
