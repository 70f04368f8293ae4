"""Each way of reading a data set returns the same rows. No test depends on a measured time."""

import numpy as np
import pytest

from benchmarks.reading import WAYS, batches, make, measure


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("cold", [False, True])
def test_each_way_reads_the_same_rows_and_is_timed(way, shuffled, cold, tmp_path):
    path = str(tmp_path / "x.npy")
    make(path, megabytes=1, row=512)
    wanted = np.load(path)
    assert wanted.shape == (2048, 512)
    rows = WAYS[way](path)
    for index in batches(len(rows), 100, shuffled):
        np.testing.assert_array_equal(rows[index], wanted[index])
    milliseconds, rise = measure(way, path, 100, shuffled, cold)
    assert milliseconds > 0
    assert rise >= 0
