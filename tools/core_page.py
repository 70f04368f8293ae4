"""The book of the core: ``python -m tools.core_page`` writes ``docs/core.md``, the source with paragraphs.

The paragraphs are in ``docs/core_notes.toml``, by file and definition: each begins a part of the source.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tinygrad_edu import core_copy
from tinygrad_edu.core_copy import reading_order

ROOT = Path(__file__).parent.parent
PAGE, NOTES = ROOT / "docs" / "core.md", ROOT / "docs" / "core_notes.toml"
MARK = "<!-- python -m tools.core_page writes the rest -->\n"
LESSON = re.compile(r"\b([Ll]esson) (\d+)\b")


class Part(NamedTuple):
    """Some lines of a file, with a paragraph in Markdown. The part before the first definition has none."""

    name: str
    first: int
    lines: list[str]
    note: str


def parts(file: Path) -> Iterator[Part]:
    """Yield the parts of a file of the core."""
    notes, starts = read_notes().get(file.stem, {}), definitions(file)
    cuts = {1: "", **{starts[name]: name for name in notes}}
    lines = file.read_text(encoding="utf-8").splitlines()
    for first, end in zip(sorted(cuts), [*sorted(cuts)[1:], len(lines) + 1], strict=True):
        yield Part(cuts[first], first, lines[first - 1 : end - 1], notes.get(cuts[first], "").strip())


def read_notes() -> dict[str, dict[str, str]]:
    """Return the paragraphs, by file and definition."""
    return tomllib.loads(NOTES.read_text(encoding="utf-8"))


def definitions(file: Path) -> dict[str, int]:
    """Return the first line of each function, class and method of a file, with its decorators."""
    found = core_copy.definitions(file.read_text(encoding="utf-8"))
    return {name: core_copy.first_line(node) for name, node in found.items()}


def page() -> str:
    """Return the page: the text above the mark, and the chapters."""
    return introduction() + MARK + "".join(_chapter(file) for file in reading_order())


def introduction() -> str:
    """Return the text of the page above the mark."""
    return PAGE.read_text(encoding="utf-8").partition(MARK)[0]


def _chapter(file: Path) -> str:
    return f"\n## {title(file)}\n" + "".join(map(_section, parts(file)))


def title(file: Path) -> str:
    """Return the name of a file, in Markdown."""
    return file.name.replace("_", r"\_")


def _section(part: Part) -> str:
    code = "\n".join(part.lines).strip("\n")
    return f"\n{linked(part.note)}\n" * bool(part.note) + f"\n```py\n{code}\n```\n"


def linked(note: str) -> str:
    """Return a paragraph with its lessons as links."""
    return LESSON.sub(lambda found: f"[{found[0]}]({_lesson(int(found[2]))})", note)


def _lesson(number: int) -> str:
    (folder,) = (ROOT / "tinygrad_edu" / "lessons").glob(f"lesson{number:02}_*")
    return f"../tinygrad_edu/lessons/{folder.name}/page.md"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
