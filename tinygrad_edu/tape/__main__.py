"""``python -m tinygrad_edu.tape SCRIPT.py``: run a script until its first backward pass ends, and show its tape."""

import argparse
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from tinygrad_edu.engine import Node, PassObserver
from tinygrad_edu.engine.modes import Mode
from tinygrad_edu.errors import DataError
from tinygrad_edu.shared.display.command_line import Parser
from tinygrad_edu.shared.files import reason, write_result
from tinygrad_edu.tape.naming import named_tensors
from tinygrad_edu.tape.player import page_text
from tinygrad_edu.tape.text import Tape
from tinygrad_edu.tape.walking import RecordedWalk, Recording, Walk

_PACKAGE = os.path.dirname(os.path.dirname(__file__))


class _Walked(BaseException):
    """Raised when the requested backward pass has ended. A BaseException, so that the script does not catch it."""


class _UpToAWalk(Recording):
    """Records only the backward pass with a given number, counted from 1."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number, self.begun = number, 0

    def on_backward(self, gradients: dict[Node, Any]) -> PassObserver:
        self.begun += 1
        if self.begun < self.number:
            self.values.clear()
            return PassObserver()
        if self.begun > self.number:  # inside of the requested pass, by a checkpoint
            return super().on_backward(gradients)
        return _TheWalk(self.begin_walk(), gradients)


class _TheWalk(RecordedWalk):
    def end(self, gradients: dict[Node, Any]) -> None:
        super().end(gradients)
        raise _Walked


def _run(
    script: str, source: bytes, arguments: list[str], number: int
) -> tuple[Walk | None, dict[str, Any], BaseException | None]:
    """Run a script until a backward pass ends. Return the pass, the variables, and the error that ended the script."""
    recording, main, error = _UpToAWalk(number), ModuleType("__main__"), None
    main.__file__ = script
    sys.argv[:] = [script, *arguments]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    sys.modules["__main__"] = main
    names = dict[str, Any]()
    try:
        with Mode(observer=recording):
            exec(compile(source, script, "exec"), vars(main))
    except BaseException as raised:
        names = _variables(raised.__traceback__)
        error = None if isinstance(raised, _Walked) else raised
    return recording.walks[0] if recording.walks else None, vars(main) | names, error


def _variables(trace: TracebackType | None) -> dict[str, Any]:
    """Return the variables of the script's frames. Variables of outer frames take precedence."""
    names: dict[str, Any] = {}
    for frame, _ in traceback.walk_tb(trace):
        if not frame.f_code.co_filename.startswith((_PACKAGE, "<")):
            names = {**frame.f_locals, **names}
    return names


def _main() -> None:
    """Read the command line, run the script, and show the tape."""
    parser = Parser("python -m tinygrad_edu.tape", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--page", metavar="FILE", help="write the tape to an HTML page instead of printing it")
    parser.add_argument("--steps", action="store_true", help="also print each call of a vjp")
    parser.add_argument(
        "--fold", type=_at_least_1, default=0, metavar="DEPTH", help="show one line for each module of this depth"
    )
    parser.add_argument(
        "--walk", type=_at_least_1, default=1, metavar="N", help="show the N-th backward pass (default: 1)"
    )
    parser.add_argument("script")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="arguments of the script")
    options = parser.parse_args()
    try:
        source = Path(options.script).read_bytes()
    except OSError as problem:
        parser.error(f"cannot read {options.script}: {reason(problem)}.")
    walk, names, error = _run(options.script, source, options.arguments, options.walk)
    if walk is not None:
        names = {name: value for name, value in names.items() if not name.startswith("_")}
        try:
            _show(walk, Tape(walk.rows, named_tensors(names), walk), options)
        except DataError as problem:
            parser.error(str(problem))
    if error is not None:
        _end(error)
    if walk is None:
        parser.exit(1, f"{options.script} ended before backward pass number {options.walk}; there is no tape.\n")


def _at_least_1(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"must be an integer >= 1, got {text!r}.")
    return int(text)


def _end(error: BaseException) -> None:
    """End as the script would, without this module's frames in the traceback."""
    if not isinstance(error, Exception):
        raise error
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    traceback.print_exception(error.with_traceback(trace))
    sys.exit(1)


def _show(walk: Walk, tape: Tape, options: argparse.Namespace) -> None:
    """Print a tape, or write it to a page."""
    if options.page:
        write_result("the page", options.page, page_text(walk, tape, os.path.basename(options.script)).encode())
        print(f"wrote {options.page}")
        return
    print(tape.table(options.fold))
    if options.steps:
        print(f"\n{walk!r}")


if __name__ == "__main__":
    _main()
