"""Calls of activations, away from their kinks."""

from functools import partial
from typing import Any

from hypothesis import strategies as st

from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.testing.strategies.arrays import Strategy, arrays, axes, broadcastable, shapes
from tinygrad_edu.testing.strategies.op_calls.common import UP_TO_3, each_of, inputs_of, one_input


@st.composite
def _with_kinks(draw: Any, name: str, choices: dict[str, Any], kinks: Any) -> Call:
    """Draw settings from the given lists, and numbers away from the kinks that depend on the settings."""
    settings = {key: draw(st.sampled_from(values)) for key, values in choices.items()}
    return Call(name, [draw(arrays(low=-7.0, high=7.0, away_from=kinks(**settings)))], **settings)


@st.composite
def _prelus(draw: Any) -> Call:
    shape = draw(shapes())
    x, channels = draw(arrays(shape, away_from=(0.0,))), shape[1] if len(shape) > 1 else 1
    return Call("prelu", [x, draw(arrays(draw(st.sampled_from([(), (1,), (channels,)]))))])


@st.composite
def _glus(draw: Any) -> Call:
    shape = draw(shapes(1))
    axis = draw(axes(len(shape), none=False, several=False))
    even = [n * (2 if a == axis % len(shape) else 1) for a, n in enumerate(shape)]
    return Call("glu", [draw(arrays(tuple(even)))], axis=axis)


def _at_0(**settings: Any) -> Any:
    return (0.0,)


_KINKS: dict[str, Any] = {
    **{name: ({}, _at_0) for name in ("relu", "softsign", "selu")}, "relu6": ({}, lambda: (0.0, 6.0)),
    **{name: ({}, lambda: (-3.0, 3.0)) for name in ("hardswish", "hardsigmoid")},
    **dict.fromkeys(("hardshrink", "softshrink"), ({"lambd": (0.5, 0, 2)}, lambda lambd: (-lambd, lambd))),
    "leaky_relu": ({"negative_slope": (0.01, 0, 1.5, -0.5)}, _at_0),
    **{name: ({"alpha": (1.0, 0.5, 2)}, _at_0) for name in ("elu", "celu")},
    "exponential_unit": ({"alpha": (1.0, 2.0), "rate": (1.0, 0.5)}, _at_0),
    "threshold": ({"threshold": (0, -1.5, 2.0), "value": (0, -3.0, 20.0)}, lambda threshold, value: (threshold,)),
    "hardtanh": ({"min_val": (-1.0, -2, 0.5), "max_val": (1.0, 3)}, lambda min_val, max_val: (min_val, max_val)),
    "softplus": ({"beta": (1, 0.5, 2.0, -1), "threshold": (20, 1.0)}, lambda beta, threshold: (threshold / beta,)),
}  # fmt: skip

_SMOOTH = (
    "sigmoid", "softplus_slope", "logsigmoid", "silu", "silu_from_sigmoid", "mish", "normal_cdf", "gelu_exact",
)  # fmt: skip

ACTIVATIONS: dict[str, Strategy[Call]] = {
    **{name: _with_kinks(name, *how) for name, how in _KINKS.items()},
    **{name: one_input(name) for name in _SMOOTH},
    **{name: one_input(name, **UP_TO_3) for name in ("tanhshrink", "gelu_tanh")},  # they cancel beyond
    "gelu": one_input("gelu", each_of(approximate=("none", "tanh")), **UP_TO_3),
    "leaky": inputs_of("leaky", broadcastable(), partial(arrays, away_from=(0.0,))), "prelu": _prelus(), "glu": _glus(),
}  # fmt: skip
