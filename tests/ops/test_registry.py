"""Every op has a strategy and a public name."""

import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn, ops
from tinygrad_edu.ops import registry
from tinygrad_edu.testing.strategies import NONDIFFERENTIABLE_CALLS, OP_CALLS, calls

# Functions of tg.linalg without a strategy: they return several results, read one triangle, take a list, or have no
# derivative. They are composed of ops, and test_linalg.py tests them.
OTHERS_OF_LINALG = {"LinAlgError", "cholesky", "eigh", "eigvalsh", "matrix_rank", "multi_dot", "qr", "slogdet", "svd"}

# Ops shared by several public functions, and the op of Dropout.
SHARED = {
    "bessel", "cumulative_extremum", "dropout", "max_pool", "normalization", "one_minus_square", "recurrence",
    "recurrent",
}  # fmt: skip


def test_the_name_of_an_op_in_errors_is_public():
    public = {*ops.__all__, *ops.linalg.__all__, *nn.__all__, *vars(tg.Tensor)}
    assert {op.name for op in registry.values()} - public == SHARED


def test_every_op_has_a_strategy():
    assert set(registry) <= set(OP_CALLS)


def test_every_public_function_has_a_strategy():
    assert set(ops.linalg.__all__) - OTHERS_OF_LINALG <= set(OP_CALLS)
    assert set(ops.__all__) <= {*OP_CALLS, *NONDIFFERENTIABLE_CALLS}


def test_every_strategy_is_of_an_op_or_function_that_exists():
    assert set(OP_CALLS) <= set(registry) | set(ops.__all__) | set(ops.linalg.__all__)


def test_an_op_without_a_strategy_is_named():
    with pytest.raises(LookupError, match="op cube has no strategy"):
        calls("cube")
