"""Calls of ops of one input and of two, and settings that many ops have: an axis, several axes."""

from collections.abc import Callable
from math import prod
from typing import Any

from hypothesis import strategies as st

from tinygrad_edu.testing.calls import Call
from tinygrad_edu.testing.strategies.arrays import (
    Shape,
    Strategy,
    arrays,
    axes,
    broadcastable,
    shapes,
)

Settings = dict[str, Any]
SettingsFor = Callable[[Shape], Strategy[Settings]]


@st.composite
def one_input(
    draw: Any,
    /,
    name: Any,
    settings_for: SettingsFor | None = None,
    *,
    least_axes: int = 0,
    least_size: int = 0,
    **values: Any,
) -> Call:
    """Draw a call of an op of one input, whose values are `arrays(**values)`, with the settings drawn for its shape."""
    shape = draw(shapes(least_axes, empty=not least_size))
    if prod(shape) < least_size:
        shape = (least_size, *shape[1:])
    settings = draw(settings_for(shape)) if settings_for else {}
    return Call(name, [draw(arrays(shape, **values))], **settings)


@st.composite
def two_inputs(draw: Any, name: Any, x: Settings | None = None, y: Settings | None = None) -> Call:
    """Draw a call of an op of two inputs that broadcast; now and then one is a Python number, that is held fixed."""
    of_x, of_y = draw(broadcastable())
    if draw(st.integers(0, 5)) == 5:
        inputs: list[Any] = [draw(arrays(of_x, **(x or {}))), draw(arrays((), **(y or {}))).item()]
        return Call(name, inputs, differentiable=(0,))
    return Call(name, [draw(arrays(of_x, **(x or {}))), draw(arrays(of_y, **(y or {})))])


def along(shape: Shape) -> Strategy[Settings]:
    """Draw the settings of a reduction: one axis, several, or all, and whether they are kept."""
    return st.fixed_dictionaries({"axis": axes(len(shape)), "keepdims": st.booleans()})


def reduced(shape: Shape, axis: Any) -> int:
    """Return how many elements a reduction over `axis` takes together."""
    every = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return prod(shape[a] for a in every)


def along_at_least(least: int) -> SettingsFor:
    """Return a strategy like `along`, of reductions of at least so many elements."""
    return lambda shape: along(shape).filter(lambda s: reduced(shape, s["axis"]) >= least)


def one_axis(shape: Shape) -> Strategy[Settings]:
    """Draw one axis, from either end."""
    return st.fixed_dictionaries({"axis": axes(len(shape), none=False, several=False)})


def axis_or_none(shape: Shape) -> Strategy[Settings]:
    """Draw one axis, from either end, or None."""
    return st.fixed_dictionaries({"axis": axes(len(shape), several=False)})
