"""Run a program as a child process with its own number of cores. It ends when its parent ends or is killed."""

import os
import runpy
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

from tinygrad_edu.parallel.mpi import without_mpi

__all__ = ["begin", "call"]

BEGIN = "from models.shared.child import begin; begin()"


def call(module: str, arguments: Sequence[str], log: Path, cores: int) -> int:
    """Run ``python -m module`` to its end, and return its exit code; a negative code is minus the signal number.

    Parameters
    ----------
    module : str
    arguments : sequence of str
        Command line of the module.
    log : Path
        File that receives all output.
    cores : int
        Number of cores the program may use.
    """
    environment = without_mpi(os.environ) | {"OMP_NUM_THREADS": str(cores)}
    command = [sys.executable, "-c", BEGIN, module, *arguments]
    with (
        log.open("wb") as said,
        # A session of its own: Ctrl-C in a terminal reaches only the parent.
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=said, stderr=said, env=environment, start_new_session=True
        ) as process,
    ):
        return process.wait()


def begin() -> None:
    """Run the module named on the command line, in a process that `call` started."""

    def watch() -> None:
        os.read(0, 1)  # nothing is ever written: the call returns when the parent's end of the pipe is closed
        os._exit(1)

    Thread(target=watch, daemon=True).start()
    module = sys.argv.pop(1)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
