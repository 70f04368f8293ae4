"""The pytest plugin and Hypothesis's hook, as another project's suite meets them: in a process of its own."""

import os
import re
import subprocess
import sys

import pytest

SUITE = """
from hypothesis import given, settings, strategies as st

def test_profile():
    print("examples", settings().max_examples, "derandomized", settings().derandomize)

@given(st.from_type(__import__("tinygrad_edu").Tensor))
def test_a_tensor_is_drawn_without_an_import(t):
    assert t.dtype.kind == "f"

def test_rng(gradient_rng):
    print("drawn", gradient_rng.integers(10**9))

def test_another_rng(gradient_rng):
    print("drawn", gradient_rng.integers(10**9))
"""


def run(folder, *options, text=SUITE):
    (folder / "test_theirs.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *options]
    # What tells our own suite how to run must not reach theirs.
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTEST_ADDOPTS", "CI")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("dev", "examples 25 derandomized False"),
        ("ci", "examples 100 derandomized True"),
        ("nightly", "examples 2000 derandomized False"),
    ],
)
def test_a_profile_is_an_option_of_any_suite(tmp_path, profile, expected):
    result = run(tmp_path, "--gradients", profile)
    assert result.returncode == 0, result.stdout
    assert expected in result.stdout


def test_a_suite_that_asks_for_none_keeps_its_own(tmp_path):
    (tmp_path / "conftest.py").write_text(
        "from hypothesis import settings\nsettings.register_profile('theirs', max_examples=7)\n"
        "settings.load_profile('theirs')\n"
    )
    assert "examples 7" in run(tmp_path).stdout


def test_the_generator_is_another_in_each_test_and_the_same_in_each_run(tmp_path):
    first, second = ([line for line in run(tmp_path).stdout.splitlines() if "drawn" in line] for _ in range(2))
    assert first == second
    assert len(set(first)) == 2


UNTOLD = """
import numpy as np, pytest
from hypothesis import given, strategies as st
from tinygrad_edu.testing import check_gradient

@given(st.sampled_from([0.0, 0.0, 0.0, 1.0]), st.integers())
def test_mostly_at_the_kink(x, _):
    check_gradient(np.abs, np.sign, x)

@pytest.mark.not_told(0.95)
@given(st.sampled_from([0.0, 0.0, 0.0, 1.0]), st.integers())
def test_which_is_meant(x, _):
    check_gradient(np.abs, np.sign, x)
"""


@pytest.mark.parametrize(("limit", "fails"), [("0.5", True), ("0.95", False)])
def test_a_test_that_could_tell_little_fails(tmp_path, limit, fails):
    (tmp_path / "pytest.ini").write_text(f"[pytest]\ngradients_not_told = {limit}\naddopts = --strict-markers\n")
    (tmp_path / "conftest.py").write_text(
        "from hypothesis import HealthCheck, settings\n"
        "settings.register_profile('theirs', suppress_health_check=list(HealthCheck), derandomize=True)\n"
        "settings.load_profile('theirs')\n"
    )
    out = run(tmp_path, text=UNTOLD).stdout
    assert ("1 failed, 1 passed" if fails else "2 passed") in out
    assert ("could not be told, more than 50%: this test proves little" in out) == fails


WRONG = """
import numpy as np, tinygrad_edu as tg
from hypothesis import given, settings
from tinygrad_edu.testing import check_gradient, check_op, check_vjp
from tinygrad_edu.testing.strategies import arrays

@tg.op
def cube(x):
    return x**3

cube.vjps(x=lambda g, x: g * x)

@settings(database=None)
@given(arrays((2,), low=1.0))
def test_drawn(x):
    check_vjp(cube, x)

def test_plain():
    check_op(cube, np.full(2, 3.0), reference=np.square)

def test_gradient():
    check_gradient(np.sin, lambda x, g: np.sin(x) * g, np.ones(3))
"""


def test_a_failure_shows_the_line_of_the_test_and_what_can_be_pasted(tmp_path):
    out = run(tmp_path, text=WRONG).stdout
    assert "3 failed" in out
    for line in ("check_vjp(cube, x)", "check_op(cube, np.full(2", "check_gradient(np.sin, lambda"):
        assert f"\n>       {line}" in out
    assert "tinygrad_edu/testing/" not in out
    pasted = [part.split("\n_____")[0].split("\n=====")[0] for part in re.split(r"-+ To reproduce -+\n", out)[1:]]
    assert len(pasted) == 3
    again = subprocess.run([sys.executable, "-c", pasted[0]], capture_output=True, text=True, check=False).stderr
    assert re.search(r"\.GradientMismatch: (.*)", again)[1] in out


@pytest.mark.slow
def test_the_whole_trace_is_there_when_it_is_asked_for(tmp_path):
    out = run(tmp_path, "--full-trace", "--show-capture=no", "-k", "gradient", text=WRONG).stdout
    assert "tinygrad_edu/testing/verdict.py" in out
    assert re.search(r"\nE +check_gradient\(f, grad, x\)\n", out)
