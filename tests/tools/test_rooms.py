"""Tests of the table of the package's rooms."""

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "tinygrad_edu"
README = (PACKAGE / "README.md").read_text()


def test_the_table_lists_each_entry_of_the_package():
    rows = re.findall(r"^\| `(.*?)/?` \| .+ \| .+ \|$", README, re.MULTILINE)
    entries = sorted(path.name for path in PACKAGE.iterdir() if path.name != "__pycache__")
    assert sorted(rows) == entries
    assert len(entries) <= 20


@pytest.mark.parametrize(("file", "name"), re.findall(r"^\| \w.+ \| `(.+)` \| `(.+)` \|$", README, re.MULTILINE))
def test_what_one_looks_for_is_there(file, name):
    assert re.search(rf"\b{re.escape(name)}\b", (PACKAGE / file).read_text())


@pytest.mark.parametrize("room", ["ops", "nn"])
def test_a_folder_of_functions_or_layers_has_few_files(room):
    folders = [PACKAGE / room, *(path for path in (PACKAGE / room).rglob("*") if path.is_dir())]
    assert max(len([*folder.glob("[!_]*.py")]) for folder in folders) <= 14
