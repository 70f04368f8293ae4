"""What a program tells its user: an exit code and single lines, and no traceback where nobody can read them."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from models import SIGNALS
from tinygrad_edu.errors import TinygradError
from tinygrad_edu.parallel import mpi, world


def is_heard() -> bool:
    """Whether this process speaks: of the ranks that mpiexec started, the first does, of those that are left."""
    try:
        return not world().rank
    except TinygradError:  # they train alone, then, and each says so
        return True


def say(line: str) -> None:
    """Print one line. Where nobody can read it, what it tells of is done all the same."""
    with suppress(OSError):
        if is_heard():
            print(one_line(line), flush=True)


def note(line: str) -> None:
    """Print one line beside the output. Where nobody can read it, likewise."""
    with suppress(OSError):
        if is_heard():
            print(one_line(line), file=sys.stderr, flush=True)


def complain(name: str, message: str) -> None:
    """Note what went wrong in a program."""
    note(f"{name}: {message}")


def one_line(text: str) -> str:
    """Return a text with what would break the line escaped: names of files may be any bytes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def program(name: str, main: Callable[[], int | None]) -> NoReturn:
    """Run a program and exit with the code that it returns; where its output cannot be written, with one line and 1.

    Of the ranks that mpiexec started the first alone is heard.
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
    except SystemExit as stop:  # argparse's own
        code = int(stop.code or 0)
    except OSError as error:
        complain(name, error.strerror or str(error))
        mpi.abort(1)
        _leave(1)  # from in here: what the error keeps alive might wait for others
    mpi.leave()
    _leave(code)


def _leave(code: int) -> NoReturn:
    """Exit without the interpreter's shutdown, which a signal or a closed pipe would fill with tracebacks."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, AttributeError):  # closed, full, or not there
            stream.flush()
    os._exit(code)
