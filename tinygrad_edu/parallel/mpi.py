"""The workers that mpiexec starts, on one machine or many: MPI carries what they tell each other."""

import atexit
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache
from types import TracebackType
from typing import Any

from numpy import ndarray

from tinygrad_edu.errors import ForkedError, LostWorkerError, MissingExtraError
from tinygrad_edu.parallel.blas import available_cores
from tinygrad_edu.parallel.workers import ALONE, Computed, Workers, gather

__all__ = ["abort", "finalize", "without_mpi", "world"]

# Who starts ranks sets one of them: the mpiexec of MPICH and of Intel, that of Open MPI, srun of Slurm.
RANK = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")
OF_RANKS = ("PMI_", "PMIX_", "MPI_LOCAL", "HYDI_", "HYDRA_", "OMPI_", "OPAL_", "PRTE_")

SURVIVES = "OMPI_MCA_mpi_ft_enable"  # by Open MPI's mpiexec --with-ft ulfm


def without_mpi(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what makes a process take itself for a rank."""
    return {name: value for name, value in environment.items() if not name.startswith(OF_RANKS)}


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

        mpi4py.rc.finalize = False  # `leave` does, and not in a forked process
        from mpi4py import MPI
    except ImportError as error:
        raise MissingExtraError(
            "mpiexec started this process, and several need mpi4py: pip install 'tinygrad-edu[mpi]'"
        ) from error
    survives = SURVIVES in os.environ
    for name in os.environ.keys() - without_mpi(os.environ).keys():
        del os.environ[name]
    if MPI.COMM_WORLD.size == 1:
        return ALONE
    workers = _MPIWorkers(MPI, survives)
    sys.excepthook = _abort_with_traceback
    atexit.register(workers.leave)
    return workers


def _be_alone() -> None:
    """Forget, in a forked process, that the one that forked is a rank."""
    world.cache_clear()
    if sys.excepthook is _abort_with_traceback:
        sys.excepthook = sys.__excepthook__


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_be_alone)


class _MPIWorkers:
    """The processes of MPI's world; where MPI survives the death of a rank, those that are left."""

    def __init__(self, mpi: Any, survives: bool) -> None:
        self._mpi, self._survives, self._process = mpi, survives, os.getpid()
        self._begin(mpi.COMM_WORLD)
        self.lost = self._left = False  # whether any rank is, and whether this one has come to its end
        self._done = 0  # how often all came together
        self._last: Any = None  # and what came of the last time
        self._stale: list[Any] = []  # messages that nobody will send any more, with the memory that waits for them
        self.threads = 1
        cores = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
        here = (mpi.Get_processor_name(), cores)
        self.threads = max(available_cores() // Counter(gather(self, here))[here], 1)

    def _begin(self, comm: Any) -> None:
        self._comm, self.rank, self.size = comm, comm.rank, comm.size

    def exchange(self, sent: Mapping[int, ndarray], received: Mapping[int, ndarray]) -> None:
        """Send bytes to others, and take in as many as there is room for."""
        if self._process != os.getpid():
            raise ForkedError("a forked process is none of the workers: let it compute alone, or start it by mpiexec.")
        waiting = []
        try:
            waiting += [self._comm.Irecv([room, self._mpi.BYTE], source=rank) for rank, room in received.items()]
            waiting += [self._comm.Isend([content, self._mpi.BYTE], dest=rank) for rank, content in sent.items()]
            self._mpi.Request.Waitall(waiting)
        except self._mpi.Exception as error:
            if not self._survives or error.Get_error_class() not in (self._mpi.ERR_PROC_FAILED, self._mpi.ERR_REVOKED):
                raise
            self._stale.append((waiting, sent, received))
            self._comm.Revoke()  # so that those who wait for others than the lost one hear of it
            raise LostWorkerError(f"a worker of {self.size} is lost") from error

    def together(self, compute: Callable[[], Computed]) -> Computed:
        """Return what all compute together; where some of them are lost, those that are left compute it."""
        while True:
            try:
                result = compute()
                break
            except LostWorkerError:
                if known := self._go_on():
                    (result,) = known
                    break
        self._done += 1
        if self._survives:
            self._last = deepcopy(result)  # the caller may write into it
        return result

    def _go_on(self) -> tuple[Any] | None:
        """Leave out who is lost. Return what was to be computed, if another worker has got it already."""
        self.lost = True
        while True:
            try:
                self._begin(self._comm.Shrink())
                done = gather(self, self._done)
                first = done.index(max(done))
                last = gather(self, self._last if self.rank == first else None)[first]
                return (last,) if self._done < max(done) else None
            except LostWorkerError:  # one more
                continue

    def leave(self) -> None:
        """Wait until all come to their end, and end MPI."""
        if self._left or self._process != os.getpid():
            return
        self._left = True
        if self._survives:
            self.together(lambda: gather(self, None))
        else:
            self._wait_for_all()
        if not self.lost:  # Open MPI's may wait for them for ever
            self._mpi.Finalize()

    def _wait_for_all(self) -> None:
        """Wait for the others; who is told anything meanwhile has left them in the middle."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # they may be saving
        all_here = self._comm.Ibarrier()
        while not all_here.Test():
            if self._comm.Iprobe():
                print(
                    f"Rank {self.rank} of {self.size} has ended, and another still waits for it.", file=sys.__stderr__
                )
                abort(1)
            time.sleep(0.01)  # who waits for one that still works leaves it the core


def finalize() -> None:
    """Wait until all ranks come to their end, where there are several; afterwards this one may exit."""
    workers = world()
    if isinstance(workers, _MPIWorkers):
        workers.leave()


def abort(code: int) -> None:
    """End all ranks, where there are several, at once."""
    if isinstance(world(), _MPIWorkers):
        from mpi4py import MPI

        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                stream.flush()
        MPI.COMM_WORLD.Abort(code)
        os._exit(code)  # MPICH's comes back, and ends the process a little later


def _abort_with_traceback(kind: type[BaseException], error: BaseException, place: TracebackType | None) -> None:
    # Python's own streams: those of sys may be those of a rank that is not to be heard.
    print(f"On rank {world().rank} of {world().size}:", file=sys.__stderr__)
    traceback.print_exception(kind, error, place, file=sys.__stderr__)
    abort(130 if kind is KeyboardInterrupt else 1)
