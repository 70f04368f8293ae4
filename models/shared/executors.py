"""Executors by name: local processes, MPI ranks, Dask workers and Ray workers.

Servers started here listen only on the loopback address.
"""

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from multiprocessing import connection, parent_process, resource_tracker
from threading import Thread, current_thread, main_thread
from typing import Any, NamedTuple

from models import SIGNALS
from models.shared import stopping
from models.shared.groups import missing_group
from tinygrad_edu.errors import MissingExtraError
from tinygrad_edu.errors.extras import missing_extra
from tinygrad_edu.parallel import available_cores

__all__ = ["EXECUTORS", "Workers", "pool_of_processes"]

LOOPBACK = "127.0.0.1"


class Workers(NamedTuple):
    """An executor for trials.

    Attributes
    ----------
    executor : callable
        Returns the `concurrent.futures.Executor`.
    at_once : int
        Number of trials that run at a time.
    """

    executor: Callable[[], Executor]
    at_once: int


def pool_of_processes(count: int) -> ProcessPoolExecutor:
    """Return an executor of processes that end when this process ends."""
    _begin_tracker()
    return _Pool(count, multiprocessing.get_context("spawn"), initializer=_begin_worker)


class _Pool(ProcessPoolExecutor):
    """Process pool that blocks signals while it starts a process: a half-initialized process would print tracebacks."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        with _signals_held_back():
            return super().submit(fn, *args, **kwargs)


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Delay Ctrl-C and SIGTERM inside the context, for this thread and the processes that it starts.

    The main thread also records them, since a signal that is blocked here can reach another thread, such as BLAS's.
    """
    came: list[int] = []
    main = current_thread() is main_thread()
    before = {number: signal.getsignal(number) for number in SIGNALS if main}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS) if hasattr(signal, "pthread_sigmask") else None
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, lambda number, frame: came.append(number))
        yield
    finally:
        if blocked is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in before.items():
            signal.signal(number, handler)
        for noted in came:
            signal.raise_signal(noted)


def _begin_tracker() -> None:
    """Start multiprocessing's resource tracker without its warnings: a signal makes the pool leave resources behind."""
    before, name = os.environ.get("PYTHONWARNINGS"), "PYTHONWARNINGS"
    os.environ[name] = "ignore::UserWarning:multiprocessing.resource_tracker"
    try:
        resource_tracker.ensure_running()
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _begin_worker() -> None:
    """End this process when its parent ends or is killed, and leave Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # blocked by the pool
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()


@contextmanager
def processes(jobs: int | None, address: str | None) -> Iterator[Workers]:
    """Yield threads that each run one trial at a time: the trial itself starts a process, which ends with this one."""
    count = jobs or available_cores()
    yield Workers(lambda: ThreadPoolExecutor(count), count)


@contextmanager
def mpi(jobs: int | None, address: str | None) -> Iterator[Workers | None]:
    """Yield all MPI ranks except the first, on the first rank; yield None on the others once all trials are done."""
    if jobs:
        raise ValueError("--jobs cannot be used with MPI: mpiexec -n sets the number of ranks.")
    # A signal reaches all ranks, but only the first has results to save.
    with stopping.noted(), _imported("mpi4py.futures", missing_extra, "mpi").MPICommExecutor() as executor:
        yield executor and Workers(lambda: executor, executor.num_workers)


@contextmanager
def dask(jobs: int | None, address: str | None) -> Iterator[Workers]:
    """Yield Dask workers: of the scheduler at an address, or new ones on this machine."""
    distributed = _imported("distributed", missing_group, "dask")

    def local() -> Any:
        served = {"dashboard": False, "dashboard_address": f"{LOOPBACK}:0"}  # serves only health checks
        return distributed.LocalCluster(
            n_workers=jobs or available_cores(), threads_per_worker=1, host=LOOPBACK, scheduler_kwargs=served,
            silence_logs=logging.CRITICAL,  # the caller reports failures
        )  # fmt: skip

    with distributed.Client(address or local()) as client:
        yield Workers(client.get_executor, sum(client.nthreads().values()))
        if client.cluster:
            client.cluster.close()


@contextmanager
def ray(jobs: int | None, address: str | None) -> Iterator[Workers]:
    """Yield Ray workers: of the cluster at an address, or new ones on this machine."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no usage reports to Ray's developers
    if not address:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # keeps Ray on the loopback address, as on macOS
    ray = _imported("ray", missing_group, "ray")
    here = {} if address else {"num_cpus": jobs or available_cores(), "_node_ip_address": LOOPBACK}
    ray.init(address, include_dashboard=False, log_to_driver=False, logging_level="ERROR", **here)
    try:
        yield Workers(RayExecutor, int(ray.cluster_resources().get("CPU", 1)))
    finally:
        ray.shutdown()


class RayExecutor(Executor):
    """Executor that runs each call as a Ray task on one CPU; Ray itself has no executor."""

    def __init__(self) -> None:
        self._called = _imported("ray", missing_group, "ray").remote(_called)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Start a call, and return its future."""
        future: Future[Any] = Future()

        def hand_over(task: Future[Any]) -> None:
            if future.cancelled():
                return
            if error := task.exception():
                own = getattr(error, "cause", None) or error  # the message of Ray's error is a traceback
                own.__cause__ = error if own is not error else None
                future.set_exception(own)
            else:
                future.set_result(task.result())

        self._called.remote(fn, args, kwargs).future().add_done_callback(hand_over)
        return future


def _called(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return fn(*args, **kwargs)


EXECUTORS: Mapping[str, Callable[[int | None, str | None], AbstractContextManager[Workers | None]]] = {
    "processes": processes, "mpi": mpi, "dask": dask, "ray": ray,
}  # fmt: skip


def _imported(module: str, missing: Callable[[str, str], MissingExtraError], name: str) -> Any:
    """Import a module of an optional dependency; `missing` makes the error that names its extra or group."""
    try:
        return import_module(module)
    except ImportError as error:
        raise missing(f"this executor requires {error.name}, which is not installed", name) from error
