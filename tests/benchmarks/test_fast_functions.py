"""The environment variable of plain mode may name single functions."""

import subprocess
import sys

import pytest

from tools.project import ROOT


@pytest.mark.thorough
def test_the_environment_chooses_single_functions():
    program = (
        "from tinygrad_edu.ops.elementwise import sigmoids; "
        "print(sigmoids.softplus_values.__name__, sigmoids.sigmoid_values.__name__)"
    )
    environment = {"TINYGRAD_EDU_PLAIN": "ops.fast.elementwise.softplus_values", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.decode().split() == ["plain_softplus_values", "sigmoid_values"]
