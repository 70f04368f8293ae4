"""Profile of a small op. No test depends on a measured time."""

import numpy as np
import pytest

from benchmarks import ours, workloads
from benchmarks.small_ops import measure, numpy_backward, numpy_forward, shares, stages

SIZES = {"ops": 40, "elements": 10}


def test_numpy_s_calls_compute_the_chain():
    *arrays, turns = workloads.chain(SIZES)
    x, w, b, v = arrays
    gradients = numpy_backward(numpy_forward(x, w, b, v, turns), w, b, v)
    _, *sums = ours.chain(SIZES, fixed=True)()
    np.testing.assert_allclose([g.sum() for g in gradients], sums, rtol=1e-4)


def test_ops_compute_it_with_and_without_a_graph():
    runs = stages(SIZES)
    constants, recorded = runs["ops of constants"](), runs["recorded"]()
    assert not constants.requires_grad
    assert recorded.requires_grad
    assert np.array_equal(constants.numpy(), recorded.numpy())


def test_the_parts_make_the_whole():
    found = measure(SIZES, rounds=1)
    assert all(microseconds > 0 for microseconds in found.values())
    assert sum(shares(found).values()) == pytest.approx(found["with the backward pass"])
