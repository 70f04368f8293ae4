"""Random inputs: shapes, values, dtypes and memory layouts, drawn from a RandomState."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.layouts import LAYOUTS
from tools.torch_table import KINDS, Shape

Draws = np.random.RandomState
Declared = dict[str, tuple[str, Shape]]

# Kinds of masks and integers, which receive no gradient.
CONSTANT = frozenset(kind for kind in KINDS if KINDS[kind](Draws(0), (2, 2)).dtype.kind != "f")
INTEGERS = ("bool", "int8", "uint8", "int16", "int32", "int64", "uint64")
FLOATS = ("float16", "float32", "float64")
LENGTHS = (0, 1, 1, 2, 3, 4, 5, 7)
LARGE = 200_000  # approximate number of elements of the largest inputs
# Kinks of functions, and points where their formulas change.
BENDS = (-3.0, -1.0, -0.5, 0.0, -0.0, 0.5, 1.0, 2.0, 3.0, 6.0, 20.0, -20.0)


class Shares(NamedTuple):
    """Percentages of special inputs, and the numbers of calls to choose from."""

    ties: int = 20  # all values are multiples of 0.5 from a small range
    special: int = 20  # some or all values are from `special_values`
    layout: int = 40  # another memory layout
    other_lengths: int = 40
    other_axes: int = 15
    large: int = 1
    calls: tuple[int, ...] = (1, 1, 1, 2, 2, 3, 4)


SHARES = Shares()


def with_chance(draws: Draws, percent: float) -> bool:
    return bool(draws.uniform(0, 100) < percent)


def one_of(draws: Draws, choices: Any) -> Any:
    return choices[draws.randint(len(choices))]


def special_values(dtype: np.dtype[Any]) -> Array:
    """Return NaN, infinities, zeros, subnormals, limits and kinks of a float dtype, or limits of an integer dtype."""
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind != "f":
        low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        return np.array([low, high, low + 1, high - 1, 0, 1], dtype)
    info: Any = np.finfo(dtype)
    ends = [info.smallest_subnormal, 3 * info.smallest_subnormal, info.tiny, info.max, info.eps, 1 + info.eps]
    return np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, *ends, *(-np.array(ends)), *BENDS]).astype(dtype)


def shapes(draws: Draws, declared: Declared, shares: Shares, large: bool) -> dict[str, Shape]:
    """Draw a shape for each input: the declared one, with other lengths or rarely with other axes."""
    given = {name: shape for name, (_, shape) in declared.items()}
    if large:
        return _enlarged(draws, given)
    if with_chance(draws, shares.other_axes) and len({given[name] for name in given}) == 1:
        return _other_axes(draws, given)
    if not with_chance(draws, shares.other_lengths):
        return given
    lengths = {n: one_of(draws, LENGTHS) if with_chance(draws, 50) else n for n in _lengths(given.values())}
    return {name: tuple(lengths[n] for n in shape) for name, shape in given.items()}


def _lengths(given: Iterable[Shape]) -> list[int]:
    """Return the distinct lengths in ascending order."""
    return sorted({n for shape in given for n in shape})


def _enlarged(draws: Draws, given: dict[str, Shape]) -> dict[str, Shape]:
    """Multiply one or two of the lengths, so that the largest input has about 300 to `LARGE` elements."""
    lengths = {n: n for n in _lengths(given.values())}
    wanted = np.exp(draws.uniform(np.log(300), np.log(LARGE)))

    def largest() -> int:
        return max(int(np.prod([lengths[n] for n in shape])) for shape in given.values())

    for n in draws.permutation([n for n in lengths if n > 1])[: draws.randint(1, 3)]:
        power = max(shape.count(n) for shape in given.values())
        lengths[n] = n * max(1, int((wanted / max(1, largest())) ** (one_of(draws, (0.5, 1.0)) / power)))
    return {name: tuple(lengths[n] for n in shape) for name, shape in given.items()}


def _other_axes(draws: Draws, given: dict[str, Shape]) -> dict[str, Shape]:
    """Draw one shape of up to four axes; an input may have length 1 in some axes or lack the first axes."""
    common = tuple(one_of(draws, LENGTHS) for _ in range(draws.randint(5)))
    found = {}
    for name in given:
        shape = common
        if len(given) > 1 and with_chance(draws, 40):
            shape = tuple(1 if with_chance(draws, 40) else n for n in common)[draws.randint(len(common) + 1) :]
        found[name] = shape
    return found


def values(draws: Draws, kind: str, shape: Shape, dtype: np.dtype[Any], shares: Shares) -> Array:
    """Draw values of a kind, sometimes with ties or special values in some or all elements."""
    try:
        x = np.asarray(KINDS[kind](draws, shape))
    except (IndexError, ValueError):  # the kind needs a matrix, and the shape is not one
        x = np.asarray(draws.standard_normal(shape))
    if kind in CONSTANT:
        return x
    way = draws.uniform(0, 100)
    if kind in ("invertible", "definite"):
        way *= 4
    if way < shares.ties:
        x = draws.randint(-4, 5, shape) / 2 * one_of(draws, (1.0, -1.0))
    x = _as(x, dtype)
    if shares.ties <= way < shares.ties + shares.special and x.size:
        special = special_values(dtype)
        chosen = draws.uniform(size=shape) < one_of(draws, (0.15, 0.15, 1.0))
        x = np.where(chosen, special[draws.randint(len(special), size=shape)], x)
    return np.array(x, dtype)


def _as(x: Array, dtype: np.dtype[Any]) -> Array:
    """Cast numbers to a dtype; take magnitudes for unsigned dtypes and signs for booleans."""
    if dtype.kind == "b":
        return np.asarray(x > 0)
    return np.asarray(np.abs(x) if dtype.kind == "u" else x).astype(dtype)


def _offset(x: Array) -> Array:
    """Return a copy of x that starts inside a larger buffer."""
    buffer = np.zeros(x.size + 3, x.dtype)
    copy = buffer[3:].reshape(x.shape)
    copy[...] = x
    return copy


def _read_only(x: Array) -> Array:
    copy = np.array(x, order="C")
    copy.flags.writeable = False
    return copy


ARRANGED: dict[str, Callable[[Array], Array]] = {**LAYOUTS, "offset": _offset, "read-only": _read_only}


def arranged(draws: Draws, x: Array, shares: Shares) -> Array:
    """Return an array of the same shape and dtype, sometimes in another memory layout."""
    if not x.ndim or not with_chance(draws, shares.layout):
        return x
    return ARRANGED[one_of(draws, tuple(ARRANGED))](x)
