"""Functions that only move elements: each element of the result is an element of an input, bit for bit, or 0."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ops.groups import in_groups
from tinygrad_edu.testing.strategies import special_calls
from tinygrad_edu.testing.strategies.op_calls.several import JOINING, SEVERAL
from tinygrad_edu.testing.thresholds import lowered_thresholds

MOVES = [
    *JOINING, *SEVERAL, "identity", "reshape", "transpose", "swapaxes", "expand_dims", "squeeze", "broadcast_to", "pad",
    "pad_constant", "diagonal", "moveaxis", "roll", "rot90", "tile", "repeat", "flatten", "tril", "triu", "ravel",
    "diagflat", "fliplr", "flipud", "flip", "getitem", "diag", "index_select", "take", "take_along_axis",
    "put_along_axis", "take_flat", "take_diagonal", "put_diagonal", "embedding", "lookup_rows",
    "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "im2col", "unfold", "where", "keep", "drop", "masked_fill",
]  # fmt: skip
# These add to zeros, and 0.0 + -0.0 is 0.0.
LOSE_THE_SIGN_OF_0 = ["diag", "diagflat"]


@pytest.mark.parametrize("names", **in_groups(MOVES))
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_elements_are_moved_bit_for_bit(names, data, seed):
    name = data.draw(st.sampled_from(names))
    call = data.draw(special_calls(name))
    if np.any(call.settings.get("constant_values", 0)) or len(call.arrays) < sum(map(is_number, call.inputs)):
        return  # constant inputs cannot be numbered
    numbered, count = [], 1
    for x in call.arrays:
        numbered.append(np.arange(count, count + x.size).reshape(x.shape).astype(np.float64))
        count += x.size
    elements = np.concatenate([np.zeros(1), *(x.ravel() for x in call.arrays)], dtype=call.arrays[0].dtype)
    with lowered_thresholds(seed):
        found, places = np.asarray(call(*call.arrays)), np.asarray(call(*numbered))
    wanted = elements[places.astype(np.intp)]
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    np.testing.assert_array_equal(found, wanted)
    if name not in LOSE_THE_SIGN_OF_0:
        np.testing.assert_array_equal(np.signbit(found), np.signbit(wanted))


def is_number(x):
    return np.asarray(x).dtype.kind == "f"
