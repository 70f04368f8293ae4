"""Each page of docs/checking: its program prints its message, and with its fix its tests pass."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = "autograd_function", "custom_vjp", "homework", "jacobian", "keras_layer"
MARKS = {"autograd_function": pytest.mark.peers}  # needs PyTorch


def run(folder, *command):
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTEST_ADDOPTS", "KERAS_BACKEND")}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )


EXAMPLES = [pytest.param("torch", marks=pytest.mark.peers), pytest.param("jax", marks=pytest.mark.thorough)]


@pytest.mark.parametrize("package", EXAMPLES)
def test_the_example_of_a_framework(package):
    page = (DOCS / "testing_gradients.md").read_text("utf-8")
    (example,) = re.findall(rf"```py\n(import {package}\n.*?)```", page, re.DOTALL)
    exec(example, {"__name__": "example"})


def test_each_page_is_tested_linked_and_in_the_navigation():
    assert {path.stem for path in (DOCS / "checking").glob("*.md")} == {*PAGES}
    for place in ("testing_gradients.md", "zensical.toml"):
        assert {*re.findall(r"checking/(\w+)\.md", (DOCS / place).read_text("utf-8"))} == {*PAGES}


@pytest.mark.parametrize("page", [pytest.param(page, marks=MARKS.get(page, pytest.mark.thorough)) for page in PAGES])
def test_a_page_leads_from_the_message_to_a_test_that_passes(page, tmp_path):
    text = (DOCS / "checking" / f"{page}.md").read_text("utf-8")
    files = dict(re.findall(r"```py\n# (\S+)\n(.*?)```", text, re.DOTALL))
    (tmp_path / "submissions").mkdir()
    for name, lines in files.items():
        (tmp_path / name).write_text(lines)
    program, test = list(files)[-2:]
    (message,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    first = run(tmp_path, program)
    assert message.replace("...\n", "") in first.stdout + first.stderr
    for fix in re.findall(r"```py\n( +\S.*\n)```", text):
        (tmp_path / program).write_text(re.sub(r".*  # wrong\n", fix, files[program]))
        second = run(tmp_path, program)
        assert ": right, " in second.stdout, second.stderr
    for lines in re.findall(r"```py\n(import .*?)```", text, re.DOTALL):
        exec(lines, {})
    out = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", test).stdout
    assert ("1 failed, 1 passed" if page == "homework" else "1 passed in") in out
