"""The recorder of lesson 7 gives the same results and gradients as each op's call."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings

import tinygrad_edu as tg
from tests.effort import thorough
from tinygrad_edu.lessons.judge import loaded, solved
from tinygrad_edu.lessons.lesson import LESSONS
from tinygrad_edu.testing.strategies import calls

CHECKS = import_module(f"tinygrad_edu.lessons.{LESSONS[6].name}.checks")


@pytest.fixture(scope="module")
def engine():
    """Return the engine of lessons 1 to 7."""
    with loaded({lesson.name: solved(lesson) for lesson in LESSONS[:7]}) as modules:
        yield modules[LESSONS[6].name]


def test_every_op_is_asked_for():
    assert set(CHECKS.NAMES) == set(tg.ops.registry)


@pytest.mark.parametrize("name", thorough(CHECKS.NAMES, quick=CHECKS.NAMES[::6]))
def test_the_recorder_of_the_lesson_and_the_written_out_call_agree(name, engine):
    @settings(max_examples=5)
    @given(calls(name))
    def agree(call):
        with np.errstate(all="ignore"):
            CHECKS.demand_agreement(engine, call)

    agree()
