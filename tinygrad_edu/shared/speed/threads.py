"""Computation of shards, and of the parts of an op, on threads.

The number of threads does not change the results. NumPy releases the interpreter lock while it computes.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from contextvars import ContextVar, copy_context
from functools import cache, partial
from itertools import pairwise
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Generic, TypeVar

from tinygrad_edu.errors import ForkedError
from tinygrad_edu.errors.checks import integer
from tinygrad_edu.shared.speed.blas import allowed_threads, available_cores, blas_can_be_limited, single_threaded_blas

__all__ = ["even_slices", "map_ahead", "map_parts", "map_shards", "threads_of_shard"]

Item = TypeVar("Item")
Result = TypeVar("Result")

# The number of threads that the computation of a shard may use; None outside of shards.
_shard_threads: ContextVar[int | None] = ContextVar("_shard_threads", default=None)


@cache
def _helpers(threads: int) -> SimpleQueue[Callable[[], None]]:
    """Start a number of threads, and return the queue from which they take calls."""
    # Ctrl-C can leave a lock of a future locked; this queue has no locks in Python.
    calls: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def serve() -> None:
        try:
            while True:
                calls.get()()
        except ForkedError:  # in the child of a shard that forked, which has no caller to raise it to
            sys.__excepthook__(*sys.exc_info())
            os._exit(1)

    for _ in range(threads):
        Thread(target=serve, name="tinygrad_edu", daemon=True).start()
    return calls


if hasattr(os, "register_at_fork"):  # a forked process has none of these threads
    os.register_at_fork(after_in_child=_helpers.cache_clear)


def map_shards(function: Callable[[int], Result], count: int, threads: int | None = None) -> Iterator[Result]:
    """Apply `function` to the numbers of `count` shards, on several threads, and yield the results in order.

    Parameters
    ----------
    function : callable
        Takes the number of a shard. It runs in a copy of the caller's context, with the same gradient mode.
    count : int
    threads : int, optional
        Number of threads. Default: the number of cores.

    Raises
    ------
    MissingExtraError
        threadpoolctl is not installed.
    DTypeError, ValueError
        `threads` is not an integer, or less than 1.
    ForkedError
        The process was forked after the first result, and the threads with the other shards are in its parent.
    """
    num_threads = allowed_threads(available_cores()) if threads is None else integer("threads", threads, 1)
    return _map_single_threaded(function, range(count), num_threads)


def even_slices(count: int, parts: int) -> list[slice]:
    """Split `count` items into at most `parts` slices of nearly equal length, none of them empty."""
    bounds = [count * k // parts for k in range(parts + 1)]
    return [slice(start, end) for start, end in pairwise(bounds) if start < end]


def threads_of_shard() -> int | None:
    """Return the number of threads that this shard may use; None outside of shards, where BLAS has the cores."""
    return _shard_threads.get()


def map_parts(
    function: Callable[[Item], Result], parts: Sequence[Item], large: bool = True, multiplies: bool = True
) -> list[Result]:
    """Apply a function to the parts of an op's work, and return the results in order.

    If the parts are `large`, a third of a millisecond or more in all, they run on several threads, and in a shard on
    the shard's threads. Without threadpoolctl they run on one thread, and BLAS uses several. `multiplies` is whether
    the parts contain matrix products; if not, BLAS is not limited.
    """
    shard_threads = _shard_threads.get()  # 1 if the shard has one thread; BLAS is then limited already
    if not large or len(parts) < 2 or shard_threads == 1 or not blas_can_be_limited():
        return [function(part) for part in parts]
    threads = allowed_threads(available_cores()) if shard_threads is None else shard_threads
    with single_threaded_blas() if multiplies else nullcontext():
        if threads == 1:
            return [function(part) for part in parts]
        return list(_map_all_on_threads(function, parts, threads))


def map_ahead(function: Callable[[Item], Result], items: Iterable[Item], large: bool = True) -> Iterator[Result]:
    """Apply a function to items, and yield the results in order.

    In a shard with several threads, the others compute results while the caller iterates over the items and while it
    uses a result, if the work is `large`. They do not wait for the caller: all results may be in memory at once.
    """
    threads = _shard_threads.get()
    if not large or threads in (None, 1):
        return map(function, items)
    return _map_on_threads(function, items, threads, 1)


def _map_single_threaded(function: Callable[[Item], Result], items: Sequence[Item], threads: int) -> Iterator[Result]:
    with single_threaded_blas():
        yield from _map_all_on_threads(function, items, threads)


def _map_all_on_threads(function: Callable[[Item], Result], items: Sequence[Item], threads: int) -> Iterator[Result]:
    """Share known items with other threads. If there are fewer items than threads, each may use several."""
    used = max(1, min(threads, len(items)))
    return _map_on_threads(function, items, used, threads // used)


def _map_on_threads(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, threads_of_item: int
) -> Iterator[Result]:
    """Share the items with other threads, which begin while the caller still iterates over an iterator.

    Then the calling thread computes items, too, instead of waiting for results. So the work is completed even if no
    other thread is free, as in a call from inside of a shard.
    """
    work, locks, count = _Work(function, threads_of_item), list[Lock](), 0
    try:
        for known in [items] if isinstance(items, Sequence) else ([item] for item in items):
            work.pending.extend(enumerate(known, count))
            count += len(known)
            for lock in [Lock() for _ in range(min(threads - 1, len(known)))]:
                locks.append(lock)
                _helpers(threads - 1).put(partial(work.help, lock))
        for k in range(count):
            yield work.result(k)
    finally:
        work.pending.clear()  # after an error or an early stop, no further items
        for lock in locks if work.is_of_this_process() else ():
            with lock:  # wait for the helper; one that starts later finds no items
                pass


class _Work(Generic[Item, Result]):
    """A queue of numbered items, shared by several threads, and the results of the computed items."""

    def __init__(self, function: Callable[[Item], Result], threads: int) -> None:
        self.function, self.context, self.process = function, copy_context(), os.getpid()
        self.context.run(_shard_threads.set, threads)
        self.pending: deque[tuple[int, Item]] = deque()
        self.results: dict[int, Result] = {}
        self.errors: dict[int, BaseException] = {}
        self.finished: SimpleQueue[int] = SimpleQueue()  # wakes a thread that waits for another's item

    def take(self) -> None:
        """Compute the next item, if one is left."""
        try:
            k, item = self.pending.popleft()
        except IndexError:  # another thread took the last one
            return
        try:
            self.results[k] = self.context.copy().run(self.function, item)
        except BaseException as error:  # raised again in `result`
            self.errors[k] = error
        self.refuse_fork()
        self.finished.put(k)

    def help(self, lock: Lock) -> None:
        """Compute items until none is left, and hold the lock meanwhile."""
        with lock:
            while self.pending:
                self.take()

    def result(self, k: int) -> Result:
        """Return the result of an item; until it is computed, compute other items or wait."""
        while True:
            self.refuse_fork()
            if k in self.errors:
                raise self.errors.pop(k)
            if k in self.results:
                return self.results.pop(k)
            if self.pending:
                self.take()
            else:
                self.finished.get()

    def is_of_this_process(self) -> bool:
        """Return whether this object is not a copy in a forked process."""
        return self.process == os.getpid()

    def refuse_fork(self) -> None:
        """Raise in a forked process, which never receives the results of the other threads."""
        if not self.is_of_this_process():
            raise ForkedError(
                "map_shards cannot continue in a forked process, which lacks the threads of the other shards: call it "
                "again there, or fork after it has ended. A shard that forks must end its child with os._exit()."
            )
