"""The measurement of fast functions replaces one of them only. No test depends on a measured time."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import fast_functions

CASE = next(name for name, _ in fast_functions.cases() if name.startswith("softplus, "))


def prepare(name):
    return dict(fast_functions.cases())[name]


@pytest.mark.fast
def test_the_fast_functions_that_a_case_calls_are_found():
    codes = fast_functions.called(prepare(CASE))
    found = {twin for code, twin in fast_functions.twins().items() if code in codes}
    assert "ops.fast.elementwise.softplus_values" in found
    assert "ops.fast.elementwise.logaddexp_values" not in found


@pytest.mark.thorough
def test_a_ratio_is_measured_in_two_processes():
    twin = "ops.fast.elementwise.softplus_values"
    ratios = fast_functions.ratios(twin, [CASE], rounds=1, pairs=1)
    assert ratios.keys() == {CASE}
    assert ratios[CASE] > 0


@pytest.mark.thorough
def test_the_environment_chooses_single_functions():
    program = (
        "from tinygrad_edu.ops.elementwise import sigmoids; "
        "print(sigmoids.softplus_values.__name__, sigmoids.sigmoid_values.__name__)"
    )
    environment = {"TINYGRAD_EDU_PLAIN": "ops.fast.elementwise.softplus_values", "PATH": ""}
    root = Path(fast_functions.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], env=environment, cwd=root, capture_output=True, check=True)
    assert done.stdout.decode().split() == ["plain_softplus_values", "sigmoid_values"]
