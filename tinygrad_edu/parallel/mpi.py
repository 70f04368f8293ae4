"""The workers that mpiexec starts, on one machine or many: MPI carries what they tell each other."""

import atexit
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from functools import cache
from types import TracebackType
from typing import Any

from numpy import ndarray

from tinygrad_edu.errors import ForkedError, MissingExtraError
from tinygrad_edu.parallel.blas import available_cores
from tinygrad_edu.parallel.workers import ALONE, Workers, gather

__all__ = ["world"]

# Who starts ranks sets one of them: the mpiexec of MPICH and of Intel, that of Open MPI, srun of Slurm.
RANK = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")
OF_A_RANK = ("PMI_", "PMIX_", "OMPI_", "PRTE_", "HYDI_", "HYDRA_", "MPI_LOCAL", "MPIR_")


@cache
def world() -> Workers:
    """Return the processes that mpiexec started, or this one alone.

    An error that nobody catches in one of them ends them all, with its traceback: the others would wait for it for
    ever. So does one that ends while another still waits for it. The processes that one starts or forks are alone.

    Raises
    ------
    MissingExtraError
        Where mpiexec started this process, and mpi4py is not installed.

    Examples
    --------
    >>> workers = world()
    >>> workers.rank, workers.size
    (0, 1)
    """
    if not any(name in os.environ for name in RANK):
        return ALONE
    try:
        import mpi4py

        mpi4py.rc.finalize = False  # `_leave` does, and not in a forked process
        from mpi4py import MPI
    except ImportError as error:
        raise MissingExtraError(
            "mpiexec started this process, and several need mpi4py: pip install 'tinygrad-edu[mpi]'"
        ) from error
    for name in [name for name in os.environ if name.startswith(OF_A_RANK)]:
        del os.environ[name]
    if MPI.COMM_WORLD.size == 1:
        return ALONE
    workers = _MPIWorkers(MPI)
    sys.excepthook = _abort
    atexit.register(workers.leave)
    return workers


def _be_alone() -> None:
    """Forget, in a forked process, that the one that forked is a rank."""
    world.cache_clear()
    if sys.excepthook is _abort:
        sys.excepthook = sys.__excepthook__


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_be_alone)


class _MPIWorkers:
    """The processes of MPI's world."""

    def __init__(self, mpi: Any) -> None:
        self._mpi, self._comm, self._process = mpi, mpi.COMM_WORLD, os.getpid()
        self.rank, self.size = self._comm.rank, self._comm.size
        self.threads = 1
        cores = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
        here = (mpi.Get_processor_name(), cores)
        self.threads = max(available_cores() // Counter(gather(self, here))[here], 1)

    def exchange(self, sent: Mapping[int, ndarray], received: Mapping[int, ndarray]) -> None:
        """Send bytes to others, and take in as many as there is room for."""
        if self._process != os.getpid():
            raise ForkedError("a forked process is none of the workers: let it compute alone, or start it by mpiexec.")
        waiting = [self._comm.Irecv([room, self._mpi.BYTE], source=rank) for rank, room in received.items()]
        waiting += [self._comm.Isend([content, self._mpi.BYTE], dest=rank) for rank, content in sent.items()]
        self._mpi.Request.Waitall(waiting)

    def leave(self) -> None:
        """Wait until all are done, and end MPI; who is told anything meanwhile has left others in the middle."""
        if self._process != os.getpid() or self._mpi.Is_finalized():
            return
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # others may be saving
        all_done = self._comm.Ibarrier()
        while not all_done.Test():
            if self._comm.Iprobe():
                print(
                    f"Rank {self.rank} of {self.size} has ended, and another still waits for it.", file=sys.__stderr__
                )
                _end_all(1)
            time.sleep(0.01)  # who waits for one that still works leaves it the core
        self._mpi.Finalize()


def _abort(kind: type[BaseException], error: BaseException, place: TracebackType | None) -> None:
    """Show the traceback of an error, and end all ranks."""
    from mpi4py import MPI

    # Python's own streams: those of sys may be those of a rank that says nothing.
    print(f"On rank {MPI.COMM_WORLD.rank} of {MPI.COMM_WORLD.size}:", file=sys.__stderr__)
    traceback.print_exception(kind, error, place, file=sys.__stderr__)
    _end_all(130 if kind is KeyboardInterrupt else 1)


def _end_all(code: int) -> None:
    from mpi4py import MPI

    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            stream.flush()
    MPI.COMM_WORLD.Abort(code)
    os._exit(code)  # MPICH's comes back, and ends the process a little later
