"""Console output of programs: one line per message, and no traceback where it cannot be written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.shared import results
from models.shared.console import one_line
from tests.effort import thorough

PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("résumé → 数", "résumé → 数"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[31m\x00\x7f", r"\x1b[31m\x00\x7f"),
        (os.fsdecode(b"\xff"), r"\udcff"),
        ("\u2028\u202e", r"\u2028\u202e"),
    ],
)
def test_what_would_break_a_line_is_escaped(text, line):
    assert one_line(text) == line


def shell(program, end, **environment):
    """Run a program in a shell command that ends with `end`."""
    return subprocess.run(
        ["bash", "-c", f'"$0" -m models.{program} {end}', sys.executable],
        cwd=PROJECT, env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


PRINTING = "mnist_by_hand --epochs 1"


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("program", "end", "code", "error"),
    [
        (PRINTING, "| head -0; exit ${PIPESTATUS[0]}", 1, "models.mnist_by_hand: Broken pipe.\n"),
        (PRINTING, "> /dev/full", 1, "models.mnist_by_hand: No space left on device.\n"),
        (
            "seven_findings --epochs 1 --output '{folder}'",
            "| head -0; exit ${PIPESTATUS[0]}",
            1,
            "models.seven_findings: Broken pipe.\n",
        ),
        ("mnist_conv --epochs 0", "2>&-", 2, ""),
    ],
)
def test_output_that_cannot_be_written_is_one_line_at_most(program, end, code, error, tmp_path):
    ran = shell(program.format(folder=tmp_path), end)
    assert (ran.returncode, ran.stdout, ran.stderr) == (code, "", error)


ENDS = ["| head -0; exit ${PIPESTATUS[0]}", "> /dev/full", ">&- 2>&-", "2> /dev/full"]


@pytest.mark.parametrize("end", thorough(ENDS))
def test_the_main_job_saves_where_nobody_listens(end, small, tmp_path):
    ran = shell(f"mnist_conv {' '.join(small)} --output '{tmp_path}/r'", end)
    assert ran.returncode == 0
    assert all(line.startswith("epoch ") for line in ran.stderr.splitlines())
    assert results.read_weights(tmp_path / "r")


@pytest.mark.thorough
def test_a_strange_name_of_a_folder_is_shown_under_a_strict_output(small, tmp_path):
    folder = tmp_path / os.fsdecode(b"\xff\n\xc3\xa9")
    options = f"--output {tmp_path}/$'\\xff\\n\\xc3\\xa9'"
    ran = shell(f"mnist_conv --quiet {' '.join(small)}", options, PYTHONIOENCODING="ascii:strict")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith("\\udcff\\n\\xe9\n")
    assert ran.stdout.count("\n") == 1
    assert results.read_weights(folder)
