"""Runs the pages as tests: every block of Python, and what is ours in every diff. A page is one story, from the top."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sybil import Example, Lexeme, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from tinygrad_edu.lessons.lesson import LESSONS
from tools.names_page import side


class OursInADiff(CodeBlockParser):
    """Runs the lines of a diff that are not PyTorch's alone."""

    language = "diff"

    def evaluate(self, example: Example) -> None:
        """Run them in the namespace of the page."""
        diff = example.parsed
        example.parsed = Lexeme(side("+", diff), diff.offset, diff.line_offset)
        PythonEvaluator()(example)


def solve(namespace: dict[str, Any]) -> None:
    """Let a page import the solutions of the lessons, as it imports what is in a student's folder."""
    namespace["_folder"] = folder = TemporaryDirectory()
    for lesson in LESSONS:
        Path(folder.name, f"{lesson.name}.py").write_text(lesson.solution, "utf-8")
    sys.path.insert(0, folder.name)


def forget(namespace: dict[str, Any]) -> None:
    """Take the solutions away again."""
    sys.path.remove(namespace["_folder"].name)
    for lesson in LESSONS:
        sys.modules.pop(lesson.name, None)
    namespace["_folder"].cleanup()


collect_ignore_glob = ["tinygrad_edu/lessons/lesson*/*.py"]  # they import what is in a student's folder
pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), OursInADiff()],
    patterns=["*.md"],  # of any folder
    setup=solve,
    teardown=forget,
).pytest()
