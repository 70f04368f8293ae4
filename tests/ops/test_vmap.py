"""vmap of every op and function over each input alone, and over all, equals a loop over the samples."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_edu.errors import LoopWarning
from tinygrad_edu.testing import check_vmap
from tinygrad_edu.testing.strategies import OP_CALLS, calls

# Ops and functions that run once for each sample, at least for some calls: they read values, or have no rule.
LOOPS = {"cross_entropy", "embedding", "pad", "pad_constant", "percentile", "put_along_axis", "quantile", "recurrent",
         "undifferentiable", "unique"}  # fmt: skip


def samples(x):
    """Return three samples like x: x itself, and smaller floats with the same signs and ties."""
    return np.stack([x * (1 - k / 1024) if x.dtype.kind == "f" else x for k in range(3)]).astype(x.dtype)


def mapped_inputs(call):
    """Return the positions of the arrays that vmap can map: those with a vjp, and integers and masks."""
    others = [k for k, x in enumerate(call.inputs) if isinstance(x, np.ndarray) and x.dtype.kind in "iub"]
    return sorted({*call.differentiable, *others})


def hold(call):
    """Check vmap over each input alone, and over all of them."""
    positions = mapped_inputs(call)

    def f(*arrays):
        inputs = list(call.inputs)
        for k, x in zip(positions, arrays, strict=True):
            inputs[k] = x
        return call.function(*inputs, **call.settings)

    f.__name__ = call.name
    for chosen in dict.fromkeys([*((k,) for k in positions), tuple(positions)]):
        pairs = [(samples(call.inputs[k]), 0) if k in chosen else (call.inputs[k], None) for k in positions]
        arrays, axes = zip(*pairs, strict=True)
        try:
            for k in range(3):
                f(*(x[k] if axis == 0 else x for x, axis in pairs))
        except (np.linalg.LinAlgError, ValueError, ZeroDivisionError):
            return  # a scaled sample has left the domain
        check_vmap(f, *arrays, in_axes=axes)


@pytest.mark.filterwarnings("ignore::tinygrad_edu.errors.LoopWarning")
@pytest.mark.parametrize("name", OP_CALLS)
@settings(max_examples=2)  # the simplest call, and a random one
@given(data=st.data())
def test_vmap_equals_a_loop(name, data):
    with np.errstate(all="ignore"):
        hold(data.draw(calls(name)))


@pytest.mark.slow
@pytest.mark.parametrize("name", OP_CALLS)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_vmap_equals_a_loop_for_many_calls_without_a_warning(name, data):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        if name in LOOPS:
            warnings.simplefilter("ignore", LoopWarning)
        hold(data.draw(calls(name)))
