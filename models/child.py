"""A program as a second process: it ends with the process that started it, however that ends, and has its own cores."""

import os
import runpy
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

from tinygrad_edu.parallel.mpi import without_mpi

__all__ = ["begin", "call"]

BEGIN = "from models.child import begin; begin()"


def call(module: str, arguments: Sequence[str], log: Path, cores: int) -> int:
    """Run ``python -m module`` to its end, and return its exit code: less than 0 is the signal that killed it.

    Parameters
    ----------
    module : str
    arguments : sequence of str
        Its command line.
    log : Path
        Takes all that it says.
    cores : int
        How many it may use.
    """
    environment = without_mpi(os.environ) | {"OMP_NUM_THREADS": str(cores)}
    command = [sys.executable, "-c", BEGIN, module, *arguments]
    with (
        log.open("wb") as said,
        # A session of its own: Ctrl-C in a terminal is for the one who began all this.
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=said, stderr=said, env=environment, start_new_session=True
        ) as process,
    ):
        return process.wait()


def begin() -> None:
    """Run the module that the command line names, in a process that `call` started."""

    def watch() -> None:
        os.read(0, 1)  # nothing is ever written: it returns when the other end of the pipe is no more
        os._exit(1)

    Thread(target=watch, daemon=True).start()
    module = sys.argv.pop(1)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
