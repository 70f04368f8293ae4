"""Schedules are functions of the step alone."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.optim.schedules import constant, cosine, step

rates = st.floats(0, 10)
numbers = st.integers(0, 1000)


@given(rates, numbers)
def test_constant_stays(lr, number):
    assert constant(lr)(number) == lr


@given(rates, st.integers(1, 1000), numbers)
def test_cosine_sinks_from_lr_to_zero_along_half_a_wave_and_stays(lr, steps, number):
    schedule = cosine(lr, steps)
    assert schedule(0) == lr
    assert schedule(steps) == schedule(steps + number) == 0
    assert schedule(number) >= schedule(number + 1) >= 0
    assert schedule(steps / 2) == pytest.approx(lr / 2)
    assert schedule(steps / 3) == pytest.approx(lr * (1 + math.cos(math.pi / 3)) / 2)


@given(rates, st.integers(1, 100), st.floats(0.1, 1), st.integers(0, 300))
def test_step_multiplies_after_every_step_size(lr, step_size, gamma, number):
    schedule = step(lr, step_size, gamma)
    expected = lr
    for n in range(number + 1):
        expected *= gamma if n and n % step_size == 0 else 1
    assert schedule(number) == pytest.approx(expected)


def test_lengths_that_are_none_are_refused():
    with pytest.raises(ValueError, match="cosine: steps is a number greater than 0, not 0"):
        cosine(0.1, 0)
    with pytest.raises(ValueError, match="step: step_size is a number of at least 1, not 0"):
        step(0.1, 0)
