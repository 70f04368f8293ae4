"""Sources of the site: the pages of docs/, other pages of the checkout, the core, and the reference, in one folder.

Links between pages are paths in the checkout. They become links to the pages of the site. A link to a file of the core
becomes a link to its chapter of the book. A link to another source file becomes a link to its page of the reference,
and ``ops/shapes/shape.py#flip`` to the entry of `flip` there. A link to a file without a page becomes plain text.
"""

import os
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from tinygrad_edu.core_copy import reading_order
from tinygrad_edu.lessons.lesson import FINALE, LESSONS
from tools.site import book, demos, reference
from tools.site.reference import INDEX, ROOT

OTHERS = {
    "README.md": "index.md",
    "benchmarks/README.md": "benchmarks.md",
    "CONTRIBUTING.md": "contributing.md",
    "tinygrad_edu/lessons/engine/page.md": "lessons/engine.md",
    "tinygrad_edu/lessons/puzzles/page.md": "puzzles.md",
}
BOOK = Path("docs/core.md")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def gather(folder: Path, line_below_title: Callable[[str], str]) -> None:
    """Write all pages and pictures into an empty folder, with a line of Markdown below the title of each page."""
    generated = {page.source: reference.markdown(page) for page in reference.pages()}
    generated |= {INDEX: reference.index() + book.index(), BOOK: book.page()}
    for source, place in places().items():
        if source in generated:
            _write(folder / place, _with_links_of_the_site(generated[source], source, place).encode())
        elif source.suffix == ".md":
            title, _, text = (ROOT / source).read_text(encoding="utf-8").partition("\n")
            text = f"{title}\n\n{line_below_title(source.as_posix())}{_with_links_of_the_site(text, source, place)}"
            _write(folder / place, text.encode())
        else:
            _write(folder / place, (ROOT / source).read_bytes())
    demos.write(folder / "demos")


def lessons() -> list[dict[str, str]]:
    """Return the lessons as entries of the site's navigation."""
    titles = {f"{lesson.word}. {lesson.title}": lesson for lesson in LESSONS} | {FINALE.title: FINALE}
    return [{title: f"lessons/{lesson.name}.md"} for title, lesson in titles.items()]


@cache
def places() -> dict[Path, str]:
    """Return the path in the site of each file of the checkout that the site has."""
    return dict(_places())


def _places() -> Iterator[tuple[Path, str]]:
    """Yield (file in the checkout, path in the site) for each file of the site."""
    for path in sorted((ROOT / "docs").rglob("*")):
        if path.suffix in (".md", ".png", ".gif", ".svg", ".html", ".css"):
            yield path.relative_to(ROOT), path.relative_to(ROOT / "docs").as_posix()
    for source, place in OTHERS.items():
        yield Path(source), place
    for lesson in (*LESSONS, FINALE):
        yield Path(f"tinygrad_edu/lessons/{lesson.name}/page.md"), f"lessons/{lesson.name}.md"
        for picture in lesson.pictures:
            yield picture.relative_to(ROOT), f"lessons/{picture.name}"
    for page in reference.pages():
        yield page.source, page.path
    yield INDEX, "reference/index.md"


def _with_links_of_the_site(text: str, source: Path, place: str) -> str:
    def link(found: re.Match[str]) -> str:
        picture, label, target, anchor = found.groups(default="")
        if ":" in target:
            return found[0]
        file = Path(os.path.normpath(source.parent / target))
        if ROOT / file in reading_order() and not anchor:
            file, anchor = BOOK, f"#{book.anchor(file)}"
        there = places().get(file)
        if file.suffix == ".py" and anchor:
            anchor = f"#{'.'.join(file.with_suffix('').parts)}.{anchor[1:]}".replace(".__init__.", ".")
        return label if there is None else f"{picture}[{label}]({os.path.relpath(there, Path(place).parent)}{anchor})"

    parts = FENCE.split(text)  # every second part is a code block
    return "".join(part if k % 2 else LINK.sub(link, part) for k, part in enumerate(parts))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
