"""Interruptions: an exception at a random point of a statement, raised by Python's tracing or a real signal."""

import dis
import os
import signal
import sys
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from random import Random
from types import CodeType, FrameType
from typing import Any

import tinygrad_edu
from tools.campaign import statements

Act = Callable[[], Any]

PACKAGE = os.path.dirname(tinygrad_edu.__file__)


class Interrupt(BaseException):
    """An interruption that is not a KeyboardInterrupt."""


def draw(random: Random, signals: bool) -> Callable[[Act], Any]:
    """Return a function that runs an act and interrupts it, at one of its first points or after microseconds."""
    kind = random.choice((KeyboardInterrupt, Interrupt))
    if signals and random.random() < 0.5:
        seconds = random.uniform(1e-6, random.choice((1e-5, 1e-4)))
        return lambda act: after(seconds, act, kind)
    places = random.randrange(random.choice((4, 16, 64, 256)))
    return lambda act: at(places, act, kind)


def at(places: int, act: Act, kind: type[BaseException]) -> Any:
    """Run an act; raise after `places` points where Python handles signals, in the package or in the act."""
    left, raised = places, []

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal left
        if not _is_ours(frame.f_code.co_filename):
            return None
        frame.f_trace_opcodes = True
        if event == "call" or (event == "opcode" and frame.f_lasti in _places(frame.f_code)):
            left -= 1
            if left < 0:
                raised.append(kind(_place(frame)))
                raise raised[-1]
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return _as_it_was_raised(act, raised)
    finally:
        sys.settrace(before)


def after(seconds: float, act: Act, kind: type[BaseException]) -> Any:
    """Run an act; raise from a signal handler after some time. It works in the main thread only."""
    running, raised = True, []

    def handler(_signal: int, frame: Any) -> None:
        if running:
            raised.append(kind(_place(frame)))
            raise raised[-1]

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        return _as_it_was_raised(act, raised)
    finally:
        running = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _as_it_was_raised(act: Act, raised: list[BaseException]) -> Any:
    """Run an act; raise the original interruption if NumPy replaced it by another error, as in ``__index__``.

    Raise it also if Python dropped it, as at the end of a generator.
    """
    try:
        result = act()
    except Exception as error:
        if raised:
            raise raised[-1] from error
        raise
    if raised:
        raise raised[-1]
    return result


@lru_cache(None)
def _places(code: CodeType) -> set[int]:
    """Return the offsets where Python handles signals within a function: after a call and at a backward jump.

    Skip a call whose next instruction is in another `try` or `with` block: the signal belongs to the call.
    """
    instructions = dis.Bytecode(code)
    blocks = instructions.exception_entries  # type: ignore[attr-defined] # undocumented
    back = {each.argval for each in instructions if each.opname.startswith("JUMP_BACKWARD")}
    called = [(a.offset, b.offset) for a, b in pairwise(instructions) if a.opname.startswith("CALL")]
    return back.union(b for a, b in called if _handler(blocks, a) == _handler(blocks, b))


def _handler(blocks: Any, offset: int) -> int | None:
    """Return the target of the exception handler at an offset."""
    return next((each.target for each in blocks if each.start <= offset < each.end), None)


@lru_cache(None)
def _is_ours(filename: str) -> bool:
    return filename.startswith((PACKAGE, "<op ")) or filename == statements.__file__


def _place(frame: FrameType) -> str:
    code, line = frame.f_code, frame.f_lineno
    return f"the entry of {code.co_qualname}" if line == code.co_firstlineno else f"{code.co_qualname}, line {line}"
