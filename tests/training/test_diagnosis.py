"""The diagnosis names the fault of a broken program first, and finds none in its right twin."""

import numpy as np
import pytest

from tests.training.broken_programs import PROGRAMS
from tinygrad_edu.training import diagnose


def diagnosed(name, broken, seed=0):
    rng = np.random.default_rng(seed)
    model, loss, batches, optimizer, settings = PROGRAMS[name][1](rng, broken)
    return diagnose(model, loss, batches, optimizer, rng=rng, **settings)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_fault_is_named_first_and_the_twin_has_none(name):
    assert [each.name for each in diagnosed(name, True).findings][:1] == [PROGRAMS[name][0]]
    assert [str(each) for each in diagnosed(name, False).findings] == []
