"""Each optimization computes the same result as before. No test depends on a measured time."""

import pytest

from benchmarks.steps import KERNELS, same, time_pair, training_step


@pytest.mark.parametrize("make", KERNELS)
def test_both_ways_compute_the_same(make):
    pair = make()
    assert same(pair)
    before, now = time_pair(pair, rounds=1)
    assert before > 0
    assert now > 0


def test_a_training_step_is_timed():
    found = training_step(shard_size=64, rounds=1)
    assert found["milliseconds"] > 0
    assert found["page_faults"] >= 0
