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


def assignments(count):
    """Draw dtypes for the inputs of a call: all assignments to one input or two, some to more; a narrow one in each."""
    if count <= 2:
        return st.just([dtypes for dtypes in itertools.product(FLOATS, repeat=count) if set(dtypes) != {np.float64}])
    mixed = st.tuples(*[st.sampled_from(FLOATS)] * count).filter(lambda dtypes: len(set(dtypes)) > 1)
    return st.lists(mixed, min_size=4, max_size=4).map(lambda drawn: [*drawn, (np.float16,) * count])


def compared(call, dtypes):
    """Check a call whose inputs have these dtypes, and return whether the values of most gradients were compared.

    There is one answer for each order. There is none where NumPy's linear algebra refuses float16.
    """
    with np.errstate(over="ignore"):
        narrow = call.replaced([x.astype(dtype) for x, dtype in zip(call.arrays, dtypes, strict=True)])
    if not all(np.isfinite(x).all() for x in narrow.arrays):
        return [False] * ORDER
    try:
        return [part > 0.5 for part in check_dtypes(narrow)]
    except TypeError as error:
        if set(dtypes) == {np.float16} and "float16 is unsupported in linalg" in str(error):
            return []
        raise
    except np.linalg.LinAlgError:
        wide = call.replaced([x.astype(np.float64) for x in narrow.arrays])
        with pytest.raises(np.linalg.LinAlgError):
            check_dtypes(wide)
        return [False] * ORDER


@pytest.mark.parametrize("name", OP_CALLS)
def test_gradients_of_narrow_and_mixed_dtypes(name):
    """The values of half of the gradients and more are compared: the others overflow in float16, or have no value."""
    answers = []

    @settings(max_examples=max(3, settings.default.max_examples // 25))
    @given(st.data())
    def law(data):
        call = data.draw(calls(name))
        for dtypes in data.draw(assignments(len(call.arrays))) if call.arrays else ():
            answers.extend(compared(call, dtypes))

    law()
    assert 2 * sum(answers) >= len(answers)
