"""The pytest plugin and Hypothesis's hook, as another project's suite meets them: in a process of its own."""

import os
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


def run(folder, *options):
    (folder / "test_theirs.py").write_text(SUITE)
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
