"""The timed layers agree with PyTorch's."""

import pytest

from benchmarks.layers import passes


@pytest.mark.peers
@pytest.mark.parametrize("layer", [
    "RNN(4, 4)", "LSTM(4, 4)", "GRU(4, 4)", "TransformerEncoderLayer(4, 2, 8, 0.0)", "Conv2d(2, 3, 3, 2, 1)",
])  # fmt: skip
def test_each_agrees_with_pytorch(layer):
    ours, theirs = passes(layer, (3, 2, 4, 4) if layer.startswith("Conv") else (3, 2, 4))
    assert ours().shape == tuple(theirs().shape)
