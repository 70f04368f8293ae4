"""The checks kill the mutants of our own vjps: a sample here, all of them in the slow tests and in tools.mutants."""

import numpy as np
import pytest

from tests.effort import thorough
from tinygrad_edu.ops import registry
from tinygrad_edu.testing.mutate import ops as hunt
from tinygrad_edu.testing.mutate.faults import CONDITIONS_ON_G, CONDITIONS_ON_X
from tinygrad_edu.testing.mutate.ops import calls_of, fate_of, first_error
from tools.mutants import breaks_a_convention, every_mutant, is_equivalent, judge

EVERY = list(every_mutant())
KNOWN = [mutant for mutant in EVERY if mutant.kind not in {**CONDITIONS_ON_X, **CONDITIONS_ON_G}]
SAMPLE = [KNOWN[i] for i in np.random.default_rng(3).choice(len(KNOWN), 60, replace=False)]


@pytest.mark.thorough
def test_there_are_many_of_every_op():
    for name, op in registry.items():
        for argument in op.vjp_functions:
            assert sum(m.op.__name__ == name and m.argument == argument for m in EVERY) >= 40, (name, argument)


WRONG = [mutant for mutant in SAMPLE if not is_equivalent(mutant)]


@pytest.mark.parametrize("mutant", thorough(WRONG, quick=WRONG[1::12]), ids=str)
def test_a_mutant_is_killed(mutant):
    # The conventions are tested first: a mutant that violates only a convention survives all examples.
    assert breaks_a_convention(mutant.wrong()) or fate_of(mutant).error


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name", thorough(["sin", "multiply", "sum", "matmul", "getitem"], quick=["multiply", "getitem"])
)
def test_a_vjp_that_is_not_broken_survives(name, monkeypatch):
    monkeypatch.setattr(hunt, "EXAMPLES", 25)
    assert first_error(registry[name], calls_of(registry[name])) is None


@pytest.mark.slow
def test_every_mutant_is_killed():
    assert [str(mutant) for mutant in EVERY if judge(mutant) == "survived"] == []
