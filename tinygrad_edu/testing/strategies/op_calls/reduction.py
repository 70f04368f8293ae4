"""Calls of the reductions, and of what works along an axis."""

from hypothesis import strategies as st

from tinygrad_edu.testing.calls import Call
from tinygrad_edu.testing.strategies.arrays import Strategy
from tinygrad_edu.testing.strategies.op_calls.common import SettingsFor, along, along_at_least, one_input

REDUCTION_SETTINGS: dict[str, SettingsFor] = {
    "sum": along, **{name: along_at_least(1) for name in ("logsumexp", "max", "min", "mean")}, "std": along_at_least(2),
    "var": lambda shape: st.builds(lambda s, d: s | {"ddof": d}, along_at_least(2)(shape), st.integers(0, 1)),
}  # fmt: skip

REDUCTION: dict[str, Strategy[Call]] = {
    "sum": one_input("sum", along),
    **{name: one_input(name, REDUCTION_SETTINGS[name], least_size=1) for name in ("logsumexp", "mean")},
    **{name: one_input(name, REDUCTION_SETTINGS[name], least_size=1, distinct=True) for name in ("max", "min")},
    "std": one_input("std", REDUCTION_SETTINGS["std"], least_size=2, distinct=True),
    "var": one_input("var", REDUCTION_SETTINGS["var"], least_size=2),
}  # fmt: skip
