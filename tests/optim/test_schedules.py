"""Learning-rate schedules: values and errors."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.optim.schedules import Plateau, constant, cosine, one_cycle, step, warm_up

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


@given(rates, st.integers(1, 50), st.integers(1, 50), st.integers(1, 50))
def test_a_warm_up_ends_where_the_schedule_begins_and_any_schedule_has_one(lr, steps, first, then):
    inner = cosine(lr, steps)
    schedule = warm_up(warm_up(inner, then, start_factor=0.5), first, start_factor=0.0)
    assert schedule(0) == 0
    assert schedule(first) == pytest.approx(lr / 2)
    rates = [schedule(number) for number in range(first + then + 1)]
    assert rates == pytest.approx(sorted(rates))
    assert [schedule(first + then + number) for number in range(steps)] == [inner(number) for number in range(steps)]


def test_what_is_saved_of_a_plateau_goes_on_the_same():
    whole = Plateau(1.0, patience=1, cooldown=1)
    for metric in (3.0, 2.0, 2.5):
        whole(metric)
    part = Plateau(0.0)
    vars(part).update(vars(whole))
    for metric in (2.5, math.nan, 2.5, 1.0, 1.0, 1.0, 1.0):
        assert part(metric) == whole(metric)
    assert part.lr == pytest.approx(0.01)


def test_lengths_that_are_none_are_refused():
    with pytest.raises(ValueError, match="cosine: steps must be a number > 0, got 0"):
        cosine(0.1, 0)
    with pytest.raises(ValueError, match="step: step_size must be a number >= 1, got 0"):
        step(0.1, 0)
    with pytest.raises(ValueError, match="warm_up: steps must be a number >= 1, got 0"):
        warm_up(constant(0.1), 0)
    with pytest.raises(ValueError, match=r"one_cycle: pct_start must be between 1 / 10 \(one step\) and 1, got 0.1"):
        one_cycle(0.1, 10, pct_start=0.1)
    for settings in ({"mode": "least"}, {"threshold_mode": "sum"}, {"factor": 1.0}):
        with pytest.raises(ValueError, match=f"Plateau: {next(iter(settings))} must be "):
            Plateau(0.1, **settings)
