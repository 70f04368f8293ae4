"""vmap of every op and function over each input alone, and over all, equals a loop over the samples."""

import warnings
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.effort import thorough
from tinygrad_edu.errors import LoopWarning
from tinygrad_edu.testing import check_vmap
from tinygrad_edu.testing.strategies import OP_CALLS, calls
from tinygrad_edu.transforms import vmap

# Ops and functions that run once for each sample, at least for some calls: they read values, or have no rule.
LOOPS = {"alignment_scores", "attention_in_blocks", "lstsq", "nanquantile",
         "bincount", "cross_entropy", "embedding", "histogram", "interp", "pad", "pad_constant", "percentile",
         "put_along_axis", "quantile", "recurrent", "segment_max", "segment_min", "segment_prod",
         "segment_sum", "index_add", "undifferentiable", "unique"}  # fmt: skip


def samples(x):
    """Return three samples like x: x itself, and smaller floats with the same signs and ties."""
    return np.stack([x * (1 - k / 1024) if x.dtype.kind == "f" else x for k in range(3)]).astype(x.dtype)


def mapped_inputs(call):
    """Return the positions of the arrays that vmap can map: those with a vjp, and integers and masks."""
    others = [k for k, x in enumerate(call.inputs) if isinstance(x, np.ndarray) and x.dtype.kind in "iub"]
    return sorted({*call.differentiable, *others})


def of_mapped_inputs(call):
    """Return a call as a function of the arrays that vmap can map, and these arrays."""
    positions = mapped_inputs(call)

    def f(*arrays):
        inputs = list(call.inputs)
        for k, x in zip(positions, arrays, strict=True):
            inputs[k] = x
        return call.function(*inputs, **call.settings)

    f.__name__ = call.name
    return f, [call.inputs[k] for k in positions]


def axes_of(count):
    """Return the axes of arrays: each of them mapped alone, and then all of them."""
    alone = [tuple(0 if k == j else None for k in range(count)) for j in range(count)]
    return list(dict.fromkeys([*alone, (0,) * count]))


def all_axes(count):
    """Return the axes of arrays that are all mapped."""
    return [(0,) * count]


def is_defined(f, arrays, axes, index):
    """Return whether a sample is in the domain of a function."""
    try:
        f(*(x if axis is None else x[index] for x, axis in zip(arrays, axes, strict=True)))
    except (np.linalg.LinAlgError, ValueError, ZeroDivisionError):
        return False
    return True


def hold(call, outer_axes):
    """Check vmap over each input alone, and over all of them; and inside of another vmap."""
    f, arrays = of_mapped_inputs(call)
    for inner in axes_of(len(arrays)):
        mapped = [samples(x) if axis == 0 else x for x, axis in zip(arrays, inner, strict=True)]
        if not all(map(partial(is_defined, f, mapped, inner), range(3))):
            return  # a scaled sample has left the domain
        check_vmap(f, *mapped, in_axes=inner)
        for outer in outer_axes(len(arrays)):
            twice = [samples(x) if axis == 0 else x for x, axis in zip(mapped, outer, strict=True)]
            check_vmap(vmap(f, inner), *twice, in_axes=outer)


@pytest.mark.filterwarnings("ignore::tinygrad_edu.errors.LoopWarning")
@pytest.mark.parametrize("name", thorough(OP_CALLS, quick=[*OP_CALLS][::4]))
@settings(max_examples=2)  # the simplest call, and a random one
@given(data=st.data())
def test_vmap_equals_a_loop(name, data):
    with np.errstate(all="ignore"):
        hold(data.draw(calls(name)), all_axes)


@pytest.mark.slow
@pytest.mark.parametrize("name", OP_CALLS)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_vmap_equals_a_loop_for_many_calls_without_a_warning(name, data):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        if name in LOOPS:
            warnings.simplefilter("ignore", LoopWarning)
        hold(data.draw(calls(name)), lambda count: [])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::tinygrad_edu.errors.LoopWarning")
@pytest.mark.parametrize("name", OP_CALLS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_nested_vmap_equals_a_loop_for_many_calls(name, data):
    with np.errstate(all="ignore"):
        hold(data.draw(calls(name)), axes_of)
