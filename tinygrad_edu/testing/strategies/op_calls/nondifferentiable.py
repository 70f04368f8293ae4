"""Calls of non-differentiable functions, which return booleans, positions or counts."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.testing.strategies.arrays import Strategy, arrays, broadcastable, labels, shapes
from tinygrad_edu.testing.strategies.op_calls.common import Settings, along, axis_or_none, one_axis
from tinygrad_edu.testing.strategies.op_calls.several import in_one


def _joined(results: list[Any]) -> Any:
    return np.concatenate([np.asarray(result) for result in results])


@st.composite
def _questions(draw: Any, /, function: Any, settings_for: Any = None, **shape_settings: Any) -> Call:
    """Draw a call with one array, which has ties."""
    shape = draw(shapes(**shape_settings))
    settings: Settings = draw(settings_for(shape)) if settings_for else {}
    return Call(function, [np.round(draw(arrays(shape)))], (0,), **settings)


@st.composite
def _comparisons(draw: Any, name: str) -> Call:
    of_x, of_y = draw(broadcastable())
    return Call(name, [np.round(draw(arrays(of_x))), np.round(draw(arrays(of_y)))], (0, 1))


@st.composite
def _searches(draw: Any) -> Call:
    x, v = np.sort(draw(arrays((draw(st.integers(0, 6)),)))), draw(arrays())
    return Call("searchsorted", [x, v], (1,), side=draw(st.sampled_from(["left", "right"])))


@st.composite
def _classes(draw: Any) -> Call:
    count = draw(st.integers(1, 4))
    return Call("one_hot", [draw(labels(draw(shapes(0, 2)), count))], (), num_classes=count)


def _order(shape: Any) -> Strategy[Settings]:
    return st.builds(lambda axis, down: {**axis, "descending": down}, axis_or_none(shape), st.booleans())


NONDIFFERENTIABLE_CALLS: dict[str, Strategy[Call]] = {
    **{name: _questions(name) for name in ("isfinite", "isinf", "isnan", "logical_not", "flatnonzero")},
    **{name: _comparisons(name) for name in ("isclose", "logical_and", "logical_or", "logical_xor")},
    **{name: _questions(name, along) for name in ("all", "any", "count_nonzero")},
    **{name: _questions(name, one_axis, min_dims=1, empty=False) for name in ("argmax", "argmin")},
    "argsort": _questions("argsort", _order), "nonzero": _questions(in_one("nonzero", _joined), min_dims=1),
    "unique": _questions(in_one("unique", _joined)), "searchsorted": _searches(), "one_hot": _classes(),
}  # fmt: skip
