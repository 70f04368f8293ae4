"""Calls of the ops on one element at a time."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.testing.calls import Call
from tinygrad_edu.testing.strategies.arrays import (
    Strategy,
    arrays,
    broadcastable,
    masks,
    shapes,
)
from tinygrad_edu.testing.strategies.op_calls.common import (
    Settings,
    one_input,
    two_inputs,
)


@st.composite
def _extrema(draw: Any, name: str) -> Call:
    """Draw two operands that are never equal: one on the multiples of 1/4, one an eighth beside them."""
    of_x, of_y = draw(broadcastable())
    x, y = (draw(arrays(shape)) for shape in (of_x, of_y))
    return Call(name, [np.floor(x * 4) / 4, np.floor(y * 4) / 4 + 0.125])


@st.composite
def _wheres(draw: Any) -> Call:
    of_condition, of_x, of_y = draw(broadcastable(3))
    return Call("where", [draw(masks(of_condition)), draw(arrays(of_x)), draw(arrays(of_y))])


@st.composite
def _keeps(draw: Any) -> Call:
    of_x, of_mask = draw(broadcastable())
    return Call("keep", [draw(arrays(of_x)), draw(masks(of_mask))])


@st.composite
def _tanh_gradients(draw: Any) -> Call:
    shape = draw(shapes())
    return Call("tanh_gradient", [draw(arrays(shape)), draw(arrays(shape))])


@st.composite
def _divisions(draw: Any, name: str) -> Call:
    """Draw operands whose quotients are all away from whole numbers, where floor jumps."""
    of_x, of_y = draw(broadcastable())
    x = 2 * np.round(draw(arrays(of_x, -1.0, 1.0))) + draw(st.sampled_from([0.25, 0.3]))
    y = draw(arrays(of_y, away_from=(0.0,)))
    return Call(name, [x, np.sign(y) * np.exp2(np.round(y / 3))])


@st.composite
def _powers(draw: Any) -> Call:
    """Draw a positive base and any exponent; or any base but 0 and whole exponents, held fixed; or a number as one."""
    of_x, of_y = draw(broadcastable())
    kind = draw(st.sampled_from(("any exponent", "whole exponents", "a number as exponent", "a number as base")))
    if kind == "a number as exponent":
        return Call("power", [draw(arrays(of_x, 0.25, 3.0)), draw(st.sampled_from((2, 3, -1, 0.5, 0)))], (0,))
    if kind == "a number as base":
        base = draw(st.sampled_from((2, 0.5, np.array(3), np.array([1, 2, 3]))))
        return Call("power", [base, draw(arrays((*of_y[:-1], 1), -2.0, 2.0))], (1,))
    if kind == "any exponent":
        return Call("power", [draw(arrays(of_x, 0.25, 3.0)), draw(arrays(of_y, -2.0, 2.0))])
    x, y = draw(arrays(of_x, away_from=(0.0,))), np.round(draw(arrays(of_y)))
    return Call("power", [x, y.astype(draw(st.sampled_from((np.float64, np.int64))))], differentiable=(0,))


@st.composite
def _clips(draw: Any) -> Call:
    bounds = draw(st.sampled_from([(-1.0, 1.0), (None, 0.5), (0.0, None), (None, None)]))
    x = draw(arrays(away_from=[b for b in bounds if b is not None]))
    return Call("clip", [x], min=bounds[0], max=bounds[1])


_POSITIVE: Settings = {"low": 0.25}
NO_ZERO: Settings = {"away_from": (0.0,)}

ELEMENTWISE: dict[str, Strategy[Call]] = {
    **{name: two_inputs(name) for name in ("add", "subtract", "multiply")},
    "divide": two_inputs("divide", y=NO_ZERO), "power": _powers(), "where": _wheres(),
    "keep": _keeps(), "tanh_gradient": _tanh_gradients(),
    **{name: _divisions(name) for name in ("floor_divide", "remainder")},
    **{name: _extrema(name) for name in ("maximum", "minimum")},
    **{name: one_input(name) for name in ("negative", "exp", "square", "sin", "cos", "tanh", "sigmoid")},
    **{name: one_input(name, **_POSITIVE) for name in ("log", "sqrt")},
    **{name: one_input(name, **NO_ZERO) for name in ("sign", "abs", "relu")},
    "clip": _clips(), "astype": one_input("astype", lambda shape: st.just({"dtype": np.float64})),
}  # fmt: skip
