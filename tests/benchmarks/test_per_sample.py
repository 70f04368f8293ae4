"""Gradients of each sample: all ways agree. No test depends on a measured time."""

import numpy as np
import pytest

from benchmarks.per_sample import NETWORKS, measure, runs


def values(g):
    return g if isinstance(g, np.ndarray) else g.numpy()


@pytest.mark.thorough
@pytest.mark.parametrize("name", NETWORKS)
def test_all_ways_compute_the_same_gradients(name):
    found = {way: list(map(values, run())) for way, run in runs(name, 3).items()}
    for gradients in found.values():
        for g, wanted in zip(gradients, found["loop"], strict=True):
            np.testing.assert_allclose(g, wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.thorough
def test_each_way_is_measured():
    assert {"vmap", "loop"} <= measure("MLP", rounds=1, samples=2).keys()
