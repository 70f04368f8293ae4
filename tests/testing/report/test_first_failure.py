"""The first failure of a Hypothesis test is recorded, because shrinking turns it into a special case."""

import re

import numpy as np
import pytest
from hypothesis import Phase, given, settings

from tests.testing.test_tensor_checks import broken
from tinygrad_edu import abs as absolute
from tinygrad_edu.testing import Call, GradientMismatch, LawBroken, check_op, check_vjp
from tinygrad_edu.testing.report import mismatch
from tinygrad_edu.testing.strategies import arrays, shapes

pytestmark = pytest.mark.tinygrad_edu_max_inconclusive(1)  # failed checks do not count as conclusive

without_sign = broken("square", x=lambda g, x: 2 * g * absolute(x))


def message_of(check, op, shape):
    """Return the message of a check under Hypothesis."""

    @settings(database=None, derandomize=True, max_examples=50, phases=(Phase.generate, Phase.shrink))
    @given(arrays(shape, layouts=False))
    def test(x):
        check(Call(op, [x]))

    with pytest.raises((GradientMismatch, LawBroken)) as caught:
        test()
    return str(caught.value)


def check(call):
    check_vjp(call, *call.arrays, order=1)


def test_the_first_failure_is_told_beside_the_smallest():
    message = message_of(check, without_sign, shapes(1))
    assert message.startswith("op square: the gradient of x is wrong: its sign is flipped.\n  Mismatched elements")
    assert re.search(
        r"\n  First failure, with shape \(\d.*\): op square: the gradient of x is wrong: \w.*\.\n", message
    )


@pytest.mark.thorough
def test_no_test_is_told_of_the_failure_of_another(monkeypatch):
    assert "First failure" in message_of(check, without_sign, shapes(1))
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "the next test (call)")
    assert "First failure" not in message_of(check, broken("square", x=lambda g, x: 2.5 * g * x), ())
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "another test (call)")
    assert "First failure" not in message_of(check_op, broken("negative", x=lambda g: -abs(g)), ())
    with pytest.raises(GradientMismatch) as caught:
        check_vjp(without_sign, -np.ones(2))
    assert "First failure" not in str(caught.value)


@pytest.mark.thorough
def test_shrinking_compares_no_elements(monkeypatch):
    asked = []
    guess = mismatch.guess_of
    monkeypatch.setattr(mismatch, "guess_of", lambda *args: asked.append(args) or guess(*args))
    message_of(check, without_sign, (2, 3))
    assert 2 <= len(asked) <= 3
