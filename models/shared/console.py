"""Console output of the programs: single lines and an exit code, without tracebacks for unwritable output."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from models import SIGNALS
from tinygrad_edu.errors import TinygradError
from tinygrad_edu.parallel import mpi, world
from tinygrad_edu.shared.display.command_line import sentence


def is_heard() -> bool:
    """Return whether this process may print: under mpiexec, only the first remaining rank prints."""
    try:
        return not world().rank
    except TinygradError:  # then each rank trains alone and prints
        return True


def say(line: str) -> None:
    """Print one line on the standard output. Ignore write errors."""
    with suppress(OSError):
        if is_heard():
            print(one_line(line), flush=True)


def note(line: str) -> None:
    """Print one line on the standard error. Ignore write errors."""
    with suppress(OSError):
        if is_heard():
            print(one_line(line), file=sys.stderr, flush=True)


def complain(name: str, message: str) -> None:
    """Print an error message of a program, which ends with a period."""
    note(f"{name}: {sentence(message)}")


def one_line(text: str) -> str:
    """Return a text with unprintable characters escaped, so that it stays on one line: file names may be any bytes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def program(name: str, main: Callable[[], int | None]) -> NoReturn:
    """Run a program and exit with its return code; exit with 1 and one line if its output cannot be written.

    Under mpiexec, only the first rank prints.
    """
    try:
        world()
    except TinygradError as error:
        complain(name, str(error))
        _leave(2)
    for stream in (sys.stdout, sys.stderr):
        if stream:
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = main() or 0
    except SystemExit as stop:  # raised by argparse
        code = int(stop.code or 0)
    except OSError as error:
        complain(name, error.strerror or str(error))
        mpi.abort(1)
        _leave(1)  # inside the handler: objects that the error keeps alive might wait for other ranks
    mpi.leave()
    _leave(code)


def _leave(code: int) -> NoReturn:
    """Exit without the interpreter's shutdown, which prints tracebacks after a signal or on a closed pipe."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, AttributeError):  # closed, full, or None
            stream.flush()
    os._exit(code)
