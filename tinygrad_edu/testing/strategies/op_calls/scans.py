"""Calls of scans along an axis."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.testing.strategies.arrays import Strategy, arrays, shapes
from tinygrad_edu.testing.strategies.op_calls.common import ANY_SIZE, MARGINS_OF_40, axis_or_none, one_input


@st.composite
def _recurrences(draw: Any) -> Call:
    shape = draw(shapes(1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    return Call("recurrence", [draw(arrays(shape)), draw(arrays(shape))], axis=axis, reverse=draw(st.booleans()))


@st.composite
def _products(draw: Any) -> Call:
    """Draw factors with zeros among them, one or several in a row of them."""
    shape = draw(shapes())
    factors = np.round(draw(arrays(shape, -1.5, 1.5)) * 2) / 2
    return Call("cumprod", [factors], **draw(axis_or_none(shape)))


@st.composite
def _differences(draw: Any) -> Call:
    shape = draw(shapes(1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    n = draw(st.integers(1, 2))
    beside = arrays(tuple(n if a == axis % len(shape) else length for a, length in enumerate(shape)))
    settings = {name: draw(st.none() | st.just(0.5) | beside) for name in ("prepend", "append")}
    return Call("diff", [draw(arrays(shape))], n=draw(st.integers(0, 3)), axis=axis, **settings)


@st.composite
def _extrema(draw: Any) -> Call:
    shape = draw(shapes(1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    return Call("cumulative_extremum", [draw(arrays(shape, distinct=True))], axis=axis, largest=draw(st.booleans()))


SCANS: dict[str, Strategy[Call]] = {
    "recurrence": _recurrences(), "cumprod": _products(), "diff": _differences(),
    "cumulative_extremum": _extrema(),
    "cumsum": one_input("cumsum", axis_or_none, **ANY_SIZE),
    "logcumsumexp": one_input("logcumsumexp", axis_or_none, **MARGINS_OF_40),
    **{name: one_input(name, axis_or_none, distinct=True) for name in ("cummax", "cummin")},
}  # fmt: skip
