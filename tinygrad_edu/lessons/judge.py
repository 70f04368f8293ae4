"""Checks of a student's code: load it with the earlier lessons, and run the cases until one fails.

Each case has a time limit, which ends infinite loops.
"""

from __future__ import annotations

import linecache
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from types import CodeType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.lessons.cases import AS_FOR_STUDENTS, Case, Looking, shown
from tinygrad_edu.lessons.complaints import Files, complaint_about, is_open_hole, located
from tinygrad_edu.lessons.ladder import PUZZLES
from tinygrad_edu.lessons.lesson import FINALE, LESSONS, Lesson
from tinygrad_edu.lessons.time_limit import call_until

PATIENCE = 10.0  # seconds for one example; a correct lesson needs about one second for all examples


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


@contextmanager
def loaded(sources: Mapping[str, Code]) -> Iterator[dict[str, ModuleType]]:
    """Execute the sources in order, as modules; inside the context they can be imported by name."""
    before = {name: sys.modules.get(name) for name in sources}
    modules: dict[str, ModuleType] = {}
    try:
        for name, (file, text) in sources.items():
            linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
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


@lru_cache(maxsize=32)  # the earlier lessons rarely change between checks
def _compiled(text: str, file: str) -> CodeType:
    return compile(text, file, "exec")


def judged(
    lesson: Lesson,
    sources: Mapping[str, Code],
    looking: Looking = AS_FOR_STUDENTS,
    holes: Collection[str] | None = None,
) -> Iterator[Outcome]:
    """Yield the outcome of each case of a lesson; if the cases depend on each other, stop at the first failure.

    `sources` is the code of this lesson and of the lessons before. With `holes`, run only the cases of these holes.
    If the import fails, yield only that outcome.
    """
    files = {source.file for source in sources.values()}
    try:
        with loaded(sources) as modules:
            for case in (case for case in lesson.cases if holes is None or case.hole in holes):
                outcome = outcome_of(case, modules[lesson.name], files, looking)
                yield outcome
                if outcome.complaint and lesson.in_steps:
                    return
    except (Exception, SystemExit) as error:
        where = Files(lesson, sources[lesson.name].file, files)
        yield Outcome("The file can be imported", *complaint_about(error, where))


def outcome_of(case: Case, mine: ModuleType, files: set[str], looking: Looking) -> Outcome:
    """Run a case; stop it if one example takes longer than `PATIENCE`."""
    where = Files(_lesson_of(case), getattr(mine, "__file__", ""), files)
    begun: list[tuple[float, dict[str, Any]]] = []

    def run() -> None:
        with np.errstate(all="ignore"):  # the checker reports NaN and infinity itself
            case.run(mine, lambda example: begun.append((time.monotonic(), example)), looking)

    def seconds() -> float:
        return time.monotonic() - begun[-1][0] if begun else 0.0

    error, stuck = call_until(lambda factor: seconds() > factor * PATIENCE, run, files)
    example = begun[-1][1] if begun else {}
    if stuck is not None:
        what = f"The code was still running after {seconds():.0f} seconds: is there an infinite loop?"
        hole, line = located(stuck, where, case.hole)
        return Outcome(case.title, _hint_on(hole, case, where), _joined(what, line, _with(example)))
    if error is None:
        return Outcome(case.title, case.hole, "")
    hole, complaint = complaint_about(error, where, case.hole)
    smallest = "" if is_open_hole(error, where) else _with(example)
    return Outcome(case.title, _hint_on(hole, case, where), _joined(complaint, smallest))


def _hint_on(hole: str | None, case: Case, where: Files) -> str:
    """Return the hole to give a hint on; the result of a puzzle belongs to its own hole."""
    return hole if hole and where.lesson.in_steps else case.hole


def _lesson_of(case: Case) -> Lesson:
    name = case.function.__module__.split(".")[-2]
    return next(lesson for lesson in (*LESSONS, FINALE, PUZZLES) if lesson.name == name)


def _with(example: dict[str, Any]) -> str:
    if not example:
        return ""
    with np.printoptions(threshold=50):
        lines = shown(example)
    return "The smallest failing example:\n" + "\n".join(f"    {line}" for line in lines.splitlines())


def _joined(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
