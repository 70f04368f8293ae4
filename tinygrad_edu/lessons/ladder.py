"""The vjp puzzles: a file of ops, each with a hole for its vjps. The puzzles are independent and checked one by one."""

import ast
import re
from functools import cached_property
from importlib import import_module
from typing import ClassVar

from tinygrad_edu.lessons.cases import Case, Looking
from tinygrad_edu.lessons.lesson import Lesson


class Puzzles(Lesson):
    """Lesson with one hole and one case per op; a hole is the line of the vjps, ``tanh.vjps(x=lambda g: ...)``."""

    in_steps: ClassVar[bool] = False

    @cached_property
    def cases(self) -> list[Case]:
        """Cases of the puzzles, in the order of the file."""
        return list(import_module(f"tinygrad_edu.lessons.{self.name}.checks").CASES)

    def open_in(self, text: str) -> dict[str, int]:
        """Return the line number of each open hole: a hole with ``...`` for a vjp."""
        return {name: call.lineno for name, call in self._open_calls(text).items()}

    def without_open(self, text: str) -> str:
        """Return the text with empty lines for the open holes, so that it can be imported."""
        lines = text.splitlines()
        for call in self._open_calls(text).values():
            lines[call.lineno - 1 : call.end_lineno] = [""] * ((call.end_lineno or call.lineno) - call.lineno + 1)
        return "\n".join(lines) + "\n"

    def _open_calls(self, text: str) -> dict[str, ast.Call]:
        try:
            calls = [line.value for line in ast.parse(text).body if isinstance(line, ast.Expr)]
        except (SyntaxError, ValueError):  # the import reports the error
            return {}
        found = {ast.unparse(call.func): call for call in calls if isinstance(call, ast.Call) and _has_dots(call)}
        return {name: found[f"{name}.vjps"] for name in self.pieces if f"{name}.vjps" in found}

    def _open(self, name: str, indent: str) -> str:
        rules = ", ".join(f"{x}=lambda g: ..." for x in re.findall(r"(\w+)=lambda ", self.pieces[name]))
        return f"{indent}{name}.vjps({rules})\n"


def _has_dots(call: ast.Call) -> bool:
    rules = [each.value for each in call.keywords]
    bodies = [rule.body if isinstance(rule, ast.Lambda) else rule for rule in rules]
    return any(isinstance(body, ast.Constant) and body.value is ... for body in bodies)


AS_FOR_PUZZLES = Looking(15)  # few examples suffice: a wrong vjp is wrong almost everywhere
PUZZLES = Puzzles("puzzles")
