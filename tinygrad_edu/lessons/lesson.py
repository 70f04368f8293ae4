"""Class of lessons: page, code with and without holes, hints and cases."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import ClassVar

from tinygrad_edu.core_copy import definitions
from tinygrad_edu.lessons.cases import Case

HERE = Path(__file__).parent
# A hole of the exercise: the part of the solution between two comments. The first may name definitions of the core.
_HOLE = re.compile(r"^( *)# hole: (\w+)(?:, in the core: (.*?))?\n(.*?)^ *# end\n", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Lesson:
    """A lesson that ships with the package.

    Attributes
    ----------
    name : str
        Name of the lesson's folder and of the student's module, such as ``lesson04_clock``.
    """

    name: str

    # Whether each case depends on the earlier cases, so that a check stops at the first failure.
    in_steps: ClassVar[bool] = True

    @property
    def word(self) -> str:
        """Name of the lesson on the command line: its number, or "engine" or "puzzles"."""
        return str(LESSONS.index(self) + 1) if self in LESSONS else self.name

    @property
    def before(self) -> tuple[Lesson, ...]:
        """The lessons whose code this one may import."""
        return LESSONS[: LESSONS.index(self)] if self in LESSONS else LESSONS

    @cached_property
    def page(self) -> str:
        """Text of the page, in Markdown."""
        return self._read("page.md")

    @property
    def title(self) -> str:
        """Heading of the page, without the number."""
        return re.sub(r"^# (\d+\. )?", "", self.page.partition("\n")[0])

    @property
    def pictures(self) -> list[Path]:
        """Pictures of the page; their names begin with the lesson's name."""
        return sorted((HERE / self.name).glob(f"{self.name}*.png"))

    @cached_property
    def _marked(self) -> str:
        return self._read("solution.py")

    @property
    def solution(self) -> str:
        """Complete code of the lesson."""
        return _HOLE.sub(lambda found: found[4], self._marked)

    @property
    def exercise(self) -> str:
        """Code with every hole open."""
        return self.with_holes(self.pieces)

    @cached_property
    def pieces(self) -> dict[str, str]:
        """Code of the solution in each hole."""
        return {name: piece for _, name, _, piece in _HOLE.findall(self._marked)}

    @cached_property
    def in_the_core(self) -> dict[str, list[str]]:
        """The definitions of the core that a hole builds, such as ``engine.no_grad``, for each hole that builds one."""
        return {name: core.split(", ") for _, name, core, _ in _HOLE.findall(self._marked) if core}

    def defined_by(self, hole: str) -> list[str]:
        """Return the names of the functions and methods that a hole is in, or whose vjps it has."""
        piece = self.pieces[hole]
        if not piece.startswith(" "):
            return re.findall(r"^(\w+)\.vjps\(", piece, re.MULTILINE)
        start = next(found.start(4) for found in _HOLE.finditer(self._marked) if found[2] == hole)
        line = self._marked.count("\n", 0, start) + 1
        spans = {
            name: range(node.lineno, (node.end_lineno or 0) + 1) for name, node in definitions(self._marked).items()
        }
        return [name for name, span in spans.items() if line in span][-1:]

    @cached_property
    def _around_holes(self) -> tuple[list[str], dict[str, int]]:
        """Lines outside of the holes, and for each hole the number of these lines before it."""
        lines, before, end = [], {}, 0
        for found in _HOLE.finditer(self._marked):
            lines += self._marked[end : found.start()].splitlines()
            before[found[2]], end = len(lines), found.end()
        return lines + self._marked[end:].splitlines(), before

    def hole_at(self, text: str, line: int) -> str | None:
        """Return the hole that a line of a student's code is in, or None for code outside of the holes."""
        given, before = self._around_holes
        mine = text.splitlines()
        matcher = SequenceMatcher(lambda text: not text.strip(), given, mine, autojunk=False)
        blocks = [(a, a + size, b, b + size) for a, b, size in matcher.get_matching_blocks()]
        if any(start < line <= stop for _, _, start, stop in blocks):
            return None
        first = max((a for _, a, _, stop in blocks if stop < line), default=0)
        last = min((a for a, _, start, _ in blocks if start >= line), default=len(given))
        near = [name for name, position in before.items() if first <= position <= last]
        named = [name for text in mine[:line] for name in near if re.match(rf"\s*(# YOUR TURN: )?{name}\b", text)]
        return named[-1] if named else next(iter(near), None)

    def with_holes(self, names: object, instead: dict[str, str] | None = None) -> str:
        """Return the code with the holes in `names` open; `instead` maps other holes to replacement code."""
        other = instead or {}

        def piece(found: re.Match[str]) -> str:
            indent, name, _, given = found.groups()
            if name in other:
                return other[name]
            if name not in names:  # type: ignore[operator]
                return str(given)
            return f"{indent}# YOUR TURN: {name}\n{self._open(name, indent)}"

        return _HOLE.sub(piece, self._marked)

    def _open(self, name: str, indent: str) -> str:
        """Return the placeholder of a hole: a `raise`, or nothing at module level, where it would end the import."""
        return f'{indent}raise NotImplementedError("{name}")\n' if indent else ""

    @cached_property
    def hints(self) -> dict[str, list[str]]:
        """Hints on each hole, the vaguest first."""
        sections = re.split(r"^## (\w+)\n", self._read("hints.md"), flags=re.MULTILINE)[1:]
        return {
            name: [" ".join(hint.split()) for hint in re.split(r"^- ", text, flags=re.MULTILINE)[1:]]
            for name, text in zip(sections[::2], sections[1::2], strict=True)
        }

    def hints_on(self, hole: str, subjects: Collection[str] = ()) -> list[str]:
        """Return the hints on a hole, without the hint "For x: ..." if another subject, such as y, is wrong."""
        about = {hint: found[1] for hint in self.hints[hole] if (found := re.match(r"For (\w+): ", hint))}
        wrong = set(about.values()).intersection(subjects) or set(about.values())
        return [hint for hint in self.hints[hole] if about.get(hint) in {None, *wrong}]

    @property
    def builds_on(self) -> tuple[Lesson, ...]:
        """The lessons that this one imports, directly or through another lesson."""
        named = {each for each in self.before if each.name in self._marked}
        found = named.union(*(each.builds_on for each in named))
        return tuple(each for each in LESSONS if each in found)

    @cached_property
    def cases(self) -> list[Case]:
        """Cases of the lesson, in the order of its file."""
        checks = import_module(f"tinygrad_edu.lessons.{self.name}.checks")
        return [case for case in vars(checks).values() if isinstance(case, Case)]

    def _read(self, file: str) -> str:
        return (HERE / self.name / file).read_text("utf-8")


LESSONS = tuple(Lesson(path.name) for path in sorted(HERE.glob("lesson[0-9][0-9]_*")))
FINALE = Lesson("engine")  # checks all lessons as one engine, and trains a network with it
