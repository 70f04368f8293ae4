"""Plain mode: no code in a folder `fast` runs, and the core stays small."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_edu.plain_mode import PLAIN, faster_than
from tools import core_page

PROJECT = Path(__file__).parent.parent
# Issue 31: the number of lines that one step executes after a warm-up.
MOST_LINES, MOST_FILES = 380, 32
MOST_MARKED = 30


def run_plainly(*command, timeout=None):
    environment = {**os.environ, "TINYGRAD_EDU_PLAIN": "1"}
    settings = {"env": environment, "capture_output": True, "text": True, "timeout": timeout}
    return subprocess.run([sys.executable, *command], cwd=PROJECT, check=False, **settings)


@pytest.fixture(scope="module")
def lines():
    return core_page.core()


def test_the_core_is_small_and_nothing_in_it_is_only_faster(lines):
    assert [file for file in lines if "fast" in Path(file).parts] == []
    assert sum(map(len, lines.values())) <= MOST_LINES
    assert len(lines) <= MOST_FILES


def test_the_page_is_the_core(lines):
    assert core_page.PAGE.read_text() == core_page.page(lines)


def test_the_command_prints_the_core(lines):
    printed = subprocess.run(
        [sys.executable, "-m", "tinygrad_edu.core", "--code"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    total = sum(map(len, lines.values()))
    assert printed.splitlines()[-1] == f"{total:4} lines in {len(lines)} files"
    assert printed.index("def plain_backward_pass(") < printed.index("heappop(accumulator.queue)")


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
    shows_fast = "--ignore=docs/why/memory_of_a_batch.md"  # it prints what fast functions save
    run = run_plainly("-m", "pytest", "tests", "docs", "README.md", "-x", "-m", marks, shows_fast, timeout=5400)
    assert run.returncode == 0, run.stdout[-10_000:]
