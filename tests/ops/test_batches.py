"""Values and gradients of a batch equal those of its samples, for special values, dtypes and sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ops.batches import BATCHES
from tests.ops.groups import in_groups
from tests.ops.rounding import assert_same
from tinygrad_edu.testing import Call
from tinygrad_edu.testing.numeric.sampling import draw_signed
from tinygrad_edu.testing.strategies import calls, special_calls
from tinygrad_edu.testing.thresholds import lowered_thresholds
from tinygrad_edu.transforms import vjp


def sample(call, batch, k):
    """Return the call for one sample; the batch axis is kept."""
    inputs = [x if axis is None else x.take([k], axis) for x, axis in zip(call.inputs, batch.inputs, strict=True)]
    return Call(call.function, inputs, call.differentiable, **call.settings)


def pulled(call, g):
    """Return a value and the gradients for the cotangent `g`, reshaped and cast to the value's shape and dtype."""
    out, pullback = vjp(call, *call.arrays)
    return out, pullback(g.astype(out.dtype).reshape(out.shape))


@pytest.mark.parametrize("names", **in_groups(BATCHES))
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_a_batch_equals_its_samples(names, data, seed):
    name = data.draw(st.sampled_from(names))
    call = data.draw(special_calls(name))
    with np.errstate(all="ignore"):
        for batch in BATCHES[name](call):
            hold(call, batch, seed)


def hold(call, batch, seed):
    """Compare a batch, computed with the algorithms for large arrays, with its samples."""
    lengths = [x.shape[axis] for x, axis in zip(call.inputs, batch.inputs, strict=True) if axis is not None]
    if not lengths or not lengths[0]:
        return
    samples = [sample(call, batch, k) for k in range(lengths[0])]
    try:
        parts = [np.asarray(part(*part.arrays)) for part in samples]
        cotangents = [draw_signed(np.random.default_rng(k), part.shape) for k, part in enumerate(parts)]
        joined = cotangents[0] if batch.out is None else np.concatenate(cotangents, batch.out)
        wanted = [pulled(s, joined if batch.out is None else g) for s, g in zip(samples, cotangents, strict=True)]
    except (np.linalg.LinAlgError, TypeError, ValueError, ZeroDivisionError):  # due to special values or float16
        return
    with lowered_thresholds(seed):
        out, gradients = pulled(call, joined)
    assert_same(out, together([value for value, _ in wanted], batch.out), call.arrays)
    of_samples = zip(*(each for _, each in wanted), strict=True)
    for k, gradient, each in zip(call.differentiable, gradients, of_samples, strict=True):
        assert_same(gradient, together(each, batch.inputs[k]), call.arrays)


def together(parts, axis):
    """Join the parts of a batch along its axis, or sum them if there is none."""
    parts = [np.asarray(part) for part in parts]
    return sum(parts[1:], parts[0]) if axis is None else np.concatenate(parts, axis)


# --- Sizes beyond the actual thresholds ---


@pytest.mark.thorough
@pytest.mark.parametrize("names", **in_groups(BATCHES))
@given(data=st.data(), size=st.sampled_from([2**12, 2**15]))
def test_a_large_batch_equals_a_small_one_many_times(names, data, size):
    hold_repeated(data, names, size)


@pytest.mark.slow
@pytest.mark.parametrize("name", BATCHES)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_a_very_large_batch_equals_a_small_one_many_times(name, data):
    hold_repeated(data, [name], 2**21)


def hold_repeated(data, names, size):
    """Draw a batch of one of the ops, and compare it with its repetition."""
    name = data.draw(st.sampled_from(names))
    call = data.draw(calls(name))
    dtype = data.draw(st.sampled_from([np.float64, np.float32]))
    call = call.with_arrays([x.astype(dtype) for x in call.arrays])
    for batch in BATCHES[name](call)[:1]:
        if any(x.size for x, axis in zip(call.inputs, batch.inputs, strict=True) if axis is not None):
            hold_many(call, batch, size)


def hold_many(call, batch, size):
    """Compare a batch, repeated until its largest input has `size` elements, with the batch itself."""
    times = -(-size // max(x.size for x in call.arrays))
    many = Call(call.function, [repeated(x, axis, times) for x, axis in zip(call.inputs, batch.inputs, strict=True)],
                call.differentiable, **call.settings)  # fmt: skip
    with np.errstate(all="ignore"):
        out = np.asarray(call(*call.arrays))
        g = draw_signed(np.random.default_rng(0), out.shape)
        value, gradients = pulled(call, g)
        found, of_many = pulled(many, g if batch.out is None else repeated(g, batch.out, times))
    wanted = times * value if batch.out is None else repeated(np.asarray(value), batch.out, times)
    assert_same(found, wanted, call.arrays, times)
    for k, gradient, one in zip(call.differentiable, of_many, gradients, strict=True):
        axis = batch.inputs[k]
        wanted = times * one if axis is None else repeated(np.asarray(one), axis, times)
        assert_same(gradient, wanted, call.arrays, times)


def repeated(x, axis, times):
    """Repeat x along an axis; return x if `axis` is None."""
    return x if axis is None else np.concatenate([x] * times, axis)
