"""Plain mode: no code in a folder `fast` runs."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_edu.shared.speed.plain_mode import PLAIN, faster_than

PROJECT = Path(__file__).parents[3]
MOST_MARKED = 30


def run_plainly(*command, timeout=None):
    environment = {**os.environ, "TINYGRAD_EDU_PLAIN": "1"}
    settings = {"env": environment, "capture_output": True, "text": True, "timeout": timeout}
    return subprocess.run([sys.executable, *command], cwd=PROJECT, check=False, **settings)


@pytest.mark.thorough
def test_a_training_step_runs_nothing_that_is_only_faster():
    run = run_plainly("-m", "tools.core_lines")
    files = re.findall(r"^ *\d+ lines  (\S+)$", run.stdout, re.MULTILINE)
    assert "engine/tensor.py" in files, run.stderr
    assert [file for file in files if "fast" in Path(file).parts] == []


@pytest.mark.thorough
def test_no_op_runs_anything_that_is_only_faster():
    run = run_plainly("-m", "tests.plain_ops")
    assert run.stdout == "", run.stdout
    assert run.returncode == 0, run.stderr


def test_a_fast_function_is_replaced_in_plain_mode():
    def plain(x):
        return x

    @faster_than(plain)
    def fast(x):
        return x

    assert (fast is plain) == PLAIN
    assert PLAIN or fast.plain is plain


@pytest.mark.thorough
def test_few_tests_are_about_the_fast_mode_alone():
    marked = [
        f"{path.name}::{node.name}"
        for path in (PROJECT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(decorator) == "pytest.mark.fast" for decorator in node.decorator_list)
    ]
    assert 0 < len(marked) <= MOST_MARKED, marked


@pytest.mark.slow
def test_the_whole_suite_passes_in_plain_mode():
    marks = "not (slow or peers or browser or clusters or notebooks)"
    shows_fast = "--ignore=docs/why/memory_of_a_batch.md"  # it prints the saved values of fast functions
    run = run_plainly("-m", "pytest", "tests", "docs", "README.md", "-x", "-m", marks, shows_fast, timeout=5400)
    assert run.returncode == 0, run.stdout[-10_000:]
