"""Measurement of the cost of Python's lock. No test depends on a measured time."""

import pytest

from benchmarks.lock import MEASURED, handing_over, step


@pytest.mark.parametrize("key", MEASURED)
def test_a_step_is_timed_and_its_sleeps_are_counted(key):
    found = step(key, batch=2, rounds=1)
    assert found["milliseconds"] > 0
    assert found["sleeps"] >= 0


def test_two_threads_hand_over_to_each_other():
    assert handing_over(times=3) > 0
