"""Run the pages as tests: Python blocks, their printed output, and our side of a diff. A page is one program."""

import gc
import os
import sys
from collections.abc import Generator
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from sybil import Example, Lexeme, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from tinygrad_edu.lessons.lesson import FINALE, LESSONS
from tinygrad_edu.shared.speed.plain_mode import PLAIN
from tools.names_page import side

# 5 examples of each property; CI draws more, by the option --tinygrad-edu-gradients.
slow_draws = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("anew", max_examples=5, deadline=None, suppress_health_check=slow_draws)
settings.register_profile("quick", settings.get_profile("anew"), derandomize=True)


@cache
def is_thorough(page: Path) -> bool:
    """Return whether a page says that its programs take seconds."""
    return page.suffix == ".md" and "<!-- thorough -->" in page.read_text("utf-8")


@pytest.hookimpl(tryfirst=True)  # before the selection by marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the blocks of pages that take seconds, and deselect the tests with the mark `fast` in plain mode."""
    for item in items:
        if is_thorough(item.path):
            item.add_marker(pytest.mark.thorough)
    left_out = [item for item in items if PLAIN and item.get_closest_marker("fast")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


class OursInADiff(CodeBlockParser):
    """Runs the lines of a diff that belong to this package, not to PyTorch."""

    language = "diff"

    def evaluate(self, example: Example) -> None:
        """Run the lines in the namespace of the page."""
        diff = example.parsed
        example.parsed = Lexeme(side("+", diff), diff.offset, diff.line_offset)
        PythonEvaluator()(example)


class Printing(PythonCodeBlockParser):
    """Parses Python blocks and interpreter sessions."""

    def __init__(self) -> None:
        super().__init__()
        self.codeblock_parser = CodeBlockParser("python", Listening())


class Listening(PythonEvaluator):
    """Runs a block and records its printed output."""

    def __call__(self, example: Example) -> None:
        """Run the block in the namespace of the page."""
        with redirect_stdout(StringIO()) as printed:
            super().__call__(example)
        example.namespace["_printed"] = printed.getvalue()


class Output(CodeBlockParser):
    """Compares a block with the printed output of the Python block before it."""

    language = "output"

    def evaluate(self, example: Example) -> None:
        """Compare the texts, except for white space at both ends."""
        assert example.parsed.strip() == example.namespace["_printed"].strip()


def solve(namespace: dict[str, Any]) -> None:
    """Let a page import the solutions of the lessons, like the files in a student's folder."""
    namespace["_folder"] = folder = TemporaryDirectory()
    for lesson in (*LESSONS, FINALE):
        Path(folder.name, f"{lesson.name}.py").write_text(lesson.solution, "utf-8")
    sys.path.insert(0, folder.name)


def forget(namespace: dict[str, Any]) -> None:
    """Remove the solutions again."""
    sys.path.remove(namespace["_folder"].name)
    for lesson in (*LESSONS, FINALE):
        sys.modules.pop(lesson.name, None)
    namespace["_folder"].cleanup()


# These files import from a student's folder.
collect_ignore_glob = ["tinygrad_edu/lessons/lesson*/*.py", "tinygrad_edu/lessons/engine/*.py"]
pytest_collect_file = Sybil(
    parsers=[Printing(), Output(), OursInADiff()],
    patterns=["*.md"],  # in any folder
    setup=solve,
    teardown=forget,
).pytest()


@pytest.hookimpl(wrapper=True, specname="pytest_collect_file")
def pytest_collect_few_files(file_path: Path, parent: pytest.Collector) -> Generator[None, Any, Any]:
    """Do not import files without an example in a docstring, and in the quick suite files of thorough tests."""
    found = yield
    if file_path.suffix != ".py":
        return found
    text = file_path.read_text("utf-8")
    if is_quick(parent.config) and "\npytestmark = pytest.mark.thorough" in text:
        return []
    return found if ">>> " in text else [each for each in found if isinstance(each, pytest.Module)]


def is_quick(config: pytest.Config) -> bool:
    """Return whether the selection leaves out thorough tests."""
    return "not thorough" in config.getoption("markexpr")


# Files of many long, independent tests, which are distributed over all processes.
SCATTERED = (
    "tests/ops/test_derivatives.py", "tests/ops/test_forward.py", "tests/ops/test_laws.py",
    "tests/tools/test_notebooks.py",
)  # fmt: skip


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of any other file in one process of xdist: the blocks of a page depend on each other."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return nodeid if file.endswith(SCATTERED) else file

    return ByFile(config, log)


def load_profile(config: pytest.Config) -> None:
    """Let the quick suite draw the same examples in every run, and a selection with thorough tests draw new ones."""
    settings.load_profile("quick" if is_quick(config) else "anew")
    if is_quick(config):
        # Hypothesis also draws numbers from the code of the modules imported so far, which differ by process
        providers.is_local_module_file = lambda path: False


def pytest_configure(config: pytest.Config) -> None:
    """Load the profile, and let the subprocesses of tests find compiled modules, even under PYTHONDONTWRITEBYTECODE.

    Also let JAX find the programs that it compiled for Keras in earlier runs.
    """
    load_profile(config)
    cache = getattr(config, "cache", None)
    if cache and os.environ.get("PYTHONDONTWRITEBYTECODE"):
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str(cache.mkdir("bytecode")))
        del os.environ["PYTHONDONTWRITEBYTECODE"]
    if cache and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(cache.mkdir("jax"))
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Disable the garbage collector during the imports, since all imported objects stay alive."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Exclude the imported objects from garbage collection, since Hypothesis collects in each new thread."""
    gc.collect()
    gc.freeze()
