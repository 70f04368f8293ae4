"""Calls of reductions and of scans along an axis."""

from functools import partial
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
    axis_or_none,
    inputs_of,
    moderate,
    one_axis,
    one_input,
)

REDUCTION_SETTINGS: dict[str, SettingsFor] = {
    "sum": along, **{name: along_at_least(1) for name in ("logsumexp", "max", "min", "mean")}, "std": along_at_least(2),
    "var": lambda shape: st.builds(lambda s, d: s | {"ddof": d}, along_at_least(2)(shape), st.integers(0, 1)),
}  # fmt: skip


@st.composite
def _with_nans(draw: Any, name: str) -> Call:
    shape = draw(shapes(0, empty=False))
    settings = draw(along(shape))
    x = np.where(draw(masks(shape)), np.nan, draw(arrays(shape)))
    numbers = np.sum(~np.isnan(x), **settings)
    return Call(name, [np.where(numbers.all(), x, 1.5)], **settings)


@st.composite
def _differences(draw: Any) -> Call:
    shape = draw(shapes(1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    n = draw(st.integers(1, 2))
    attached = arrays(tuple(n if a == axis % len(shape) else length for a, length in enumerate(shape)))
    settings = {name: draw(st.none() | st.just(0.5) | attached) for name in ("prepend", "append")}
    return Call("diff", [draw(arrays(shape))], n=draw(st.integers(0, 3)), axis=axis, **settings)


# Factors that include zeros: none, one or several for each element of the result.
_FACTORS: dict[str, Any] = {"low": -1.5, "high": 1.5, "change": lambda x: np.round(x * 2) / 2}

REDUCTION: dict[str, Strategy[Call]] = {
    "sum": one_input("sum", along, **ANY_SIZE), "prod": one_input("prod", along, **_FACTORS),
    **{name: _with_nans(name) for name in ("nansum", "nanmean")},
    "mean": one_input("mean", along_at_least(1), least_size=1, **ANY_SIZE),
    "logsumexp": one_input("logsumexp", along_at_least(1), least_size=1, **MARGINS_OF_40),
    **{name: one_input(name, REDUCTION_SETTINGS[name], least_size=1, distinct=True) for name in ("max", "min")},
    **{name: one_input(name, along_at_least(1), least_size=1, distinct=True) for name in ("amax", "amin", "ptp")},
    "std": one_input("std", REDUCTION_SETTINGS["std"], least_size=2, distinct=True),
    "var": one_input("var", REDUCTION_SETTINGS["var"], least_size=2, low=-1e3, high=1e3),
    "recurrence": inputs_of(
        "recurrence", shapes(1).map(lambda shape: (shape, shape)), moderate, moderate,
        settings_for=partial(one_axis, reverse=st.booleans()),
    ),
    "cumulative_extremum": one_input(
        "cumulative_extremum", partial(one_axis, largest=st.booleans()), least_axes=1, distinct=True
    ),
    "diff": _differences(), "cumprod": one_input("cumprod", axis_or_none, **_FACTORS),
    "cumsum": one_input("cumsum", axis_or_none, **ANY_SIZE),
    "logcumsumexp": one_input("logcumsumexp", axis_or_none, **MARGINS_OF_40),
    **{name: one_input(name, axis_or_none, distinct=True) for name in ("cummax", "cummin")},
}  # fmt: skip
