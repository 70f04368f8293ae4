"""Complaints about a student's code: the message of an error, the student's line, and the hole to give a hint on."""

import ast
import linecache
import re
import traceback
from collections.abc import Iterable
from pathlib import Path
from traceback import FrameSummary
from typing import NamedTuple

from tinygrad_edu.errors import TinygradError
from tinygrad_edu.lessons.cases import told
from tinygrad_edu.lessons.findings import Wrong
from tinygrad_edu.lessons.lesson import Lesson


class Files(NamedTuple):
    """Files in which errors are located: the student's code of a lesson, and the code of all lessons.

    A name of a file that starts with ``<`` is that of a solution.
    """

    lesson: Lesson
    file: str
    all: set[str]

    def hole_of(self, frame: FrameSummary) -> str | None:
        """Return the hole of the lesson that the line of a frame is in."""
        return self.hole_at(frame.filename, frame.lineno)

    def hole_at(self, file: str, line: int | None) -> str | None:
        """Return the hole of the lesson that a line of a file is in."""
        if file != self.file:
            return None
        return self.lesson.hole_at("".join(linecache.getlines(file)), line or 0)


def complaint_about(error: BaseException, files: Files, about: str | None = None) -> tuple[str | None, str]:
    """Return the hole that an error is in, None outside of the holes, and a complaint with the student's line.

    `about` is the hole that the failed case checks.
    """
    stack = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename in files.all:
        return files.hole_at(error.filename, error.lineno), _syntax_error(error)
    if is_open_hole(error, files):
        return str(error), f"The hole {error} is still open.\n{_lines(stack[-1:])}"
    if isinstance(error, Wrong):
        stack = traceback.StackSummary.from_list(_definition(error))
    hole, where = located(stack, files, about)
    return hole, "\n".join(filter(None, (where, _message(error))))


def subjects_of(text: str) -> list[str]:
    """Return the inputs and ops whose gradients or vjps a title and a complaint name."""
    return re.findall(r"\b(?:gradient|vjps?) (?:of|for) (?:its argument )?(\w+)", text)


def is_open_hole(error: BaseException, files: Files) -> bool:
    """Return whether an error is that of the placeholder of a hole."""
    at = traceback.extract_tb(error.__traceback__)[-1:]
    return type(error) is NotImplementedError and str(error) in files.lesson.pieces and at[0].filename in files.all


def located(stack: traceback.StackSummary, files: Files, about: str | None) -> tuple[str | None, str]:
    """Return the hole of the innermost frame of a student in a stack, and the line of this frame as text.

    A line further out comes first if it is in the hole `about`. If the innermost frame is in no hole, or in a hole that
    raises errors on purpose, the hole is that of the next frame in another hole, and its line comes first, too. Without
    such a frame, it is the hole whose function the innermost line calls. A frame of a solution is only shown if there
    is no frame of the student.
    """
    frames = [frame for frame in reversed(stack) if frame.filename in files.all]
    own = [(frame, files.hole_of(frame)) for frame in frames if not frame.filename.startswith("<")]
    if not own:
        return None, _lines(frames[:1])
    (inner, hole), *outer = own
    if hole is None or ((inner.line or "").startswith("raise ") and "raise " in files.lesson.pieces[hole]):
        callers = [each for each in outer if each[1] not in (None, hole)] or outer
        hole = (callers[0][1] if callers else None) or hole or _called(inner.line or "", files.lesson)
    else:
        callers = [each for each in outer if each[1] == about != hole]
    return hole, _lines([*(frame for frame, _ in callers[:1]), inner])


def _called(line: str, lesson: Lesson) -> str | None:
    return next((hole for hole in lesson.pieces if re.search(rf"\b{hole}\(", line)), None)


def _lines(frames: Iterable[FrameSummary]) -> str:
    return "\n".join(
        f"{Path(frame.filename).name}, line {frame.lineno}, in {_function(frame)}\n    {frame.line}" for frame in frames
    )


def _function(frame: FrameSummary) -> str:
    """Return the name of the function of a frame, or the input whose vjp it is: ``vjps(x=lambda g: ...)``."""
    at = (frame.lineno or 0, frame.colno or 0)
    for call in ast.walk(ast.parse("".join(linecache.getlines(frame.filename)))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "vjps":
            for x, rule in ((each.arg, each.value) for each in call.keywords):
                is_inside = (rule.lineno, rule.col_offset) <= at < (rule.end_lineno or 0, rule.end_col_offset or 0)
                if ast.unparse(rule) == frame.name or (is_inside and frame.name == "<lambda>"):
                    return f"the vjp of {x}"
    return frame.name


def _definition(wrong: Wrong) -> list[FrameSummary]:
    """Return a frame at the definition of the function that is at fault, if it is known."""
    code = getattr(wrong.of, "__code__", None)
    return [FrameSummary(code.co_filename, code.co_firstlineno, code.co_name)] if code else []


def _syntax_error(error: SyntaxError) -> str:
    """Format a syntax error: the file and the line, the code with a caret, and the message."""
    lines = "".join(traceback.format_exception_only(error)).partition("\n")[2]
    return f"{Path(error.filename or '').name}, line {error.lineno}\n{lines}".rstrip()


def _message(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "RecursionError: the function calls itself forever, or more than about 1000 times."
    if isinstance(error, SystemExit):
        return "This line exits the program: remove it."
    if isinstance(error, TinygradError):
        return told(error)
    return short(f"{type(error).__name__}: {error}".partition("\n")[0])


def short(text: str) -> str:
    """Shorten the default repr of objects, which contains an address, to the name of the class."""
    return re.sub(r"<(?:[\w<>]+\.)*(\w+) object at 0x\w+>", r"<\1>", text)
