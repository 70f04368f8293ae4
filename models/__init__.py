"""Programs that use tinygrad_edu, one file per model: ``python -m models.NAME``. Ctrl-C ends a program at once."""

import os
import sys

PROGRAM = os.getpid()
STOPPED = 130  # exit code that shells report after Ctrl-C
# True unless mpiexec started this process with a rank above 0; each launcher sets one of these variables.
FIRST = all(os.environ.get(name, "0") == "0" for name in ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK"))


def end(number: int = 0, frame: object = None) -> None:
    """End the program with one line: the signal handler until `models.shared.stopping` installs its own."""
    try:
        if FIRST and os.getpid() == PROGRAM and sys.stderr:  # forked processes print nothing
            os.write(2, b"stopped\n")
        if os.getpid() == PROGRAM and (processes := sys.modules.get("multiprocessing")):
            for process in processes.active_children():
                process.kill()  # a process that has just started would print a traceback
    finally:
        os._exit(STOPPED)


# sys.argv starts with "-m" only while Python looks for the module to run: no code of ours can run earlier.
_starting = sys.argv[:1] == ["-m"]
try:
    import signal

    SIGNALS = (signal.SIGINT, signal.SIGTERM)
    for _number in SIGNALS:
        if _starting and signal.getsignal(_number) is not signal.SIG_IGN:  # nohup and scripts ignore signals
            signal.signal(_number, end)
except KeyboardInterrupt:
    if _starting:
        end()
    raise
