"""Runs the pages as tests: Python, what it printed, and what is ours in a diff. A page is one story, from the top."""

from contextlib import redirect_stdout
from io import StringIO

from sybil import Example, Lexeme, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

from tools.names_page import side


class OursInADiff(CodeBlockParser):
    """Runs the lines of a diff that are not PyTorch's alone."""

    language = "diff"

    def evaluate(self, example: Example) -> None:
        """Run them in the namespace of the page."""
        diff = example.parsed
        example.parsed = Lexeme(side("+", diff), diff.offset, diff.line_offset)
        PythonEvaluator()(example)


class Listening(PythonEvaluator):
    """Runs a block, and notes what it prints."""

    def __call__(self, example: Example) -> None:
        """Run it in the namespace of the page."""
        with redirect_stdout(StringIO()) as printed:
            super().__call__(example)
        example.namespace["_printed"] = printed.getvalue()


class Output(CodeBlockParser):
    """Compares a block with what the block of Python before it printed."""

    language = "output"

    def evaluate(self, example: Example) -> None:
        """Compare them, but for white space at both ends."""
        assert example.parsed.strip() == example.namespace["_printed"].strip()


pytest_collect_file = Sybil(
    parsers=[CodeBlockParser("python", Listening()), Output(), OursInADiff()],
    patterns=["*.md", "docs/*.md", "docs/models/*.md", "docs/why/*.md"],
).pytest()
