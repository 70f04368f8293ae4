"""The ways of the comparison take the same first step, and a ResNet raises in shards."""

import numpy as np
import pytest

from benchmarks.shards import COUPLED, NETWORKS, fitted, ways
from tinygrad_edu.errors import ShardError


@pytest.mark.thorough
@pytest.mark.parametrize("name", NETWORKS)
def test_the_ways_take_the_same_step(name):
    step, *others = ways(name, 4)
    loss = step()[0] if name != "mnist" else None  # its dropout draws other numbers in each way
    for other in others:
        found = other().loss
        assert np.isfinite(found) if loss is None else found == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("name", COUPLED)
def test_a_network_that_couples_samples_raises_in_shards(name):
    with pytest.raises(ShardError, match="BatchNorm2D"):
        fitted(name, 4, 2)()
