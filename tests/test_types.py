"""Types for type checkers: users' programs in `tests/typed` pass ``mypy --strict``, and mistakes are found."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

PROJECT = Path(__file__).parents[1]
PROGRAMS = {path.stem: path for path in sorted((PROJECT / "tests" / "typed").glob("*.py"))}


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    """Return the line numbers of the type checker's errors in each program.

    It runs once, in a subprocess, since it leaves millions of objects.
    """
    command = [sys.executable, "-m", "mypy", "--strict", "--explicit-package-bases", "--cache-dir"]
    files = map(str, PROGRAMS.values())
    folder = str(tmp_path_factory.mktemp("types"))
    ran = subprocess.run([*command, folder, *files], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert not ran.stderr
    found = re.findall(r"typed.(\w+)\.py:(\d+): error", ran.stdout)
    return {name: {int(line) for program, line in found if program == name} for name in PROGRAMS}


def marked(path):
    """Return the numbers of the lines that end with the comment ``error``."""
    lines = path.read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# error")}


@pytest.mark.thorough
@pytest.mark.parametrize("name", PROGRAMS)
def test_type_checkers_find_the_marked_errors_only(errors, name):
    assert errors[name] == marked(PROGRAMS[name])


def test_there_are_mistakes():
    assert len(marked(PROGRAMS["mistakes"])) > 20
