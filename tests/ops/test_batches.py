"""A batch equals its samples one by one: values and gradients, over special values, dtypes and sizes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ops.batches import BATCHES
from tests.ops.rounding import assert_same
from tinygrad_edu.testing import Call
from tinygrad_edu.testing.strategies import special_calls
from tinygrad_edu.testing.thresholds import lowered_thresholds
from tinygrad_edu.testing.verdict import draw_signed
from tinygrad_edu.transforms import vjp


def sample(call, batch, k):
    """Return the call of one sample, which keeps its axis."""
    inputs = [x if axis is None else x.take([k], axis) for x, axis in zip(call.inputs, batch.inputs, strict=True)]
    return Call(call.function, inputs, call.differentiable, **call.settings)


def pulled(call, g):
    """Return a value, and the gradients for a cotangent: the result's part of `g`."""
    out, pullback = vjp(call, *call.arrays)
    return out, pullback(g.astype(out.dtype).reshape(out.shape))


@pytest.mark.parametrize("name", BATCHES)
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_a_batch_equals_its_samples(name, data, seed):
    call = data.draw(special_calls(name))
    with np.errstate(all="ignore"):
        for batch in BATCHES[name](call):
            hold(call, batch, seed)


def hold(call, batch, seed):
    """Hold a batch, computed as a large one, to its samples."""
    lengths = [x.shape[axis] for x, axis in zip(call.inputs, batch.inputs, strict=True) if axis is not None]
    if not lengths or not lengths[0]:
        return
    samples = [sample(call, batch, k) for k in range(lengths[0])]
    try:
        parts = [np.asarray(part(*part.arrays)) for part in samples]
        cotangents = [draw_signed(np.random.default_rng(k), part.shape) for k, part in enumerate(parts)]
        joined = cotangents[0] if batch.out is None else np.concatenate(cotangents, batch.out)
        wanted = [pulled(s, joined if batch.out is None else g) for s, g in zip(samples, cotangents, strict=True)]
    except (np.linalg.LinAlgError, TypeError, ValueError):  # of special values, or of float16
        return
    with lowered_thresholds(seed):
        out, gradients = pulled(call, joined)
    assert_same(out, together([value for value, _ in wanted], batch.out), call.arrays)
    of_samples = zip(*(each for _, each in wanted), strict=True)
    for k, gradient, each in zip(call.differentiable, gradients, of_samples, strict=True):
        assert_same(gradient, together(each, batch.inputs[k]), call.arrays)


def together(parts, axis):
    """Return the parts of a batch as one: joined along its axis, or added up where there is none."""
    parts = [np.asarray(part) for part in parts]
    return sum(parts[1:], parts[0]) if axis is None else np.concatenate(parts, axis)
