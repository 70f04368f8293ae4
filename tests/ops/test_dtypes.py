"""The law of dtypes: every op with every pair of float16, float32 and float64, at the orders 1, 2 and 3."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.testing import Call
from tinygrad_edu.testing.mixed_dtypes import check_dtypes
from tinygrad_edu.testing.strategies import OP_CALLS, calls

FLOATS = (np.float16, np.float32, np.float64)
ORDER = 3
SLOPES = np.array([0.75, -1.25, 0.5])


@tg.op
def constant_slope(x):
    """Return x. The rule returns a bare array, as that of `sign` does; this one is not zero."""
    return np.array(x)


constant_slope.vjps(x=lambda g, x_shape, x_dtype: np.resize(SLOPES.astype(x_dtype), x_shape))


def before_a_bare_array(call):
    """Return the call as one whose rules get a bare array, also where a higher derivative is recorded."""

    def function(*inputs):
        return constant_slope(call(*inputs))

    function.__name__ = f"constant_slope of {call.name}"
    return Call(function, call.arrays)


def assignments(count):
    """Draw dtypes for the inputs of a call: all assignments to one input or two, some to more; a narrow one in each."""
    if count <= 2:
        return st.just([dtypes for dtypes in itertools.product(FLOATS, repeat=count) if set(dtypes) != {np.float64}])
    mixed = st.tuples(*[st.sampled_from(FLOATS)] * count).filter(lambda dtypes: len(set(dtypes)) > 1)
    return st.lists(mixed, min_size=4, max_size=4).map(lambda drawn: [*drawn, (np.float16,) * count])


def compared(call, dtypes):
    """Check a call whose inputs have these dtypes, and return for each order whether most values were compared.

    They are not where an input overflows, or where a derivative is refused in float64, too. Nothing is returned where
    NumPy's linear algebra refuses float16.
    """
    with np.errstate(over="ignore"):
        narrow = call.replaced([x.astype(dtype) for x, dtype in zip(call.arrays, dtypes, strict=True)])
    if any(np.any(np.isinf(x) & np.isfinite(given)) for x, given in zip(narrow.arrays, call.arrays, strict=True)):
        return [False] * ORDER
    if refuses_float16(narrow):
        return []
    try:
        return [part > 0.5 for part in check_dtypes(narrow)]
    except np.linalg.LinAlgError:
        with pytest.raises(np.linalg.LinAlgError):
            check_dtypes(narrow.replaced([x.astype(np.float64) for x in narrow.arrays]))
        return [False] * ORDER


def refuses_float16(call):
    try:
        with np.errstate(all="ignore"):
            call(*map(tg.Tensor, call.arrays))
    except TypeError as error:
        if "float16 is unsupported in linalg" not in str(error):
            raise
        return True
    return False


@pytest.mark.parametrize("name", OP_CALLS)
def test_gradients_of_narrow_and_mixed_dtypes(name):
    """The values of half of the gradients and more are compared: the others overflow in float16, or have no value."""
    answers = []

    @settings(max_examples=max(5, settings.default.max_examples // 20))
    @given(st.data())
    def law(data):
        call = data.draw(calls(name))
        for dtypes in data.draw(assignments(len(call.arrays))) if call.arrays else ():
            answers.extend(compared(call, dtypes))
            if len(set(dtypes)) > 1:
                answers.extend(compared(before_a_bare_array(call), dtypes))

    law()
    assert 2 * sum(answers) >= len(answers)
