"""Calls of the ops that move elements: shapes, joining, indices."""

from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.testing.calls import Call
from tinygrad_edu.testing.strategies.arrays import (
    Shape,
    Strategy,
    arrays,
    axes,
    indices,
    shapes,
)
from tinygrad_edu.testing.strategies.op_calls.common import (
    Settings,
    SettingsFor,
    one_input,
)


@st.composite
def _reshapings(draw: Any, shape: Shape) -> Settings:
    """Factor the size anew; one length may be given as -1."""
    lengths: list[int] = []
    rest = prod(shape)
    for _ in range(draw(st.integers(0, 2))):
        factor = draw(st.sampled_from([n for n in range(1, rest + 1) if rest % n == 0])) if rest else 0
        lengths.append(factor)
        rest = rest // factor if factor else 1
    if rest != 1 or draw(st.booleans()):
        lengths.append(rest)
    if rest and all(lengths) and lengths and draw(st.booleans()):
        lengths[draw(st.integers(0, len(lengths) - 1))] = -1
    return {"shape": tuple(lengths)}


@st.composite
def _transpositions(draw: Any, shape: Shape) -> Settings:
    order = [draw(st.sampled_from((a, a - len(shape)))) for a in draw(st.permutations(range(len(shape))))]
    return {"axes": draw(st.sampled_from([None, tuple(order)]))}


@st.composite
def _new_axes(draw: Any, shape: Shape) -> Settings:
    count = draw(st.integers(0, 2))
    positions = st.integers(0, len(shape) + count - 1) if len(shape) + count else st.nothing()
    several = draw(st.lists(positions, min_size=count, max_size=count, unique=True))
    single = draw(st.integers(-len(shape) - 1, len(shape)))
    return {"axis": draw(st.sampled_from([single, tuple(several)]))}


@st.composite
def _squeezings(draw: Any, shape: Shape) -> Settings:
    ones = [axis for axis, n in enumerate(shape) if n == 1]
    some = draw(st.lists(st.sampled_from(ones), unique=True)) if ones else []
    return {"axis": draw(st.sampled_from([None, tuple(some), *ones, *(a - len(shape) for a in ones)]))}


@st.composite
def _larger_shapes(draw: Any, shape: Shape) -> Settings:
    grown = tuple(draw(st.integers(1, 3)) if n == 1 else n for n in shape)
    return {"shape": (*draw(shapes(0, 2)), *grown)}


@st.composite
def _paddings(draw: Any, shape: Shape) -> Settings:
    widths = st.integers(0, 2)
    pairs = st.tuples(widths, widths)
    each = st.tuples(*[pairs] * len(shape))
    width = draw(widths | pairs | each)
    return {"pad_width": width, "constant_values": draw(st.sampled_from([0, 1.5]))}


@st.composite
def _two_axes(draw: Any, shape: Shape) -> Settings:
    axis = st.integers(-len(shape), len(shape) - 1)
    return {"axis1": draw(axis), "axis2": draw(axis)}


@st.composite
def _concats(draw: Any) -> Call:
    shape = draw(shapes(1, 3))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        length = draw(st.integers(0, 3))
        parts.append(draw(arrays(tuple(length if a == axis % len(shape) else n for a, n in enumerate(shape)))))
    return Call("concat", parts, axis=axis, ends=np.cumsum([part.shape[axis] for part in parts]))


@st.composite
def _scatters(draw: Any, name: str) -> Call:
    shape = draw(shapes())
    each = [draw(indices(shape)) for _ in range(1 if name == "scatter_add" else draw(st.integers(1, 3)))]
    values = [draw(arrays(np.empty(shape)[index].shape)) for index in each]
    where = {"index": each[0]} if name == "scatter_add" else {"indices": tuple(each)}
    return Call(name, values, **where, shape=shape)


# By name, the settings of an op of one input for an input of a given shape.
SHAPE_SETTINGS: dict[str, SettingsFor] = {
    "reshape": _reshapings, "transpose": _transpositions, "swapaxes": _two_axes, "expand_dims": _new_axes,
    "squeeze": _squeezings, "broadcast_to": _larger_shapes, "pad": _paddings,
    "flip": lambda shape: st.fixed_dictionaries({"axis": axes(len(shape))}),
    "getitem": lambda shape: st.fixed_dictionaries({"index": indices(shape)}),
}  # fmt: skip

SHAPE: dict[str, Strategy[Call]] = {
    "identity": one_input("identity"),
    **{
        name: one_input(name, settings_for, least_axes=name in ("swapaxes", "pad"))
        for name, settings_for in SHAPE_SETTINGS.items()
    },
    "concat": _concats(), **{name: _scatters(name) for name in ("scatter", "scatter_add")},
}  # fmt: skip
