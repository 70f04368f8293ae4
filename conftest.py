"""Runs every Python block of the pages as a test: a page is one story, read from top to bottom."""

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_collect_file = Sybil(parsers=[PythonCodeBlockParser()], patterns=["*.md", "docs/*.md"]).pytest()
