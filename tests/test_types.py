"""Types for type checkers: an op returns a Tensor for Tensors and an array for arrays, and checks its settings."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("mypy")

PROJECT = Path(__file__).parents[1]
BEGIN = """
    from typing import Any, assert_type
    import numpy as np
    from numpy.typing import NDArray
    import tinygrad_edu as tg
    t, a = tg.Tensor([1.0]), np.ones(3)
    Array = NDArray[Any]
    @tg.op
    def cube(x: Array, /, by: float = 1.0) -> Array:
        y: Array = x * x * x * by
        return y
"""
RIGHT = """
    assert_type(tg.sum(t), tg.Tensor)
    assert_type(tg.sum(t, axis=0), tg.Tensor)
    assert_type(tg.sum(a), Array)
    assert_type(tg.multiply(2.0, t), tg.Tensor)
    assert_type(tg.multiply(a, t), tg.Tensor)
    assert_type(tg.multiply(a, 2.0), Array)
    assert_type(tg.where(a > 0, 1.0, t), tg.Tensor)
    assert_type(cube(t, by=2.0), tg.Tensor)
    assert_type(cube(a, 2.0), Array)
    assert_type(t.sum(axis=0), tg.Tensor)
    assert_type(2 * t + a, tg.Tensor)
    assert_type(-t, tg.Tensor)
    assert_type(t > 0, Array)
    assert_type(t.T.reshape(1, 1)[0], tg.Tensor)
"""
WRONG = """
    tg.sum(a, axes=0)
    tg.exp(a, a)
    cube(a, bye=2.0)
    cube(a, "2")
    t.sum(axes=0)
    t.summ()
    tg.nn.Linear(3, device="cpu")
    tg.nn.ReLU(True)
    tg.nn.ReLU().to("cpu")
"""
PROGRAMS = {"right": RIGHT, "wrong": WRONG}


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    """Return the line numbers, counted from 1, of the type checker's errors in each program.

    It runs once, in a subprocess, since it leaves millions of objects.
    """
    folder = tmp_path_factory.mktemp("types")
    programs = {name: textwrap.dedent(BEGIN) + textwrap.dedent(lines) for name, lines in PROGRAMS.items()}
    for name, program in programs.items():
        (folder / f"{name}.py").write_text(program)
    files = [str(folder / f"{name}.py") for name in programs]
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder / "cache"), *files]
    ran = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert not ran.stderr
    offset = len(textwrap.dedent(BEGIN).splitlines()) + 1
    found = {name: re.findall(rf"{name}\.py:(\d+): error", ran.stdout) for name in programs}
    return {name: sorted({int(number) - offset for number in numbers}) for name, numbers in found.items()}


def test_what_is_right(errors):
    assert errors["right"] == []


def test_every_mistake_is_seen(errors):
    assert errors["wrong"] == [1, 2, 3, 4, 5, 6, 7, 8, 9]
