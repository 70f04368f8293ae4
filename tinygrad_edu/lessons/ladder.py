"""The rule puzzles: a file of ops, each with a hole for its rules. They stand apart, so each is judged by itself."""

from __future__ import annotations

import re
from functools import cached_property
from importlib import import_module
from typing import ClassVar

from tinygrad_edu.lessons.cases import Case, Looking
from tinygrad_edu.lessons.lesson import Lesson


class Puzzles(Lesson):
    """A lesson whose holes are the rules of ops, ``tanh.vjps(x=lambda g: ...)``, with one case for each."""

    in_steps: ClassVar[bool] = False

    @property
    def title(self) -> str:
        """The heading of the page."""
        return self.page.partition("\n")[0].removeprefix("# ")

    @cached_property
    def cases(self) -> list[Case]:
        """What is checked, in the order of the file."""
        return list(import_module(f"tinygrad_edu.lessons.{self.name}.checks").CASES)

    def open_in(self, text: str) -> dict[str, int]:
        """Return the holes that a student has left as they were, each with its line."""
        lines = {line: number for number, line in enumerate(text.splitlines(), 1)}
        wanted = {name: self._open(name, "").strip() for name in self.pieces}
        return {name: lines[line] for name, line in wanted.items() if line in lines}

    def _open(self, name: str, indent: str) -> str:
        rules = ", ".join(f"{x}=lambda g: ..." for x in re.findall(r"(\w+)=lambda ", self.pieces[name]))
        return f"{indent}{name}.vjps({rules})\n"


AS_FOR_PUZZLES = Looking(15)  # a wrong rule is wrong almost everywhere, and there are thirty
PUZZLES = Puzzles("puzzles")
