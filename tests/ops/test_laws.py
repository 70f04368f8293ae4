"""The laws of `check_op`, for every op and every function of ops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.testing import check_op
from tinygrad_edu.testing.strategies import OP_CALLS, calls


@pytest.mark.parametrize("name", OP_CALLS)
@given(data=st.data())
def test_laws(name, data):
    check_op(data.draw(calls(name)))
