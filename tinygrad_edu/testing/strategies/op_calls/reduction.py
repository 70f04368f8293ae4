"""Calls of reductions and of functions along an axis."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.testing.strategies.arrays import Strategy, arrays, masks, shapes
from tinygrad_edu.testing.strategies.op_calls.common import (
    ANY_SIZE,
    MARGINS_OF_40,
    SettingsFor,
    along,
    along_at_least,
    one_input,
)

REDUCTION_SETTINGS: dict[str, SettingsFor] = {
    "sum": along, **{name: along_at_least(1) for name in ("logsumexp", "max", "min", "mean")}, "std": along_at_least(2),
    "var": lambda shape: st.builds(lambda s, d: s | {"ddof": d}, along_at_least(2)(shape), st.integers(0, 1)),
}  # fmt: skip


@st.composite
def _products(draw: Any) -> Call:
    """Draw factors with zeros among them, none, one or several for a result."""
    shape = draw(shapes())
    factors = np.round(draw(arrays(shape, -1.5, 1.5)) * 2) / 2
    return Call("prod", [factors], **draw(along(shape)))


@st.composite
def _with_nans(draw: Any, name: str) -> Call:
    shape = draw(shapes(0, empty=False))
    settings = draw(along(shape))
    x = np.where(draw(masks(shape)), np.nan, draw(arrays(shape)))
    numbers = np.sum(~np.isnan(x), **settings)
    return Call(name, [np.where(numbers.all(), x, 1.5)], **settings)


REDUCTION: dict[str, Strategy[Call]] = {
    "sum": one_input("sum", along, **ANY_SIZE), "prod": _products(),
    **{name: _with_nans(name) for name in ("nansum", "nanmean")},
    "mean": one_input("mean", along_at_least(1), least_size=1, **ANY_SIZE),
    "logsumexp": one_input("logsumexp", along_at_least(1), least_size=1, **MARGINS_OF_40),
    **{name: one_input(name, REDUCTION_SETTINGS[name], least_size=1, distinct=True) for name in ("max", "min")},
    **{
        name: one_input(name, along_at_least(1), least_size=1, distinct=True) for name in ("amax", "amin", "ptp")
    },
    "std": one_input("std", REDUCTION_SETTINGS["std"], least_size=2, distinct=True),
    "var": one_input("var", REDUCTION_SETTINGS["var"], least_size=2),
}  # fmt: skip
