"""docs/core.md lists the files of the core, and docs/engine.md says why the library overrides methods of it."""

import re
from pathlib import Path

import pytest

from tinygrad_edu.core_copy import reading_order
from tools.core_lines import overrides
from tools.site.pages import places

PROJECT = Path(__file__).parents[2]


def test_the_page_lists_the_files_in_the_order_of_reading():
    rows = re.findall(
        r"^\| \[(\S+)\]\(\.\./(tinygrad_edu/core/\S+)\) \| .*\. \|$", (PROJECT / "docs/core.md").read_text(), re.M
    )
    assert [path for _, path in rows] == [file.relative_to(PROJECT).as_posix() for file in reading_order()]
    assert all(path.endswith(f"/{label.replace(chr(92), '')}") for label, path in rows)
    assert all(Path(path) in places() for _, path in rows)  # on the site, each row is a link


@pytest.mark.thorough
@pytest.mark.fast  # classes of the fast layer override methods, too
def test_each_method_that_replaces_one_of_the_core_has_a_reason():
    """A row has the class of the library, the methods of the core's classes, and the reason."""
    section = (PROJECT / "docs/engine.md").read_text().partition("\n## Methods that replace the core's\n")[2]
    rows = re.findall(r"^\| `(\S+)` \| (`.*`) \| \w.*\. \|$", section.partition("\n## ")[0], re.MULTILINE)
    given = [
        (method, cls)
        for cls, methods in ((cls, re.findall("`(.*?)`", each)) for cls, each in rows)
        for method in methods
    ]
    assert sorted(given) == sorted(overrides())
