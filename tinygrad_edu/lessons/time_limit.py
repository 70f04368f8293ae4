"""Time limit for a student's code: in a second thread, or by tracing where no thread can be started, as in Pyodide."""

from __future__ import annotations

import ctypes
import dis
import sys
import traceback
from collections.abc import Callable, Collection
from functools import lru_cache
from threading import Thread
from traceback import StackSummary
from types import CodeType, FrameType
from typing import Any, NamedTuple
from weakref import ref


class Ended(NamedTuple):
    """The end of a call: its error, or its stack when the time was up; None for both if it returned."""

    error: BaseException | None = None
    stuck: StackSummary | None = None


_SLOWER = 5.0  # a trace function makes a correct lesson two to four times slower


def call_until(is_late: Callable[[float], bool], function: Callable[[], None], files: Collection[str]) -> Ended:
    """Call a function; stop it once `is_late(factor)` is true, where the factor multiplies the time limit.

    The factor is 1, or larger under a trace function. An infinite loop is expected in one of the `files` only.
    """
    caught: list[BaseException] = []

    def call() -> None:
        try:
            function()
        except BaseException as error:  # includes SystemExit
            caught.append(error)

    worker = Thread(target=call, daemon=True)
    try:
        worker.start()
    except RuntimeError:  # no thread can be started
        return _TracedCall(is_late, files).run(function)
    while worker.is_alive():
        worker.join(0.05)
        if is_late(1.0) and worker.ident is not None:
            stuck = traceback.extract_stack(sys._current_frames().get(worker.ident))
            _interrupt(worker.ident)
            return Ended(stuck=stuck)
    return Ended(caught[0] if caught else None)


def _interrupt(thread: int) -> None:
    """Raise KeyboardInterrupt in another thread: an infinite loop there would slow down everything that follows."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))


class _TracedCall:
    """A call whose trace function raises once the time is up: at calls of functions in the files, and in their loops.

    It raises nowhere else: Hypothesis and the checks must be able to clean up.
    """

    def __init__(self, is_late: Callable[[float], bool], files: Collection[str]) -> None:
        self.is_late, self.files = is_late, files
        self.runs = False
        self.stuck: StackSummary | None = None
        self.cleared: ref[Any] | None = None

    def run(self, function: Callable[[], None]) -> Ended:
        """Call the function under this trace function, and restore the previous one."""
        before, self.runs = sys.gettrace(), True
        sys.settrace(self.trace)
        try:
            try:
                function()
            finally:
                self.runs = False
                sys.settrace(before)
        except KeyboardInterrupt:  # of the user
            raise
        except BaseException as error:
            return Ended(stuck=self.stuck) if self.stuck else Ended(error)
        return Ended(stuck=self.stuck)

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Raise in the files if the time is up; otherwise trace the lines of their functions that have a loop."""
        if frame.f_code.co_filename not in self.files:
            return None
        if self.runs and self.is_late(_SLOWER):  # a generator of the student may outlive the call
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
