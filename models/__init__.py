"""Programs over tinygrad_edu: one file per model, each run as ``python -m models.NAME``. Ctrl-C ends each at once."""

import os
import sys

PROGRAM = os.getpid()
STOPPED = 130  # the exit code: what shells report after Ctrl-C
# Whether mpiexec started no other process before this one: each of its launchers sets one of these.
FIRST = all(os.environ.get(name, "0") == "0" for name in ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK"))


def end(number: int = 0, frame: object = None) -> None:
    """End the program with one line. This is what a signal does until `models.stopping` says otherwise."""
    try:
        if FIRST and os.getpid() == PROGRAM and sys.stderr:  # the processes that it forked say nothing
            os.write(2, b"stopped\n")
        if os.getpid() == PROGRAM and (processes := sys.modules.get("multiprocessing")):
            for process in processes.active_children():
                process.kill()  # or one that has just begun would say what it misses
    finally:
        os._exit(STOPPED)


# It reads so only while Python looks for the program that it was told to run: no code of ours can be earlier.
_starting = sys.argv[:1] == ["-m"]
try:
    import signal

    SIGNALS = (signal.SIGINT, signal.SIGTERM)
    for _number in SIGNALS:
        if _starting and signal.getsignal(_number) is not signal.SIG_IGN:  # what nohup and scripts ask for
            signal.signal(_number, end)
except KeyboardInterrupt:
    if _starting:
        end()
    raise
