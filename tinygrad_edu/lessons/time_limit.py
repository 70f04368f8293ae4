"""Time limit for a student's code: in a second process, or by tracing where none can be started, as in Pyodide."""

from __future__ import annotations

import dis
import faulthandler
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, redirect_stdout
from functools import lru_cache
from io import TextIOBase
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import active_count
from traceback import FrameSummary, StackSummary
from types import CodeType, FrameType
from typing import Any
from weakref import ref

from tinygrad_edu.lessons.cases import AS_FOR_STUDENTS, Looking
from tinygrad_edu.lessons.complaints import Files, located
from tinygrad_edu.lessons.judge import Began, Code, Outcome, judged, lesson_named, show_lines
from tinygrad_edu.lessons.lesson import Lesson

PATIENCE = 10.0  # seconds for one example; a correct lesson needs about one second for all examples
_LATE = f"The code was still running after {PATIENCE:.0f} seconds: is there an infinite loop?"
_SLOWER = 5.0  # a trace function makes a correct lesson two to four times slower


def judged_in_time(
    lesson: Lesson,
    sources: Mapping[str, Code],
    looking: Looking = AS_FOR_STUDENTS,
    holes: Collection[str] | None = None,
) -> Iterator[Outcome]:
    """Yield the outcomes of `judged`. If an example exceeds `PATIENCE`, end with an outcome that says where."""
    for file, text in sources.values():
        show_lines(file, text)
    where = Files(lesson, sources[lesson.name].file, {source.file for source in sources.values()})
    with TemporaryDirectory() as folder:
        stack = Path(folder, "stack")
        try:
            receiver, process = _started(str(stack), PATIENCE, lesson.name, dict(sources), looking, holes)
        except (ImportError, OSError):
            yield from _traced(where, sources, looking, holes)
            return
        try:
            yield from _received(receiver, stack, where)
        finally:
            process.kill()
            process.join()


def _started(*arguments: Any) -> tuple[Any, Any]:
    """Start the second process; return it, and the connection on which it sends."""
    from multiprocessing import get_context

    # A fork needs no imports, but copies the locks that other threads hold.
    context: Any = get_context("fork" if sys.platform == "linux" and active_count() == 1 else "spawn")
    faulthandler.cancel_dump_traceback_later()  # a fork would wait for its thread, which is not copied
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sender, *arguments), daemon=True)
    process.start()
    sender.close()
    return receiver, process


def _work(
    sender: Any,
    stack: str,
    patience: float,
    name: str,
    sources: Mapping[str, Code],
    looking: Looking,
    holes: Collection[str] | None,
) -> None:
    """Send the beginning of each example, each outcome and what the code prints; None at the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process stops this one
    with open(stack, "w") as file, redirect_stdout(_Sent(sender)):
        faulthandler.enable(file)

        def began(example: Began) -> None:
            sender.send(example)
            faulthandler.dump_traceback_later(patience, file=file, exit=True)  # also if a C function runs

        try:
            for outcome in judged(lesson_named(name), sources, looking, holes, began):
                sender.send(outcome)
        except Exception as error:
            sender.send(error)
    sender.send(None)


class _Sent(TextIOBase):
    """A text stream that sends what is written."""

    def __init__(self, sender: Any) -> None:
        self.sender = sender

    def write(self, text: str) -> int:
        """Send the text."""
        self.sender.send(text)
        return len(text)


def _received(receiver: Any, stack: Path, where: Files) -> Iterator[Outcome]:
    """Print the texts and yield the outcomes that arrive, and an outcome if the process ends before it sends None."""
    began = Began()
    try:
        while (message := receiver.recv()) is not None:
            if isinstance(message, Outcome):
                yield message
            elif isinstance(message, Began):
                began = message
            elif isinstance(message, Exception):
                raise message
            else:
                print(message, end="", flush=True)
    except EOFError:
        text = stack.read_text()
        files = {file.encode("ascii", "backslashreplace").decode(): file for file in where.all}
        frames = [(files.get(file, file), int(line), name) for file, line, name in _FRAME.findall(text)]
        what = _LATE if text.startswith("Timeout") else f"The code ended Python. {text.partition(chr(10))[0]}".rstrip()
        yield _stopped(began, StackSummary.from_list([FrameSummary(*each) for each in reversed(frames)]), where, what)


_FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$', re.MULTILINE)


def _stopped(began: Began, stack: StackSummary, where: Files, what: str) -> Outcome:
    """Return the outcome of an example that did not end, or that ended the process."""
    hole, line = located(stack, where, began.hole)
    return began.outcome(hole, where, what, line)


def _traced(
    where: Files, sources: Mapping[str, Code], looking: Looking, holes: Collection[str] | None
) -> Iterator[Outcome]:
    """Yield the outcomes, computed in this process under a trace function."""
    begun = [(time.monotonic(), Began())]
    limit = _TracedCall(lambda: time.monotonic() - begun[-1][0] > _SLOWER * PATIENCE, where.all)
    found: list[Outcome | None] = []

    def began(example: Began) -> None:
        begun.append((time.monotonic(), example))

    with closing(judged(where.lesson, sources, looking, holes, began)) as outcomes:
        while (stuck := limit.run(lambda: found.append(next(outcomes, None)))) is None and found[-1] is not None:
            yield found[-1]
    if stuck is not None:
        yield _stopped(begun[-1][1], stuck, where, _LATE)


class _TracedCall:
    """A call whose trace function raises once the time is up: at calls of functions in the files, and in their loops.

    It raises nowhere else: Hypothesis and the checks must be able to clean up.
    """

    def __init__(self, is_late: Callable[[], bool], files: Collection[str]) -> None:
        self.is_late, self.files = is_late, files
        self.runs = False
        self.stuck: StackSummary | None = None
        self.cleared: ref[Any] | None = None

    def run(self, function: Callable[[], None]) -> StackSummary | None:
        """Call the function under this trace function, and restore the previous one. Return the stack if late."""
        before, self.runs = sys.gettrace(), True
        sys.settrace(self.trace)
        try:
            try:
                function()
            finally:
                self.runs = False
                sys.settrace(before)
        except BaseException:
            if self.stuck is None:
                raise
        return self.stuck

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Raise in the files if the time is up; otherwise trace the lines of their functions that have a loop."""
        if frame.f_code.co_filename not in self.files:
            return None
        if self.runs and self.is_late():  # a generator of the student may outlive the call
            self.stuck = self.stuck or traceback.extract_stack(frame)
            if event == "call":
                frame.f_trace = self.trace
            self.cleared = ref(frame.f_trace, lambda _: self.resume(frame))
            raise _TimeIsUp
        jumps = _backward_jumps(frame.f_code)
        if event == "call" and 0 in jumps:  # `while True: pass` has no line events
            frame.f_trace_opcodes = True
        return self.trace if jumps or event != "call" else None

    def resume(self, frame: FrameType) -> None:
        """Trace each instruction of a frame, so that it cannot catch the error and continue.

        When a trace function raises, Python stops tracing and clears ``frame.f_trace``. A weak reference reports that.
        """
        frame.f_trace, frame.f_trace_opcodes = self.trace, True
        sys.settrace(self.trace)


class _TimeIsUp(BaseException):
    """Raised in a call whose time is up."""


@lru_cache(maxsize=256)
def _backward_jumps(code: CodeType) -> tuple[int, ...]:
    """Return the lengths of the backward jumps of a function, in bytes. A function without loops has none."""
    jumps = [each.offset - each.argval for each in dis.get_instructions(code) if "JUMP" in each.opname]
    return tuple(length for length in jumps if length >= 0)
