"""Tests of the table of the package's rooms."""

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "tinygrad_edu"


def test_the_table_lists_each_entry_of_the_package():
    rows = re.findall(r"^\| `(.*?)/?` \| .+ \| .+ \|$", (PACKAGE / "README.md").read_text(), re.MULTILINE)
    entries = sorted(path.name for path in PACKAGE.iterdir() if path.name != "__pycache__")
    assert sorted(rows) == entries
    assert len(entries) <= 20
