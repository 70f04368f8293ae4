"""Executors by their names: processes of this machine, MPI's ranks, Dask's and Ray's workers.

What they start here listens on the loopback address alone.
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

from models import SIGNALS, stopping
from tinygrad_edu.errors import MissingExtraError
from tinygrad_edu.parallel import available_cores

__all__ = ["EXECUTORS", "Workers", "pool_of_processes"]

LOOPBACK = "127.0.0.1"


class Workers(NamedTuple):
    """Whoever runs trials.

    Attributes
    ----------
    executor : callable
        Returns a `concurrent.futures.Executor`.
    at_once : int
        How many trials run at a time.
    """

    executor: Callable[[], Executor]
    at_once: int


def pool_of_processes(count: int) -> ProcessPoolExecutor:
    """Return an executor of processes that end when this one does."""
    _begin_tracker()
    return _Pool(count, multiprocessing.get_context("spawn"), initializer=_begin_worker)


class _Pool(ProcessPoolExecutor):
    """A pool that no signal meets while it begins a process: one that is told half of what to do says so at length."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        with _signals_held_back():
            return super().submit(fn, *args, **kwargs)


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait inside, for this thread and for the processes that it begins.

    In the main thread they are noted, too: what is blocked here alone, another thread takes, as those of BLAS do.
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
    """Begin the process that clears away what a pool leaves, and let it do so without a word: a signal leaves much."""
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
    """Let this process end when the one that started it does, however that ends, and leave Ctrl-C to that one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # which the pool blocked
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()


@contextmanager
def processes(jobs: int | None, address: str | None) -> Iterator[Workers]:
    """Threads that each wait for a process at a time: the trials themselves are processes, and end with this one."""
    count = jobs or available_cores()
    yield Workers(lambda: ThreadPoolExecutor(count), count)


@contextmanager
def mpi(jobs: int | None, address: str | None) -> Iterator[Workers | None]:
    """All ranks of an MPI job but the first, which is given them; the others are given None when all is done."""
    if jobs:
        raise ValueError("MPI's ranks are as many as mpiexec -n says: leave out --jobs")
    # A signal reaches all ranks; the first alone knows what is to be saved before the end.
    with stopping.noted(), _imported("mpi4py.futures", "mpi").MPICommExecutor() as executor:
        yield executor and Workers(lambda: executor, executor.num_workers)


@contextmanager
def dask(jobs: int | None, address: str | None) -> Iterator[Workers]:
    """Dask's workers: those of the scheduler at an address, or new ones on this machine."""
    distributed = _imported("distributed", "dask")

    def local() -> Any:
        served = {"dashboard": False, "dashboard_address": f"{LOOPBACK}:0"}  # it answers whether it is well, no more
        return distributed.LocalCluster(
            n_workers=jobs or available_cores(), threads_per_worker=1, host=LOOPBACK, scheduler_kwargs=served,
            silence_logs=logging.CRITICAL,  # what fails is told by who asked for it
        )  # fmt: skip

    with distributed.Client(address or local()) as client:
        yield Workers(client.get_executor, sum(client.nthreads().values()))
        if client.cluster:
            client.cluster.close()


@contextmanager
def ray(jobs: int | None, address: str | None) -> Iterator[Workers]:
    """Ray's workers: those of the cluster at an address, or new ones on this machine."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # or it reports to its makers
    if not address:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # as there, it then stays on the loopback address
    ray = _imported("ray", "ray")
    here = {} if address else {"num_cpus": jobs or available_cores(), "_node_ip_address": LOOPBACK}
    ray.init(address, include_dashboard=False, log_to_driver=False, logging_level="ERROR", **here)
    try:
        yield Workers(RayExecutor, int(ray.cluster_resources().get("CPU", 1)))
    finally:
        ray.shutdown()


class RayExecutor(Executor):
    """Ray, which has no executor of its own: each call is a task on one of its processors."""

    def __init__(self) -> None:
        self._called = _imported("ray", "ray").remote(_called)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Begin a call, and return what will come of it."""
        future: Future[Any] = Future()

        def hand_over(task: Future[Any]) -> None:
            if future.cancelled():
                return
            if error := task.exception():
                own = getattr(error, "cause", None) or error  # Ray's own has the traceback for its message
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


def _imported(module: str, extra: str) -> Any:
    """Return a module that an extra brings."""
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"this executor needs {error.name}, which is not installed: pip install 'tinygrad-edu[{extra}]'"
        ) from error
