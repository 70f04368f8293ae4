"""Runs the pages as tests: every block of Python, and what is ours in every diff. A page is one story, from the top."""

from sybil import Example, Lexeme, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from tools.names_page import side


class OursInADiff(CodeBlockParser):
    """Runs the lines of a diff that are not PyTorch's alone."""

    language = "diff"

    def evaluate(self, example: Example) -> None:
        """Run them in the namespace of the page."""
        diff = example.parsed
        example.parsed = Lexeme(side("+", diff), diff.offset, diff.line_offset)
        PythonEvaluator()(example)


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), OursInADiff()], patterns=["*.md", "docs/*.md", "docs/models/*.md"]
).pytest()
