"""The errors of checks: faults are AssertionErrors, and invalid arguments are no failed checks."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.testing import check_vjp, failures
from tinygrad_edu.testing.failures import CheckFailed, Inconclusive


def test_each_error_is_either_a_fault_or_inconclusive():
    for error in {getattr(failures, name) for name in failures.__all__} - {CheckFailed}:
        assert issubclass(error, CheckFailed)
        assert issubclass(error, AssertionError) != issubclass(error, Inconclusive)


def test_an_invalid_argument_is_no_failed_check():
    with pytest.raises(DTypeError, match="must be real") as caught:
        check_vjp(tg.exp, np.ones(2, complex))
    assert not isinstance(caught.value, CheckFailed)
