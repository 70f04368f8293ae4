"""What a type checker sees: of Tensors an op makes a Tensor, of arrays an array, and it knows the op's settings."""

import re
import sys
import textwrap

import pytest

mypy = pytest.importorskip("mypy.api")

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


def errors(tmp_path, lines):
    """Return the numbers of the lines, counted from 1, of which the type checker complains."""
    program = textwrap.dedent(BEGIN) + textwrap.dedent(lines)
    (tmp_path / "program.py").write_text(program)
    limit = sys.getrecursionlimit()
    out, err, _ = mypy.run(["--strict", "--cache-dir", str(tmp_path / "cache"), str(tmp_path / "program.py")])
    sys.setrecursionlimit(limit)  # mypy raises it, and Hypothesis warns of that
    assert not err
    offset = len(textwrap.dedent(BEGIN).splitlines()) + 1
    return sorted({int(number) - offset for number in re.findall(r"program\.py:(\d+): error", out)})


def test_what_is_right(tmp_path):
    assert errors(tmp_path, RIGHT) == []


def test_every_mistake_is_seen(tmp_path):
    assert errors(tmp_path, WRONG) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
