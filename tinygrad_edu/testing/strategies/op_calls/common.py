"""Calls of ops with one, two or several inputs, and common settings such as axes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.engine import Array, values_of
from tinygrad_edu.shared.pytree import tree_leaves
from tinygrad_edu.testing.op_call import Call, resolve
from tinygrad_edu.testing.strategies.arrays import Shape, Strategy, arrays, axes, broadcastable, masks, shapes

_SECOND_INPUTS = st.sampled_from([*["an array"] * 6, "a number", np.int64, np.uint8, np.bool_])

_EXPONENTS = (8, 6, 4, 3, 2, 1, 0, -1)

Settings = dict[str, Any]
SettingsFor = Callable[[Shape], Strategy[Settings]]

ANY_SIZE: Settings = {"low": -1e8, "high": 1e8}
UP_TO_3: Settings = {"low": -3.0, "high": 3.0}
MARGINS_OF_40: Settings = {"low": -20.0, "high": 20.0}


@st.composite
def one_input(
    draw: Any,
    /,
    name: Any,
    settings_for: SettingsFor | None = None,
    *,
    least_axes: int = 0,
    most_axes: int = 5,
    least_size: int = 0,
    change: Callable[[Array], Array] = lambda x: x,
    **values: Any,
) -> Call:
    """Draw a call of a unary op: `change` of an array from `arrays(**values)`, and settings for its shape.

    Without bounds in `values`, the numbers reach as far as the op is finite, up to 1e8.
    """
    shape = draw(shapes(least_axes, most_axes, empty=not least_size))
    if prod(shape) < least_size:
        shape = (least_size, *shape[1:])
    settings = draw(settings_for(shape)) if settings_for else {}
    if not {"low", "high"} & values.keys():
        values |= finite_range(partial(resolve(name), **settings), shape)
    return Call(name, [change(draw(arrays(shape, **values)))], **settings)


def finite_range(f: Callable[[Array], Any], shape: Shape) -> Settings:
    """Return bounds between which f is finite, as powers of ten up to 1e8. There are none if f is never finite.

    A result above 1e100 counts as infinite, because differences and second derivatives may overflow.
    """

    def is_finite(number: float) -> bool:
        with np.errstate(all="ignore"), contextlib.suppress(Exception):  # f may refuse a number outside of its domain
            results = [np.asarray(values_of(out)) for out in tree_leaves(f(np.full(shape, number)))]
            return all(bool(np.all(np.abs(out) <= 1e100)) for out in results)
        return False

    low, high = (
        next((sign * 10.0**k for k in _EXPONENTS if is_finite(sign * 10.0**k)), -sign * 1e-6) for sign in (-1, 1)
    )
    return {"low": low, "high": high} if low < high else {}


@st.composite
def two_inputs(draw: Any, name: Any, x: Settings | None = None, y: Settings | None = None) -> Call:
    """Draw a call of a binary op with inputs that broadcast.

    Occasionally, one input is an array of integers or booleans, or the second is a Python number. They are constant.
    """
    (x_shape, y_shape), x, y = draw(broadcastable()), x or {}, y or {}
    second_kind = draw(_SECOND_INPUTS)
    if second_kind == "a number":
        return Call(name, [draw(arrays(x_shape, **x)), draw(arrays((), **y)).item()], differentiable=(0,))
    if second_kind != "an array":
        x, y = draw(st.sampled_from([(x, y | {"dtype": second_kind}), (x | {"dtype": second_kind}, y)]))
    return Call(name, [draw(arrays(x_shape, **x)), draw(arrays(y_shape, **y))])


@st.composite
def inputs_of(
    draw: Any, /, name: Any, shapes: Strategy[Sequence[Shape]], *strategies: Any, settings_for: Any = None
) -> Call:
    """Draw a call with an input for each drawn shape, and settings for the first shape.

    `strategies` map the shape of an input to a strategy. Default: `arrays`.
    """
    drawn = draw(shapes)
    settings = draw(settings_for(drawn[0])) if settings_for else {}
    pairs = zip(drawn, [*strategies, *[arrays] * len(drawn)], strict=False)
    return Call(name, [draw(strategy(shape)) for shape, strategy in pairs], **settings)


@st.composite
def call_of(
    draw: Any, /, name: Any, *inputs: Any, differentiable: Sequence[int] | None = None, **settings: Any
) -> Call:
    """Draw a call. Its inputs and settings are values, or strategies that draw them."""

    def drawn(value: Any) -> Any:
        return draw(value) if isinstance(value, Strategy) else value

    values = {key: drawn(value) for key, value in settings.items()}
    return Call(name, [drawn(x) for x in inputs], differentiable, **values)


def moderate(shape: Shape, **values: Any) -> Strategy[Array]:
    """Draw an array of numbers up to 3 by default, for functions that normalize, saturate or cancel beyond."""
    return arrays(shape, **{**UP_TO_3, **values})


def conditions(shape: Shape) -> Strategy[Array]:
    """Draw a mask of booleans, or of zeros and ones."""
    return masks(shape) | masks(shape).map(lambda mask: mask.astype(np.int64))


def each_of(**choices: Sequence[Any]) -> SettingsFor:
    """Return a strategy that draws each setting from its list."""
    return lambda shape: st.fixed_dictionaries({name: st.sampled_from(values) for name, values in choices.items()})


def along(shape: Shape, **settings: Strategy[Any]) -> Strategy[Settings]:
    """Draw the settings of a reduction: one axis, several or all, `keepdims`, and other settings."""
    return st.fixed_dictionaries({"axis": axes(len(shape)), "keepdims": st.booleans(), **settings})


def reduced(shape: Shape, axis: Any) -> int:
    """Return the number of elements in each reduction over `axis`."""
    reduced_axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return prod(shape[a] for a in reduced_axes)


def along_at_least(least: int) -> SettingsFor:
    """Return a strategy like `along`, for reductions over at least `least` elements."""
    return lambda shape: along(shape).filter(lambda s: reduced(shape, s["axis"]) >= least)


def one_axis(shape: Shape, **settings: Strategy[Any]) -> Strategy[Settings]:
    """Draw one positive or negative axis, and other settings."""
    return st.fixed_dictionaries({"axis": axes(len(shape), none=False, several=False), **settings})


def axis_or_none(shape: Shape, **settings: Strategy[Any]) -> Strategy[Settings]:
    """Draw one positive or negative axis or None, and other settings."""
    return st.fixed_dictionaries({"axis": axes(len(shape), several=False), **settings})
