"""What Python's lock costs can be measured. Nothing depends on how much it is."""

import pytest

from benchmarks.lock import NETWORKS, handing_over, training_step


@pytest.mark.parametrize("network", NETWORKS.values())
def test_a_step_is_timed_and_its_sleeps_are_counted(network):
    found = training_step(network, batch=2, rounds=1)
    assert found["milliseconds"] > 0
    assert found["sleeps"] >= 0


def test_two_threads_hand_over_to_each_other():
    assert handing_over(times=3) > 0
