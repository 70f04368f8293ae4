"""docs/core.md has the source of the core, and docs/engine.md says why the library overrides methods of it."""

import re
from pathlib import Path

import pytest

from tinygrad_edu.core_copy import reading_order
from tools import core_page
from tools.core_lines import overrides
from tools.site import book

PROJECT = Path(__file__).parents[2]


def test_the_page_lists_the_files_in_the_order_of_reading():
    rows = re.findall(
        r"^\| \[(\S+)\]\(\.\./(tinygrad_edu/core/\S+)\) \| .*\. \|$", (PROJECT / "docs/core.md").read_text(), re.M
    )
    assert [path for _, path in rows] == [file.relative_to(PROJECT).as_posix() for file in reading_order()]
    assert all(path.endswith(f"/{label.replace(chr(92), '')}") for label, path in rows)


def test_each_function_and_class_has_a_paragraph_and_each_paragraph_a_definition():
    notes = core_page.read_notes()
    for file in reading_order()[1:]:
        defined = core_page.definitions(file)
        assert {name for name in defined if "." not in name} <= {*notes[file.stem]} <= {*defined}, file.name
    assert {*notes} == {file.stem for file in reading_order()[1:]}


def test_the_page_has_the_source_and_the_paragraphs_of_now():
    assert core_page.PAGE.read_text(encoding="utf-8") == core_page.page()


def test_each_excerpt_of_the_engine_s_page_is_in_the_source():
    sources = "".join(path.read_text(encoding="utf-8") for path in (PROJECT / "tinygrad_edu").rglob("*.py"))
    excerpts = re.findall(r"^```py\n(.*?)^```", (PROJECT / "docs/engine.md").read_text("utf-8"), re.M | re.S)
    assert excerpts
    assert [each for each in excerpts if each not in sources] == []


def test_on_the_site_each_line_has_an_anchor_and_each_name_is_a_link_to_its_definition():
    html = book.page()
    lines = {
        f"{file.stem}-{n}": line
        for file in reading_order()
        for n, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
    }
    assert [anchor for anchor, line in lines.items() if line and f'id="{anchor}"' not in html] == []
    links = dict(re.findall(r'<a href="#([\w-]+)"><span class="\w*">(\w+)</span></a>', html))
    definition = r"{0}( =|: |$)|@|(def|class) {0}\b"  # a decorator is above its function
    assert [link for link in links.items() if not re.match(definition.format(link[1]), lines[link[0]].lstrip())] == []
    assert len(links) > 80


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
