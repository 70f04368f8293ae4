"""No op lands untested: each has a strategy, and a rule for every floating-point input that the strategy draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import ops
from tinygrad_edu.ops import registry
from tinygrad_edu.testing.strategies import OP_CALLS, calls

# Functions of a list of tensors; they are composed of ops, and test_derivatives.py has a test for each.
OF_A_LIST = {"concatenate", "stack"}
# Those of tg.linalg that are no functions of numbers alone: they return several results, read one triangle, take a
# list, or have no derivative. They are composed of ops, and test_linalg.py tests them.
OTHERS_OF_LINALG = {
    "LinAlgError", "cholesky", "eigh", "eigvalsh", "matrix_rank", "multi_dot", "qr", "slogdet", "svd",
}  # fmt: skip
# Functions with no derivative, with pairs of results, or with a shape that the values decide: see test_questions.py.
ANSWERED = {*ops.questions.__all__, "kthvalue", "topk", "unique"}
# Functions that no derivative goes through; test_logic.py has a table of them.
QUESTIONS = set(ops.logic.__all__)


def test_every_op_has_a_strategy():
    assert set(registry) <= set(OP_CALLS)


def test_every_public_function_has_a_strategy():
    assert set(ops.linalg.__all__) - OTHERS_OF_LINALG <= set(OP_CALLS)
    assert set(ops.__all__) - OF_A_LIST - QUESTIONS <= set(OP_CALLS)
    assert set(ops.__all__) - OF_A_LIST - ANSWERED - QUESTIONS <= set(OP_CALLS)


def test_every_strategy_is_of_an_op_or_function_that_exists():
    assert set(OP_CALLS) <= set(registry) | set(ops.__all__) | set(ops.linalg.__all__)


def test_an_op_without_a_strategy_is_named():
    with pytest.raises(LookupError, match="op cube has no strategy"):
        calls("cube")


@pytest.mark.parametrize("name", registry)
@given(data=st.data())
def test_every_floating_point_input_has_a_rule(name, data):
    op = registry[name]
    call = data.draw(calls(name))
    for k, x in enumerate(call.inputs):
        argument = op.inputs[0] if op.variadic else op.inputs[k]
        assert np.asarray(x).dtype.kind != "f" or argument in op.functions, argument
