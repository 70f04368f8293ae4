"""The timed optimizers agree with PyTorch's."""

import pytest

from benchmarks.optimizers import LINES, forms, steps
from tinygrad_edu import optim


@pytest.mark.peers
@pytest.mark.parametrize(("name", "settings", "matrices"), LINES)
def test_each_agrees_with_pytorch_or_has_none_beside_it(name, settings, matrices):
    ours, theirs = steps(name, settings, matrices)
    assert ours.__func__ is optim.Optimizer.step
    assert list(theirs) == forms(name)
