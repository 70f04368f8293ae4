"""Checks of a student's code: load it with the earlier lessons, run the cases, report the first error in a few lines.

An error in the student's code is shown with the student's line only, without a traceback. Each case has a time limit,
which ends infinite loops.
"""

from __future__ import annotations

import linecache
import sys
import time
import traceback
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.errors import TinygradError
from tinygrad_edu.lessons.cases import AS_FOR_STUDENTS, Case, Looking, shown, told
from tinygrad_edu.lessons.lesson import Lesson
from tinygrad_edu.lessons.time_limit import call_until

PATIENCE = 10.0  # seconds for one example; a correct lesson needs about one second for all examples


class Code(NamedTuple):
    """Text of a lesson's code, and the file name for tracebacks."""

    file: str
    text: str


class Outcome(NamedTuple):
    """Outcome of a case: its title, its hole, and a complaint, which is empty if the case passed."""

    title: str
    hole: str
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
        hole = str(error) if _is_open_hole(error, files) else _hole_of(error, files, lesson)
        yield Outcome("The file can be imported", hole, _of_student(error, files))


def outcome_of(case: Case, mine: ModuleType, files: set[str], looking: Looking) -> Outcome:
    """Run a case; stop it if one example takes longer than `PATIENCE`."""
    begun: list[tuple[float, dict[str, Any]]] = []

    def run() -> None:
        with np.errstate(all="ignore"):  # the checker reports NaN and infinity itself
            case.run(mine, lambda example: begun.append((time.monotonic(), example)), looking)

    def seconds() -> float:
        return time.monotonic() - begun[-1][0] if begun else 0.0

    error, stuck = call_until(lambda factor: seconds() > factor * PATIENCE, run, files)
    example = _with(begun[-1][1] if begun else {})
    if stuck is not None:
        what = f"The code was still running after {seconds():.0f} seconds: is there an infinite loop?"
        return Outcome(case.title, case.hole, _joined(what, _lines(stuck, files), example))
    if error is None:
        return Outcome(case.title, case.hole, "")
    if _is_open_hole(error, files):
        return Outcome(case.title, str(error), _of_student(error, files))
    return Outcome(case.title, case.hole, _joined(_of_student(error, files), example))


def _of_student(error: BaseException, files: set[str]) -> str:
    """Return the message of a failed check, or an error in the student's code with the student's line."""
    if isinstance(error, SyntaxError):
        return "".join(traceback.format_exception_only(error)).strip()
    where = _lines(traceback.extract_tb(error.__traceback__), files)
    if _is_open_hole(error, files):
        return _joined(f"The hole {error} is still open.", where)
    if isinstance(error, RecursionError):
        return _joined(where, "RecursionError: the function calls itself forever, or more than about 1000 times.")
    if isinstance(error, TinygradError):
        return told(error)
    if isinstance(error, SystemExit):
        return _joined(where, "This line exits the program: remove it.")
    return _joined(where, "".join(traceback.format_exception_only(error)).strip().partition("\n")[0])


def _is_open_hole(error: BaseException, files: set[str]) -> bool:
    at = traceback.extract_tb(error.__traceback__)
    return type(error) is NotImplementedError and bool(at) and at[-1].filename in files


def _hole_of(error: BaseException, files: set[str], lesson: Lesson) -> str:
    """Return the hole whose name begins the line that failed during the import; otherwise the first hole."""
    at = [frame.line or "" for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    line = error.text or "" if isinstance(error, SyntaxError) else (at or [""])[-1]
    name = line.strip().partition(".")[0]
    return name if name in lesson.pieces else next(iter(lesson.pieces))


def _lines(stack: traceback.StackSummary, files: set[str]) -> str:
    """Format the innermost frame of a stack that is in one of the student's files."""
    for frame in reversed(stack):
        if frame.filename in files:
            return f"{Path(frame.filename).name}, line {frame.lineno}, in {frame.name}\n    {frame.line}"
    return ""


def _with(example: dict[str, Any]) -> str:
    if not example:
        return ""
    with np.printoptions(threshold=50):
        lines = shown(example)
    return "The smallest failing example:\n" + "\n".join(f"    {line}" for line in lines.splitlines())


def _joined(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
