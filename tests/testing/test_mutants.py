"""The checks kill the mutants: a sample of them here, all of them in the slow run and in tools."""

import numpy as np
import pytest

from tinygrad_edu.ops import registry
from tools import mutants as hunt
from tools.mutants import Mutant, breaks_a_convention, is_equivalent, killer, mutants, op_of

EVERY = list(mutants())
SAMPLE = [EVERY[i] for i in np.random.default_rng(2).choice(len(EVERY), 80, replace=False)]


def test_there_are_many_of_every_op():
    for name, op in registry.items():
        for argument in op.functions:
            assert sum(m.op == name and m.argument == argument for m in EVERY) >= 15, (name, argument)


@pytest.mark.parametrize("mutant", [m for m in SAMPLE if not is_equivalent(m)], ids=str)
def test_a_mutant_is_killed(mutant):
    # Those that only a convention tells apart take all examples; so this is asked first.
    assert breaks_a_convention(op_of(mutant)) or killer(mutant)


@pytest.mark.parametrize("name", ["sin", "multiply", "sum", "matmul", "getitem"])
def test_a_rule_that_is_not_broken_survives(name, monkeypatch):
    monkeypatch.setattr(hunt, "EXAMPLES", 25)
    for argument, rule in registry[name].functions.items():
        assert killer(Mutant(name, argument, "control", rule)) == ""


@pytest.mark.slow
def test_every_mutant_is_killed():
    assert [str(m) for m in EVERY if not is_equivalent(m) and not killer(m)] == []
