"""Calls of elementwise ops and of activations, away from their kinks."""

from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.testing.strategies.arrays import Strategy, arrays, axes, broadcastable, masks, shapes
from tinygrad_edu.testing.strategies.op_calls.common import (
    ANY_SIZE,
    MARGINS_OF_40,
    UP_TO_3,
    Settings,
    call_of,
    conditions,
    each_of,
    inputs_of,
    moderate,
    one_input,
    two_inputs,
)


@st.composite
def _extrema(draw: Any, name: str) -> Call:
    """Draw two operands that are never equal: multiples of 1/4, and multiples of 1/4 plus 1/8."""
    x_shape, y_shape = draw(broadcastable())
    x, y = (draw(moderate(shape)) for shape in (x_shape, y_shape))
    return Call(name, [np.floor(x * 4) / 4, np.floor(y * 4) / 4 + 0.125])


@st.composite
def _divisions(draw: Any, name: str) -> Call:
    """Draw operands whose quotients are away from integers, where floor jumps."""
    x_shape, y_shape = draw(broadcastable())
    x = 2 * np.round(draw(arrays(x_shape, -1.0, 1.0))) + draw(st.sampled_from([0.25, 0.3]))
    y = draw(arrays(y_shape, **UP_TO_3, away_from=(0.0,)))
    return Call(name, [x, np.sign(y) * np.exp2(np.round(y / 3))])


@st.composite
def _powers(draw: Any) -> Call:
    """Draw a positive base and any exponent, a nonzero base and a constant integer exponent, or one constant number."""
    x_shape, y_shape = draw(broadcastable())
    kind = draw(st.sampled_from(("any exponent", "integer exponents", "a number as exponent", "a number as base")))
    if kind == "a number as exponent":
        return Call("power", [draw(arrays(x_shape, 0.25, 3.0)), draw(st.sampled_from((2, 3, -1, 0.5, 0)))], (0,))
    if kind == "a number as base":
        base = draw(st.sampled_from((2, 0.5, np.array(3), np.array([1, 2, 3]))))
        return Call("power", [base, draw(arrays((*y_shape[:-1], 1), -2.0, 2.0))], (1,))
    if kind == "any exponent":
        y = draw(arrays(y_shape, -2.0, 2.0))
        some_zeros = np.trunc(y)  # at an exponent of 0, the derivative of x is 0, but not the mixed derivative
        return Call("power", [draw(arrays(x_shape, 0.25, 3.0)), some_zeros if draw(st.booleans()) else y])
    x, y = draw(arrays(x_shape, away_from=(0.0,))), np.round(draw(arrays(y_shape, **UP_TO_3)))
    return Call("power", [x, y.astype(draw(st.sampled_from((np.float64, np.int64))))], differentiable=(0,))


@st.composite
def _clips(draw: Any, name: str) -> Call:
    """Draw inputs with constant bounds, or multiples of 1/4 with arrays of bounds, 1/8 away from multiples of 1/4."""
    if name == "clip_by_arrays" or (name == "clip" and draw(st.booleans())):
        x_shape, min_shape, max_shape = draw(broadcastable(3))
        x, low, high = (np.floor(draw(moderate(shape)) * 4) / 4 for shape in (x_shape, min_shape, max_shape))
        if draw(st.booleans()):  # low < high, so that some elements are below the lower bound
            low, high = -np.abs(low), np.abs(high)
        return Call(name, [x, low - 0.125, high + 0.125])
    bounds = draw(st.sampled_from([(-1.0, 1.0), (None, 0.5), (0.0, None), (None, None)]))
    x = draw(arrays(away_from=[b for b in bounds if b is not None]))
    return Call(name, [x], min=bounds[0], max=bounds[1])


@st.composite
def _lerps(draw: Any) -> Call:
    """Draw two end points, and an array or a number as weight."""
    x_shape, y_shape, weight_shape = draw(broadcastable(3))
    endpoints = [draw(arrays(x_shape)), draw(arrays(y_shape))]
    if draw(st.booleans()):
        return Call("lerp", [*endpoints, draw(st.sampled_from((0, 0.25, 0.75, 1.5, -2)))], differentiable=(0, 1))
    return Call("lerp", [*endpoints, draw(arrays(weight_shape, away_from=(-0.5, 0.5)))])


@st.composite
def _masked_fills(draw: Any) -> Call:
    x_shape, mask_shape = draw(broadcastable())
    x, mask = draw(arrays(x_shape)), draw(masks(mask_shape))
    if draw(st.booleans()):
        return Call("masked_fill", [x, mask, draw(st.sampled_from((0, -1.5)))], differentiable=(0,))
    return Call("masked_fill", [x, mask, draw(arrays(()))])


@st.composite
def _away_from_the_origin(draw: Any, name: str) -> Call:
    """Draw operands that are not both 0. The second may be a Python number, which is constant."""
    x_shape, y_shape = draw(broadcastable())
    x, y = draw(arrays(x_shape, **ANY_SIZE)), draw(arrays(y_shape, **ANY_SIZE, **NO_ZERO))
    if name == "arctan2":
        y = np.abs(y)  # arctan2 jumps at the negative half of the axis
    if draw(st.integers(0, 5)) == 5:
        return Call(name, [x, 1.5], differentiable=(0,))
    return Call(name, [x, y])


@st.composite
def _logits(draw: Any) -> Call:
    eps = draw(st.sampled_from((None, 1e-6, 0.25)))
    return Call("logit", [draw(arrays(low=0.125, high=0.875, away_from=(0.25, 0.75) if eps == 0.25 else ()))], eps=eps)


_POSITIVE: Settings = {"low": 0.25, "high": 8.0}


NO_ZERO: Settings = {"away_from": (0.0,)}

ELEMENTWISE: dict[str, Strategy[Call]] = {
    **{name: two_inputs(name, ANY_SIZE, ANY_SIZE) for name in ("add", "subtract", "multiply")},
    "divide": two_inputs("divide", ANY_SIZE, {**ANY_SIZE, **NO_ZERO}), "power": _powers(),
    **{name: inputs_of(name, broadcastable(), arrays, conditions) for name in ("keep", "drop")},
    "where": inputs_of("where", broadcastable(3), conditions),
    "tanh_gradient": inputs_of("tanh_gradient", shapes().map(lambda shape: (shape, shape))),
    **{name: _divisions(name) for name in ("floor_divide", "remainder")},
    **{name: _extrema(name) for name in ("maximum", "minimum", "fmax", "fmin")},
    "exp": one_input("exp"), **{name: one_input(name, **MARGINS_OF_40) for name in ("sin", "cos")},
    **{name: one_input(name, **ANY_SIZE) for name in ("negative", "square", "positive", "deg2rad", "rad2deg")},
    **{name: one_input(name, low=1e-6, high=1e8) for name in ("log", "log2", "log10", "sqrt", "rsqrt")},
    **{name: one_input(name, **ANY_SIZE, **NO_ZERO) for name in ("sign", "abs", "reciprocal", "cbrt")},
    **{name: one_input(name, **ANY_SIZE) for name in ("arcsinh", "arctan", "erf", "tanh")},
    **{name: one_input(name) for name in ("cosh", "exp2", "expm1", "sinh")},
    "sinc": one_input("sinc", **MARGINS_OF_40), "erfc": one_input("erfc", low=-3, high=5),
    "erfcx": one_input("erfcx", low=-3, high=200),
    **{name: one_input(name, low=-30, high=8) for name in ("log_ndtr", "log_ndtr_slope")},
    "ndtr": one_input("ndtr", **MARGINS_OF_40), "erfinv": one_input("erfinv", low=-0.875, high=0.875),
    "ndtri": one_input("ndtri", low=0.0625, high=0.9375),
    **{name: one_input(name, low=-1.875, high=1e3, away_from=(-1.0, 0.0)) for name in ("lgamma", "digamma")},
    "entr": one_input("entr", low=0.25, high=1e3),
    "polygamma_of_order": one_input("polygamma_of_order", each_of(n=(1, 2)), **_POSITIVE),
    "polygamma": call_of("polygamma", st.integers(0, 3), arrays(**_POSITIVE), differentiable=(1,)),
    **{name: one_input(name, low=-30, high=30, **NO_ZERO) for name in ("i0", "i1", "i0e", "i1e")},
    **{name: one_input(name, **MARGINS_OF_40) for name in ("bessel_j0", "bessel_j1")},
    **{name: one_input(name, **_POSITIVE) for name in (
        "bessel_y0", "bessel_y1", "modified_bessel_k0", "modified_bessel_k1",
    )},
    "bessel_of_order": one_input(
        "bessel_of_order", each_of(kind=("j", "y", "i", "ie", "k"), order=(0, 1, 2)), **_POSITIVE
    ),
    "xlog1py": two_inputs("xlog1py", y={"low": -0.75, "high": 8.0}),
    **{name: one_input(name, low=-0.875, high=0.875) for name in ("arcsin", "arccos", "arctanh", "log1p")},
    "one_minus_square": one_input("one_minus_square"), "tan": one_input("tan", low=-1.25, high=1.25),
    "arccosh": one_input("arccosh", low=1.125),
    **{name: one_input(name, **UP_TO_3, away_from=(-3, -2, -1, 0, 1, 2, 3)) for name in ("floor", "ceil", "trunc")},
    "round": one_input("round", each_of(decimals=(0, -1)), **UP_TO_3, change=lambda x: np.floor(x) + 0.25),
    "fmod": _divisions("fmod"), "copysign": two_inputs("copysign", NO_ZERO, NO_ZERO),
    "sinc_derivative": one_input("sinc_derivative", each_of(order=(1, 2, 3)), **UP_TO_3),
    **{name: two_inputs(name) for name in ("logaddexp", "logaddexp2")},
    **{name: _away_from_the_origin(name) for name in ("hypot", "hypot_ratio", "arctan2")},
    "lerp": _lerps(), "masked_fill": _masked_fills(), "xlogy": two_inputs("xlogy", y=_POSITIVE), "logit": _logits(),
    "nan_to_num": one_input("nan_to_num", each_of(nan=(0.0, 2.5), posinf=(None, 1.0), neginf=(None, -1.0))),
    **{name: _clips(name) for name in ("clip", "clip_by_arrays", "clip_by_scalars")},
    "astype": one_input("astype", lambda shape: st.just({"dtype": np.float64})),
}  # fmt: skip


# --- Activations ---


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
