"""The errors of checks: their base class, and AssertionErrors for faults."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.errors import DTypeError, TinygradError
from tinygrad_edu.testing import check_gradient, check_jvp, check_op, check_vjp, failures
from tinygrad_edu.testing.failures import CheckFailed, Inconclusive

NOISE = np.random.default_rng(0)

# For each class: a check that raises it, and whether it reports a fault.
FAILURES = {
    "GradientMismatch": (lambda: check_gradient(np.exp, lambda x, g: -g * np.exp(x), np.ones(2)), True),
    "LawBroken": (lambda: check_op(tg.exp, np.ones(2), reference=np.sin), True),
    "NotDeterministic": (lambda: check_vjp(lambda x: x * NOISE.random(2), np.ones(2)), True),
    "Inconclusive": (lambda: check_gradient(lambda x: 1e13 + np.sum(np.sin(x)), np.cos, [0.3, -1.2, 0.8]), False),
    "NotDifferentiableHere": (lambda: check_jvp(tg.sign, np.zeros(2)), False),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_check_raises_a_check_failed(kind):
    check, has_fault = FAILURES[kind]
    with pytest.raises(CheckFailed) as caught:
        check()
    assert caught.type.__name__ == kind
    assert isinstance(caught.value, AssertionError) == has_fault
    assert isinstance(caught.value, Inconclusive) != has_fault
    assert isinstance(caught.value, TinygradError)


def test_the_table_has_every_class():
    assert {*FAILURES} == {*failures.__all__} - {"CheckFailed"}


def test_an_invalid_argument_is_no_failed_check():
    with pytest.raises(DTypeError, match="must be real") as caught:
        check_vjp(tg.exp, np.ones(2, complex))
    assert not isinstance(caught.value, CheckFailed)
