"""LeNet and its twin in PyTorch: the same losses, for as long as rounding does not decide between two pixels."""

import numpy as np
import pytest


@pytest.mark.peers
def test_it_learns_as_its_twin_does():
    from benchmarks.twins.mnist_lenet import compare

    ours, theirs, *_ = map(np.array, compare(100, np.float64))
    assert ours[-10:].mean() < ours[:10].mean() / 2
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
    narrow, their_narrow, *_ = map(np.array, compare(100, np.float32))
    np.testing.assert_allclose(narrow[:10], their_narrow[:10], rtol=0, atol=1e-4)
    assert abs(narrow - ours).max() < 2 * abs(their_narrow - theirs).max()
