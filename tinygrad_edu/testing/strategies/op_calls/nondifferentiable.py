"""Calls of non-differentiable functions, which return booleans, positions or counts."""

from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.testing.strategies.arrays import Strategy, arrays, broadcastable, labels, shapes
from tinygrad_edu.testing.strategies.op_calls.common import along, axis_or_none, inputs_of, one_axis, one_input
from tinygrad_edu.testing.strategies.op_calls.several import in_one


def _joined(results: list[Any]) -> Any:
    return np.concatenate([np.asarray(result) for result in results])


_questions = partial(one_input, change=np.round)  # rounding produces ties


@st.composite
def _searches(draw: Any) -> Call:
    x, v = np.sort(draw(arrays((draw(st.integers(0, 6)),)))), draw(arrays())
    return Call("searchsorted", [x, v], (1,), side=draw(st.sampled_from(["left", "right"])))


@st.composite
def _bins(draw: Any) -> Call:
    x, bins = np.round(draw(arrays())), np.sort(np.round(draw(arrays((draw(st.integers(0, 6)),)))))
    return Call("digitize", [x, bins[:: draw(st.sampled_from((1, -1)))]], (0,), right=draw(st.booleans()))


@st.composite
def _triangles(draw: Any, name: str) -> Call:
    lengths = st.integers(0, 4)
    return Call(in_one(name, _joined), [draw(lengths)], (), k=draw(st.integers(-3, 3)), m=draw(st.none() | lengths))


@st.composite
def _classes(draw: Any) -> Call:
    count = draw(st.integers(1, 4))
    return Call("one_hot", [draw(labels(draw(shapes(0, 2)), count))], (), num_classes=count)


NONDIFFERENTIABLE_CALLS: dict[str, Strategy[Call]] = {
    **{name: _questions(name) for name in ("isfinite", "isinf", "isnan", "logical_not", "flatnonzero")},
    **{
        name: inputs_of(name, broadcastable(), *[lambda shape: arrays(shape).map(np.round)] * 2)
        for name in ("isclose", "logical_and", "logical_or", "logical_xor")
    },
    **{name: _questions(name, along) for name in ("all", "any", "count_nonzero")},
    **{name: _questions(name, one_axis, least_axes=1, least_size=1) for name in ("argmax", "argmin")},
    "argsort": _questions("argsort", partial(axis_or_none, descending=st.booleans())),
    "nonzero": _questions(in_one("nonzero", _joined), least_axes=1), "unique": _questions(in_one("unique", _joined)),
    "searchsorted": _searches(), "digitize": _bins(),
    **{name: _triangles(name) for name in ("tril_indices", "triu_indices")}, "one_hot": _classes(),
}  # fmt: skip
"""Strategies for calls of the functions without a derivative, by name."""
