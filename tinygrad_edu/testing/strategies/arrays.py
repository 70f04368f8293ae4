"""Strategies for shapes, arrays of every memory layout, tensors, axes, labels and masks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_edu.engine import Array, Tensor
from tinygrad_edu.testing.arrays.layouts import LAYOUTS
from tinygrad_edu.testing.strategies.numbers import distinct_numbers, numbers_of_all_sizes, ordinary_numbers

Shape = tuple[int, ...]
Strategy = st.SearchStrategy

_ONE_IN_FOUR = st.integers(0, 3)
_ANY_LAYOUT = st.sampled_from(["contiguous", *LAYOUTS])
_LAYOUT_OF_DISTINCT = st.sampled_from(["contiguous", *(name for name in LAYOUTS if name != "stride0")])


@lru_cache
def shapes(min_dims: int = 0, max_dims: int = 5, empty: bool = True) -> Strategy[Shape]:
    """Draw a shape of at most 64 elements: 0-d, with axes of length 1, with long axes, or with many axes.

    Unless ``empty=False``, an axis may have length 0. If there are more than three axes, they are short.
    """
    usual_dims = max(min_dims, min(3, max_dims))

    def shapes_of(least_dims: int, most_dims: int, least: int, most: int) -> Strategy[Shape]:
        return hnp.array_shapes(min_dims=least_dims, max_dims=most_dims, min_side=least, max_side=most)

    usual = [shapes_of(ndim, ndim, 1, 4) for ndim in range(min_dims, usual_dims + 1)]
    # An axis of length 1 hides errors along it, so most shapes with several axes have none.
    longer = [shapes_of(ndim, ndim, 2, 4) for ndim in range(max(min_dims, 2), usual_dims + 1)]
    square = [shape.map(lambda shape: shape[:1] * len(shape)) for shape in longer]  # reveal a missing transpose
    strategies = [*usual, *longer, *longer, *square]
    if min_dims <= 2 and usual_dims:
        strategies += [shapes_of(max(min_dims, 1), min(usual_dims, 2), 1, 8)] * 2
    if min_dims <= 1 <= max_dims:
        strategies += [shapes_of(1, 1, 9, 20)]  # longer than a block of 8
    if max_dims > 3:
        strategies += [shapes_of(max(min_dims, 4), max_dims, 1, 2)]
    if empty:
        strategies += [shapes_of(min_dims, usual_dims, 0, 2)]
    return st.sampled_from(strategies).flatmap(lambda strategy: strategy)


@lru_cache
def broadcastable(count: int = 2, max_dims: int = 4, empty: bool = True) -> Strategy[tuple[Shape, ...]]:
    """Draw `count` shapes that broadcast together. Some have axes of length 1, or fewer axes."""
    usual_dims = min(max_dims, 3)

    def shapes_of(most_dims: int, least: int, most: int, least_dims: int = 0) -> Strategy[tuple[Shape, ...]]:
        return hnp.mutually_broadcastable_shapes(
            num_shapes=count, min_dims=min(least_dims, most_dims), max_dims=most_dims, min_side=least, max_side=most
        ).map(lambda shapes: shapes.input_shapes)

    equal = shapes(0, max_dims, empty).map(lambda shape: (shape,) * count)
    strategies = [
        equal,
        equal,
        *(shapes_of(usual_dims, 1, 4, ndim) for ndim in (0, 2, 1)),
        shapes_of(max_dims, 1, 2, 2),
    ]
    if empty:
        strategies.append(shapes_of(usual_dims, 0, 2))
    return st.sampled_from(strategies).flatmap(lambda strategy: strategy)


def arrays(
    shape: Shape | Strategy[Shape] | None = None,
    low: float = -1e3,
    high: float = 1e3,
    away_from: Sequence[float] = (),
    distinct: bool = False,
    dtype: Any = np.float64,
    layouts: bool = True,
) -> Strategy[Array]:
    """Draw an array of numbers.

    Most arrays contain multiples of 1/32 within 8 of zero, or of the bound that is closest to zero. One array in four
    contains numbers of all magnitudes from 1e-8 to the bounds: zero, and 1, 2 and 5 times the powers of ten.

    Parameters
    ----------
    shape : tuple of int, or strategy that draws one, optional
        Default: `shapes()`.
    low : float, default -1000.0
        Inclusive bounds of the values, in every dtype.
    high : float, default 1000.0
        Inclusive bounds of the values, in every dtype.
    away_from : sequence of float, default ()
        Kinks. The distance of each value from a kink is at least 1/8, or ``(high - low) / 8`` if that is less.
    distinct : bool, default False
        Whether all values differ, by at least 1/8 if enough such values fit between the bounds.
    dtype : dtype, default float64
    layouts : bool, default True
        Whether to draw the memory layout: contiguous, Fortran, strided, reversed, and stride 0 unless `distinct`.

    Raises
    ------
    DataError
        There is no such number, or there are fewer distinct numbers than an array has elements.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(arrays((2,), low=0.51, high=0.52), lambda x: x[0] < x[1])
    array([0.51, 0.52])
    """
    bounds = float(low), float(high), tuple(map(float, away_from)), np.dtype(dtype)
    target = shapes() if shape is None else shape if isinstance(shape, Strategy) else tuple(shape)
    return _distinct_arrays(target, bounds, layouts) if distinct else _arrays(target, bounds, layouts)


@st.composite
def _arrays(draw: Any, shape: Shape | Strategy[Shape], bounds: Any, layouts: bool) -> Array:
    numbers = ordinary_numbers(*bounds)
    lengths = draw(shape) if isinstance(shape, Strategy) else shape
    if draw(_ONE_IN_FOUR) == 3 and (all_sizes := numbers_of_all_sizes(*bounds)).size:
        numbers = all_sizes
    array = numbers[draw(positions(lengths, len(numbers)))]
    return laid_out(draw, array, _ANY_LAYOUT) if layouts else array


@st.composite
def _distinct_arrays(draw: Any, shape: Shape | Strategy[Shape], bounds: Any, layouts: bool) -> Array:
    lengths = draw(shape) if isinstance(shape, Strategy) else shape
    numbers = distinct_numbers(prod(lengths), *bounds)
    order = np.argsort(draw(positions((prod(lengths),), 256)), kind="stable")
    array = numbers[order].reshape(lengths)
    return laid_out(draw, array, _LAYOUT_OF_DISTINCT) if layouts else array


def laid_out(draw: Any, array: Array, layouts: Strategy[str]) -> Array:
    """Return an array in a drawn layout; unchanged if it has no axes or no elements."""
    if not array.size or not array.ndim:
        return array
    layout = draw(layouts)
    return array if layout == "contiguous" else LAYOUTS[layout](array)


@lru_cache
def positions(shape: Shape, n: int) -> Strategy[Array]:
    """Draw an int64 array of positions in 0..n - 1."""
    return hnp.arrays(np.int64, shape, elements=st.integers(0, n - 1), fill=st.nothing())


def tensors(requires_grad: bool | None = None, **settings: Any) -> Strategy[Tensor]:
    """Draw a leaf Tensor from `arrays(**settings)`. By default `requires_grad` is drawn too."""
    flags = st.booleans() if requires_grad is None else st.just(requires_grad)
    return st.builds(Tensor, arrays(layouts=False, **settings), flags)


@lru_cache
def axes(ndim: int, none: bool = True, several: bool = True) -> Strategy[Any]:
    """Draw an `axis` argument for an array with `ndim` axes: None, an integer or a tuple, also negative."""
    strategies: list[Strategy[Any]] = [st.integers(-ndim, ndim - 1)] if ndim else []
    if several:
        strategies.append(hnp.valid_tuple_axes(ndim))
    if none:
        strategies.append(st.none())
    return st.one_of(strategies)


def labels(shape: Shape, classes: int) -> Strategy[Array]:
    """Draw integer labels in 0..classes - 1."""
    return positions(shape, classes)


def masks(shape: Shape) -> Strategy[Array]:
    """Draw a boolean array."""
    return positions(shape, 2).map(lambda drawn: drawn.astype(bool))
