"""The dtypes of results and gradients of every op, for mixed float16, float32 and float64, to third order."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import tape
from tinygrad_edu.testing import Call
from tinygrad_edu.testing.laws.mixed_dtypes import check_dtypes
from tinygrad_edu.testing.strategies import OP_CALLS, calls

FLOATS = (np.float16, np.float32, np.float64)
ORDER = 3
# Results of other ops have the widest dtype of the inputs, except `astype`.
RESULT_AS_THE_FIRST_INPUT = {"masked_fill", "put_along_axis", "softmax_cross_entropy", "cross_entropy"}
# The gradients of these ops cancel in float16; `layer_norm` and `rms_norm` call them with float32.
AT_LEAST_FLOAT32 = {"divide_by_rms", "row_norm"}
SLOPES = np.array([0.75, -1.25, 0.5])


@tg.op
def constant_slope(x):
    """Return x. As for `sign`, the vjp returns a plain array, but here a nonzero one."""
    return np.array(x)


constant_slope.vjps(x=lambda g, x_shape, x_dtype: np.resize(SLOPES.astype(x_dtype), x_shape))


def before_a_bare_array(call):
    """Return a call whose vjps receive a plain array, even when a higher derivative is recorded."""

    def function(*inputs):
        return constant_slope(call(*inputs))

    function.__name__ = call.name
    return Call(function, call.arrays)


def assignments(call):
    """Draw dtypes for inputs: all assignments for one or two inputs, some for more, each with a narrow dtype."""
    count, floats = len(call.arrays), FLOATS[1:] if call.name in AT_LEAST_FLOAT32 else FLOATS
    if count <= 2:
        return st.just([dtypes for dtypes in itertools.product(floats, repeat=count) if set(dtypes) != {np.float64}])
    mixed = st.tuples(*[st.sampled_from(FLOATS)] * count).filter(lambda dtypes: len(set(dtypes)) > 1)
    return st.lists(mixed, min_size=4, max_size=4).map(lambda drawn: [*drawn, (np.float16,) * count])


def compared(call, dtypes):
    """Check a call with inputs of these dtypes; return for each order whether most of the values were compared.

    They are not compared if an input overflows or a matrix is singular. The list is empty if NumPy's linear algebra
    rejects float16.
    """
    with np.errstate(over="ignore"):
        narrow = call.with_arrays([x.astype(dtype) for x, dtype in zip(call.arrays, dtypes, strict=True)])
    if any(np.any(np.isinf(x) & np.isfinite(given)) for x, given in zip(narrow.arrays, call.arrays, strict=True)):
        return [False] * ORDER
    out = result_of(narrow)
    if out is None:
        return []
    widest = dtypes[0] if call.name in RESULT_AS_THE_FIRST_INPUT else np.result_type(*dtypes)
    assert out.dtype == call.settings.get("dtype", widest)
    try:
        return [part > 0.5 for part in check_dtypes(narrow)]
    except np.linalg.LinAlgError:  # a higher derivative of `det`: the matrix is singular to the precision of its dtype
        return [False] * ORDER


def result_of(call):
    """Return the result of a call, or None if NumPy's linear algebra rejects float16."""
    try:
        with np.errstate(all="ignore"):
            return call(*map(tg.Tensor, call.arrays))
    except TypeError as error:
        if "float16 is unsupported in linalg" not in str(error):
            raise
        return None


MANY = 4096  # 2048 + 1 is 2048 in float16
ONES, FIRST = np.ones((MANY, 1), np.float16), np.zeros(MANY, int)
# Functions that use each element of x many times.
SPREAD = {
    "add": lambda x: x + np.zeros((MANY, 2)),
    "broadcast_to": lambda x: tg.broadcast_to(x, (MANY, 2)),
    "embedding": lambda x: tg.embedding(FIRST, x),
    "getitem": lambda x: x[FIRST],
    "linear": lambda x: tg.linear(tg.Tensor(ONES), tg.Tensor(ONES[:2]), x[0]),
    "meshgrid": lambda x: tg.meshgrid(x[0], tg.Tensor(ONES[:, 0]))[0],
    "outer": lambda x: tg.outer(tg.Tensor(ONES[:, 0]), x[0]),
    "pad": lambda x: tg.pad(x, ((MANY - 1, 0), (0, 0)), mode="edge"),
    "repeat": lambda x: tg.repeat(x, MANY, axis=0),
    "take": lambda x: tg.take(x, FIRST, axis=0),
    "take_along_axis": lambda x: tg.take_along_axis(x, np.stack([FIRST, FIRST], 1), axis=0),
    "tile": lambda x: tg.tile(x, (MANY, 1)),
    "where": lambda x: tg.where(ONES > 0, x, 0.0),
}  # fmt: skip


@pytest.mark.parametrize("name", SPREAD)
def test_the_gradient_of_many_uses_is_added_in_float32(name):
    x = tg.Tensor(np.ones((1, 2), np.float16), requires_grad=True)
    out = SPREAD[name](x)
    assert out.dtype == np.float16
    out.backward(np.ones(out.shape))
    assert x.grad.tolist() == [[MANY, MANY]]


@pytest.mark.parametrize("axis", [0, (0,), (0, 1), None])
def test_float16_is_summed_in_float32(axis):
    x = tg.Tensor(np.broadcast_to(ONES, (MANY, 2)))
    for found in (tg.sum(x, axis), tg.sum(x.astype(np.float32), axis, dtype=np.float16)):
        np.testing.assert_array_equal(found.numpy(), np.sum(x.numpy(), axis, np.float32))
        assert found.dtype == np.float16


@pytest.mark.parametrize("function", [tg.layer_norm, tg.rms_norm])
def test_rows_of_float16_are_normalized_in_float32(function):
    """Two elements of a row are nearly -1 and 1, and the gradient is their distance from it."""
    x = np.array([[-0.25, 0.125], [0.0, 0.25], [0.375, -0.125]], np.float16)
    out = function(tg.Tensor(x, requires_grad=True), 2)
    assert [row.node.dtype for row in tape.of(out).rows if row.op == "normalization"] == [np.float32]


@pytest.mark.thorough
@pytest.mark.parametrize("name", OP_CALLS)
def test_gradients_of_narrow_and_mixed_dtypes(name):
    """At least half of the gradients must be compared; the others overflow in float16 or do not exist."""
    answers = []

    @settings(max_examples=max(5, settings.default.max_examples // 20))
    @given(st.data())
    def law(data):
        call = data.draw(calls(name))
        for dtypes in data.draw(assignments(call)) if call.arrays else ():
            answers.extend(compared(call, dtypes))
            if len(set(dtypes)) > 1:
                answers.extend(compared(before_a_bare_array(call), dtypes))

    law()
    assert 2 * sum(answers) >= len(answers)
