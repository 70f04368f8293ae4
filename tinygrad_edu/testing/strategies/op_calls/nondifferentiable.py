"""Calls of non-differentiable functions, which return booleans, positions or counts."""

from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.testing.strategies.arrays import Strategy, arrays, broadcastable, labels, shapes
from tinygrad_edu.testing.strategies.op_calls.common import along, axis_or_none, call_of, inputs_of, one_axis, one_input
from tinygrad_edu.testing.strategies.op_calls.several import in_one


def _joined(results: list[Any]) -> Any:
    return np.concatenate([np.asarray(result) for result in results])


_questions = partial(one_input, change=np.round)  # rounding produces ties


_SORTED = st.integers(0, 6).flatmap(lambda n: arrays((n,))).map(np.sort)
_BINS = st.builds(lambda x, step: np.asarray(np.round(x))[::step], _SORTED, st.sampled_from((1, -1)))


def _triangles(name: str) -> Strategy[Call]:
    lengths = st.integers(0, 4)
    of_rows = in_one(name, _joined)
    return call_of(of_rows, lengths, differentiable=(), k=st.integers(-3, 3), m=st.none() | lengths)


def _classes(count: int) -> Strategy[Call]:
    numbers = shapes(0, 2).flatmap(lambda shape: labels(shape, count))
    return call_of("one_hot", numbers, differentiable=(), num_classes=count)


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
    "searchsorted": call_of(
        "searchsorted", _SORTED, arrays(), differentiable=(1,), side=st.sampled_from(["left", "right"])
    ),
    "digitize": call_of("digitize", arrays().map(np.round), _BINS, differentiable=(0,), right=st.booleans()),
    **{name: _triangles(name) for name in ("tril_indices", "triu_indices")},
    "one_hot": st.integers(1, 4).flatmap(_classes),
}  # fmt: skip
"""Strategies for calls of the functions without a derivative, by name."""
