"""Checks of a student's code: load it with the earlier lessons, and run the cases until one fails.

`time_limit.py` runs this in a second process, and ends infinite loops.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from types import CodeType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.lessons.cases import AS_FOR_STUDENTS, Case, Looking, shown
from tinygrad_edu.lessons.complaints import Files, complaint_about, is_open_hole
from tinygrad_edu.lessons.ladder import PUZZLES
from tinygrad_edu.lessons.lesson import FINALE, LESSONS, Lesson

IMPORT = "The file can be imported"


class Code(NamedTuple):
    """Text of a lesson's code, and the file name for tracebacks."""

    file: str
    text: str


class Outcome(NamedTuple):
    """Outcome of a case: its title, the hole to give a hint on, if any, and a complaint, empty if the case passed."""

    title: str
    hole: str | None
    complaint: str


def solved(lesson: Lesson) -> Code:
    """Return the solution of a lesson as a `Code`."""
    return Code(f"<the solution of {lesson.name}>", lesson.solution)


class Began(NamedTuple):
    """The beginning of the import or of an example: the title and the hole of the case, and the values as text."""

    title: str = IMPORT
    hole: str | None = None
    example: str = ""

    def outcome(self, hole: str | None, where: Files, *complaint: str) -> Outcome:
        """Return the outcome of a failure in a hole; the result of a puzzle belongs to its own hole."""
        hole = hole if self.hole is None or (hole and where.lesson.in_steps) else self.hole
        return Outcome(self.title, hole, "\n".join(filter(None, (*complaint, self.example))))


@contextmanager
def loaded(sources: Mapping[str, Code]) -> Iterator[dict[str, ModuleType]]:
    """Execute the sources in order, as modules; inside the context they can be imported by name."""
    before = {name: sys.modules.get(name) for name in sources}
    modules: dict[str, ModuleType] = {}
    try:
        for name, (file, text) in sources.items():
            show_lines(file, text)
            sys.modules[name] = modules[name] = module = ModuleType(name)
            module.__file__ = file
            exec(_compiled(text, file), vars(module))
        yield modules
    finally:
        for name, module_before in before.items():
            if module_before is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module_before


def show_lines(file: str, text: str) -> None:
    """Let tracebacks show the lines of a text under the name of a file."""
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)


@lru_cache(maxsize=32)  # the earlier lessons rarely change between checks
def _compiled(text: str, file: str) -> CodeType:
    return compile(text, file, "exec")


def judged(
    lesson: Lesson,
    sources: Mapping[str, Code],
    looking: Looking = AS_FOR_STUDENTS,
    holes: Collection[str] | None = None,
    began: Callable[[Began], None] = lambda _: None,
) -> Generator[Outcome, None, None]:
    """Yield the outcome of each case of a lesson; if the cases depend on each other, stop at the first failure.

    `sources` is the code of this lesson and of the lessons before. With `holes`, run only the cases of these holes.
    If the import fails, yield only that outcome. Call `began` before the import and before each example.
    """
    files = {source.file for source in sources.values()}
    cases = [case for case in lesson.cases if holes is None or case.hole in holes]
    began(Began())
    try:
        with loaded(sources) as modules:
            for case in cases:
                outcome = outcome_of(case, modules[lesson.name], files, looking, began)
                yield outcome
                if outcome.complaint and lesson.in_steps:
                    return
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        where = Files(lesson, sources[lesson.name].file, files)
        cause = error.__cause__  # a generator, like `loaded`, converts a StopIteration
        yield Outcome(IMPORT, *complaint_about(cause if isinstance(cause, StopIteration) else error, where))


def outcome_of(
    case: Case, mine: ModuleType, files: set[str], looking: Looking, began: Callable[[Began], None] = lambda _: None
) -> Outcome:
    """Run a case, and call `began` before each example."""
    where = Files(lesson_named(case.function.__module__.split(".")[-2]), getattr(mine, "__file__", ""), files)
    last = Began(case.title, case.hole)
    began(last)

    def note(example: dict[str, Any]) -> None:
        nonlocal last
        last = last._replace(example=_with(example))
        began(last)

    try:
        with np.errstate(all="ignore"):  # the checker reports NaN and infinity itself
            case.run(mine, note, looking)
    except KeyboardInterrupt:  # of the user
        raise
    except BaseException as error:  # includes SystemExit
        hole, complaint = complaint_about(error, where, case.hole)
        last = last._replace(example="") if is_open_hole(error, where) else last
        return last.outcome(hole, where, complaint)
    return Outcome(case.title, case.hole, "")


def lesson_named(name: str) -> Lesson:
    """Return the lesson of a folder's name."""
    return next(lesson for lesson in (*LESSONS, FINALE, PUZZLES) if lesson.name == name)


def _with(example: dict[str, Any]) -> str:
    if not example:
        return ""
    with np.printoptions(threshold=50):
        lines = shown(example)
    return "The smallest failing example:\n" + "\n".join(f"    {line}" for line in lines.splitlines())
