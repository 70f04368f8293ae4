"""The timed ops agree with PyTorch's, and the chains with autograd's."""

import numpy as np
import pytest

from benchmarks.ops import CASES, CHAINS, inputs, measure, of_autograd, pair

ALL = [case for cases in CASES.values() for case in cases]


@pytest.mark.peers
@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_each_agrees_with_pytorch(case):
    ours, theirs = pair(case, 300)
    found = measure([ours, theirs], rounds=1, least=0.001)
    assert all(milliseconds >= 0 for milliseconds in found[0])


@pytest.mark.peers
@pytest.mark.parametrize("case", CHAINS, ids=lambda case: case.name)
def test_chains_agree_with_autograd(case):
    ours, _ = pair(case, 300)
    np.testing.assert_allclose(of_autograd(case, inputs(300))(), ours().numpy(), rtol=1e-4, atol=1e-5)
