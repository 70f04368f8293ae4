"""The workers that mpiexec starts, on one machine or many: MPI carries what they tell each other."""

import os
import sys
import traceback
from collections import Counter
from collections.abc import Mapping
from functools import cache
from types import TracebackType
from typing import Any

from numpy import ndarray

from tinygrad_edu.errors import ForkedError, MissingExtraError
from tinygrad_edu.parallel.blas import allowed_threads, available_cores
from tinygrad_edu.parallel.workers import ALONE, Workers, gather

__all__ = ["abort", "finalize", "without_mpi", "world"]

# Who starts ranks sets one of them: the mpiexec of MPICH and of Intel, that of Open MPI, srun of Slurm.
RANK = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")
OF_RANKS = ("PMI_", "PMIX_", "MPI_LOCAL", "HYDI_", "HYDRA_", "OMPI_", "OPAL_", "PRTE_")


def without_mpi(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what makes a process take itself for a rank."""
    return {name: value for name, value in environment.items() if not name.startswith(OF_RANKS)}


@cache
def world() -> Workers:
    """Return the processes that mpiexec started, or this one alone.

    An error that nobody catches in one of them ends them all, with its traceback: the others would wait for it for
    ever. From here on, the processes that this one starts are no ranks.

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
        from mpi4py import MPI
    except ImportError as error:
        raise MissingExtraError(
            "mpiexec started this process, and several need mpi4py: pip install 'tinygrad-edu[mpi]'"
        ) from error
    for name in os.environ.keys() - without_mpi(os.environ).keys():
        del os.environ[name]
    if MPI.COMM_WORLD.size == 1:
        return ALONE
    sys.excepthook = _abort_with_traceback
    return _MPIWorkers(MPI)


class _MPIWorkers:
    """The processes of MPI's world."""

    def __init__(self, mpi: Any) -> None:
        self._mpi, self._comm, self._process = mpi, mpi.COMM_WORLD, os.getpid()
        self.rank, self.size = self._comm.rank, self._comm.size
        self.threads = 1
        cores = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
        here = (mpi.Get_processor_name(), cores)
        self.threads = allowed_threads(max(available_cores() // Counter(gather(self, here))[here], 1))

    def exchange(self, sent: Mapping[int, ndarray], received: Mapping[int, ndarray]) -> None:
        """Send bytes to others, and take in as many as there is room for."""
        if self._process != os.getpid():
            raise ForkedError("a forked process is none of the workers: let it compute alone, or start it by mpiexec.")
        waiting = [self._comm.Irecv([room, self._mpi.BYTE], source=rank) for rank, room in received.items()]
        waiting += [self._comm.Isend([content, self._mpi.BYTE], dest=rank) for rank, content in sent.items()]
        self._mpi.Request.Waitall(waiting)


def finalize() -> None:
    """Wait until all ranks come to their end, where there are several; afterwards this one may exit."""
    if world().size > 1:
        from mpi4py import MPI

        if not MPI.Is_finalized():
            MPI.Finalize()


def abort(code: int) -> None:
    """End all ranks, where there are several, at once."""
    if world().size > 1:
        from mpi4py import MPI

        MPI.COMM_WORLD.Abort(code)


def _abort_with_traceback(kind: type[BaseException], error: BaseException, place: TracebackType | None) -> None:
    # Python's own streams: those of sys may be those of a rank that is not to be heard.
    print(f"On rank {world().rank} of {world().size}:", file=sys.__stderr__)
    traceback.print_exception(kind, error, place, file=sys.__stderr__)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            stream.flush()
    abort(130 if kind is KeyboardInterrupt else 1)
