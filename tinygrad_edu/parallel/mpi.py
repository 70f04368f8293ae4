"""Workers started by mpiexec, which communicate by MPI."""

from __future__ import annotations

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

from tinygrad_edu.errors import ForkedError, LostWorkerError
from tinygrad_edu.errors.extras import missing_extra
from tinygrad_edu.parallel.workers import ALONE, Computed, Workers, allgather, allreduce_any
from tinygrad_edu.shared.speed.blas import allowed_threads, available_cores

__all__ = ["abort", "leave", "without_mpi", "world"]

# A launcher sets one of these variables: mpiexec of MPICH, Intel or Open MPI, or srun of Slurm.
RANK = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")
MPI_PREFIXES = ("PMI_", "PMIX_", "MPI_LOCAL", "HYDI_", "HYDRA_", "OMPI_", "OPAL_", "PRTE_")

POLL_SECONDS = 5e-5  # seconds
FAULT_TOLERANCE = "OMPI_MCA_mpi_ft_enable"  # set by Open MPI's mpiexec --with-ft ulfm


def without_mpi(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the variables that make a process a rank."""
    return {name: value for name, value in environment.items() if not name.startswith(MPI_PREFIXES)}


@cache
def world() -> Workers:
    """Return the processes that mpiexec started, or only this one.

    An uncaught error in one process prints its traceback and ends all of them, because the others would wait for it
    forever. They also end if one process exits while another waits for it. Child processes are not workers.

    Raises
    ------
    MissingExtraError
        mpiexec started this process, but mpi4py or an MPI library is not installed.

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

        mpi4py.rc.finalize = False  # `leave` calls it, except in a forked process
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # mpi4py raises RuntimeError if it finds no MPI library
        raise missing_extra("mpiexec started this process, which requires mpi4py and an MPI library", "mpi") from error
    fault_tolerant = FAULT_TOLERANCE in os.environ
    for name in os.environ.keys() - without_mpi(os.environ).keys():
        del os.environ[name]
    if MPI.COMM_WORLD.size == 1:
        return ALONE
    workers = _MPIWorkers(MPI, fault_tolerant)
    sys.excepthook = _abort_with_traceback
    atexit.register(workers.leave)
    return workers


def _reset_after_fork() -> None:
    """Make a forked process a single worker: its parent is the rank."""
    world.cache_clear()
    if sys.excepthook is _abort_with_traceback:
        sys.excepthook = sys.__excepthook__


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)


class _MPIWorkers:
    """The processes of MPI's world. If MPI survives the death of a rank, the others continue."""

    def __init__(self, mpi: Any, fault_tolerant: bool) -> None:
        self._mpi, self._fault_tolerant, self._process = mpi, fault_tolerant, os.getpid()
        self._set_comm(mpi.COMM_WORLD)
        self._has_lost_rank = False
        self._barrier: Any = None
        self._num_collectives = 0
        self._last_result: Any = None  # of the last collective
        self._abandoned: list[Any] = []  # requests that will never complete, with their buffers
        self.threads, self._oversubscribed = 1, False
        cores = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
        location = (mpi.Get_processor_name(), cores)
        num_sharing = Counter(self.collective(lambda: allgather(self, location)))[location]
        self._oversubscribed = num_sharing > available_cores()
        self.threads = allowed_threads(max(available_cores() // num_sharing, 1))

    def _set_comm(self, comm: Any) -> None:
        self._comm, self.rank, self.size = comm, comm.rank, comm.size

    def exchange(self, sent: Mapping[int, ndarray], received: Mapping[int, ndarray]) -> None:
        """Send bytes to other ranks, and fill the buffers of the bytes received."""
        if self._process != os.getpid():
            raise ForkedError("a forked process is not a worker. Compute without workers, or start it with mpiexec.")
        requests = []
        try:
            requests += [self._comm.Irecv([buffer, self._mpi.BYTE], source=rank) for rank, buffer in received.items()]
            requests += [self._comm.Isend([content, self._mpi.BYTE], dest=rank) for rank, content in sent.items()]
            while self._oversubscribed and not self._mpi.Request.Testall(requests):
                time.sleep(POLL_SECONDS)  # MPICH waits by polling, which would occupy the core
            self._mpi.Request.Waitall(requests)
        except self._mpi.Exception as error:
            if not self._is_rank_failure(error):
                raise
            self._abandoned.append((requests, sent, received))
            self._comm.Revoke()  # notifies ranks that wait for a rank other than the lost one
            raise LostWorkerError(f"one of {self.size} workers is lost.") from error

    def _is_rank_failure(self, error: Any) -> bool:
        failures = ("ERR_PROC_FAILED", "ERR_REVOKED", "ERR_IN_STATUS")  # the last if one of several messages is lost
        return self._fault_tolerant and error.Get_error_class() in [getattr(self._mpi, name) for name in failures]

    def collective(self, compute: Callable[[], Computed]) -> Computed:
        """Run a function of collective operations on all ranks; if ranks are lost, repeat it on the remaining ranks."""
        while True:
            try:
                if self._fault_tolerant:
                    allreduce_any(self, False)  # wait until all ranks have the last result, as `_recover` assumes
                result = compute()
                break
            except LostWorkerError:
                if recovered := self._recover():
                    (result,) = recovered
                    break
        self._num_collectives += 1
        if self._fault_tolerant:
            self._last_result = deepcopy(result)  # the caller may write into it
        return result

    def _recover(self) -> tuple[Any] | None:
        """Exclude lost ranks. Return the result of the collective if another rank has it already."""
        self._has_lost_rank, self._barrier = True, None
        while True:
            try:
                self._set_comm(self._comm.Shrink())
                counts = allgather(self, self._num_collectives)
                first = counts.index(max(counts))
                last = allgather(self, self._last_result if self.rank == first else None)[first]
                return (last,) if self._num_collectives < max(counts) else None
            except LostWorkerError:  # another rank was lost
                continue

    def _all_done(self) -> bool:
        try:
            self._barrier = self._barrier or self._comm.Ibarrier()
            return bool(self._barrier.Test())
        except self._mpi.Exception as error:
            if not self._is_rank_failure(error):
                raise
            self._has_lost_rank, self._barrier = True, None
            self._set_comm(self._comm.Shrink())
            return False

    def leave(self) -> None:
        """Wait until all ranks are done, and finalize MPI. Abort if a message shows that a rank still waits."""
        if self._process != os.getpid() or self._mpi.Is_finalized():
            return
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # others may be saving
        while not self._all_done():
            if self._comm.Iprobe():
                message = f"Rank {self.rank} of {self.size} has ended, but another rank still waits for it."
                print(message, file=sys.__stderr__)
                _abort_all(1)
            time.sleep(0.01)  # leave the core to a rank that still computes
        if not self._has_lost_rank:
            self._mpi.Finalize()  # Open MPI may wait for a lost rank forever


def leave() -> None:
    """Wait until all ranks are done, if there are several. This process may then exit."""
    workers = world()
    if isinstance(workers, _MPIWorkers):
        workers.leave()


def abort(code: int) -> None:
    """End all ranks immediately, if there are several."""
    if isinstance(world(), _MPIWorkers):
        _abort_all(code)


def _abort_with_traceback(kind: type[BaseException], error: BaseException, tb: TracebackType | None) -> None:
    workers = world()
    lines = traceback.format_exception(kind, error, tb)
    print(f"On rank {workers.rank} of {workers.size}:\n{''.join(lines)}", end="", file=sys.__stderr__)
    _abort_all(130 if kind is KeyboardInterrupt else 1)


def _abort_all(code: int) -> None:
    from mpi4py import MPI

    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            stream.flush()
    time.sleep(0.5)  # mpiexec loses unread output when it ends the ranks
    MPI.COMM_WORLD.Abort(code)
    os._exit(code)  # MPICH's Abort returns, and ends the process a little later
