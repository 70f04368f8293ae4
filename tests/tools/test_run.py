"""The README's commands: short enough for a phone, and their dependency groups exist."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tools import run

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("mark", ["run", "test"])
def test_a_marked_command_is_one_line_that_fits_a_phone(mark):
    (command,) = re.findall(rf"<!-- {mark} -->\n```\n(.*)\n```", README)
    assert len(command) <= 40
    python, script, module = command.split()
    assert (python, PROJECT / script) == ("python3", Path(run.__file__))
    for each in run.commands(module, [], windows=False)[1:]:
        assert " ".join(each) in " ".join(README.split()).replace('"', "")


def test_the_groups_of_dependencies_exist():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    groups = [words[k + 1] for words in run.REQUIREMENTS.values() for k, word in enumerate(words) if word == "--group"]
    assert groups
    assert set(groups) <= project["dependency-groups"].keys()


def test_windows_has_another_path_to_python():
    assert {each[0] for each in run.commands("pytest", [], windows=True)[1:]} == {".venv\\Scripts\\python.exe"}


@pytest.mark.parametrize("arguments", [[], ["--help"], ["mnist_conv"]])
def test_other_modules_are_rejected_before_anything_is_installed(arguments):
    result = subprocess.run([sys.executable, run.__file__, *arguments], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert "modules: models, pytest, benchmarks, tools" in result.stderr
