"""Winograd's convolution agrees with ours."""

import numpy as np
import pytest

from benchmarks.winograd import convolve
from tinygrad_edu.ops.images.correlation import correlate


@pytest.mark.parametrize("pairs", [1, 2, 5])
def test_it_computes_what_ours_does(pairs):
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((2, 3, 6, 5)), rng.standard_normal((4, 3, 3, 3))
    np.testing.assert_allclose(convolve(x, weight, pairs), correlate(x, weight, padding=1), atol=1e-12)
