"""A student's code beside the core: the functions that a hole is in, and the definitions that it builds."""

import ast
import textwrap
from collections.abc import Iterator
from html import escape
from itertools import groupby, zip_longest
from operator import itemgetter
from typing import NamedTuple

from tinygrad_edu.core_copy import definitions, first_line, reading_order
from tinygrad_edu.errors import LessonError
from tinygrad_edu.lessons.folder import Folder
from tinygrad_edu.lessons.lesson import FINALE, LESSONS, Lesson

NARROW = 100  # columns of a terminal below which the two codes do not stand side by side


class Counterpart(NamedTuple):
    """A hole, the student's code of it, and the definitions of the core that it builds, each with a title."""

    lesson: Lesson
    hole: str
    core: tuple[str, ...]

    def titles(self) -> tuple[str, str]:
        """Return the file and the hole of the student, and the file and the definitions of the core."""
        files = groupby((name.partition(".") for name in self.core), key=itemgetter(0))
        core = (f"core/{file}.py: {', '.join(name for *_, name in names)}" for file, names in files)
        return f"{self.lesson.name}.py: {self.hole}", "; ".join(core)

    def codes(self, folder: Folder) -> tuple[str, str]:
        """Return the student's code and the core's."""
        text = folder.code(self.lesson).text
        mine = [source_text(text, name, f"{self.lesson.name}.py") for name in self.lesson.defined_by(self.hole)]
        files = {file.stem: file.read_text("utf-8") for file in reading_order()}
        core = [
            source_text(files[file], name, f"core/{file}.py") for file, _, name in (x.partition(".") for x in self.core)
        ]
        return "\n\n".join(mine), "\n\n".join(core)


def counterparts(lesson: Lesson) -> list[Counterpart]:
    """Return the counterparts of a lesson. For the finale: of all lessons, in the order in which the core is read."""
    if lesson is not FINALE:
        found = [Counterpart(lesson, hole, tuple(core)) for hole, core in lesson.in_the_core.items()]
        if not found:
            raise LessonError(f"{lesson.name} builds nothing that is in the core: see the end of {lesson.name}.md.")
        return found
    runs = groupby(built(), key=itemgetter(1, 2))
    return [Counterpart(lesson, hole, tuple(row[0] for row in rows)) for (lesson, hole), rows in runs]


def built() -> Iterator[tuple[str, Lesson, str]]:
    """Yield each definition of the core that the lessons build, with the last lesson that does, and its hole."""
    last = {
        name: (each, hole)
        for each in (*LESSONS, FINALE)
        for hole in each.in_the_core
        for name in each.in_the_core[hole]
    }
    for file in reading_order():
        for name in (f"{file.stem}.{name}" for name in definitions(file.read_text("utf-8"))):
            if name in last:
                yield name, *last[name]


def table() -> str:
    """Return the definitions of the core that the lessons build, by file, each with the lesson and its hole."""
    lines = []
    for file, rows in groupby(built(), key=lambda row: row[0].partition(".")[0]):
        lines += [f"core/{file}.py"]
        lines += [f"    {name.partition('.')[2]:<26} {lesson.name}: {hole}" for name, lesson, hole in rows]
    return "\n".join(lines)


def source_text(text: str, name: str, file: str) -> str:
    """Return the source of a function, class or method, with the vjps of an op."""
    try:
        found = definitions(text)
    except (SyntaxError, ValueError) as error:
        raise LessonError(f"{file} cannot be compared: {error}.") from None
    if name not in found:
        return f"# {file} has no {name}."
    calls = [node for node in ast.parse(text).body if isinstance(node, ast.Expr)]
    vjps = [node for node in calls if ast.unparse(node).startswith(f"{name}.vjps(")]
    spans = [(first_line(found[name]), found[name].end_lineno), *((node.lineno, node.end_lineno) for node in vjps)]
    lines = text.splitlines()
    return "\n\n".join(textwrap.dedent("\n".join(lines[first - 1 : last])) for first, last in spans)


def side_by_side(lesson: Lesson, folder: Folder, width: int) -> str:
    """Return the codes for a terminal: side by side, or one below the other where it is narrow."""
    return "\n\n".join(_block(part.titles(), part.codes(folder), width) for part in counterparts(lesson))


def _block(titles: tuple[str, str], codes: tuple[str, str], width: int) -> str:
    if width < NARROW:
        return "\n\n".join(f"{title}\n{'-' * len(title)}\n{code}" for title, code in zip(titles, codes, strict=True))
    column = (width - 3) // 2
    left, right = ([*_wrapped(title, column), "-" * column, *_wrapped(code, column)]
                   for title, code in zip(titles, codes, strict=True))  # fmt: skip
    return "\n".join(f"{x:<{column}} | {y}".rstrip() for x, y in zip_longest(left, right, fillvalue=""))


def _wrapped(code: str, column: int) -> Iterator[str]:
    """Yield the lines of a code; the rest of a line that is too long is indented."""
    for line in code.splitlines():
        indent = " " * (len(line) - len(line.lstrip()) + 8)
        yield from textwrap.wrap(line, column, subsequent_indent=indent, drop_whitespace=True) or [""]


def side_by_side_html(lesson: Lesson, folder: Folder) -> str:
    """Return the codes as HTML, side by side where the page is wide enough."""
    return "".join(
        '<div style="display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30em),1fr));gap:0 1.5em">'
        + "".join(map(_column_html, part.titles(), part.codes(folder)))
        + "</div>"
        for part in counterparts(lesson)
    )


def _column_html(title: str, code: str) -> str:
    pre = f'<pre style="white-space:pre-wrap;font-size:85%">{escape(code)}</pre>'
    return f'<div style="min-width:0;text-align:left"><b>{escape(title)}</b>{pre}</div>'
