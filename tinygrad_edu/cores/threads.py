"""Shards, and the parts of an op, on threads: each result in its order, and in the same bits, on however many.

NumPy lets go of the interpreter lock while it computes.
"""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from contextvars import ContextVar, copy_context
from functools import cache, partial
from itertools import pairwise
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Generic, TypeVar

from tinygrad_edu._checks import integer
from tinygrad_edu.cores.blas import allowed_threads, available_cores, blas_can_be_limited, single_threaded_blas
from tinygrad_edu.errors import ForkedError

__all__ = ["in_parts", "map_shards", "shares", "threads_of_shard"]

Share = TypeVar("Share")
Result = TypeVar("Result")

# On how many threads what a shard computes may run; None outside of any.
_share: ContextVar[int | None] = ContextVar("_share", default=None)


@cache
def _helpers(threads: int) -> SimpleQueue[Callable[[], None]]:
    """Start so many threads, and return the queue that they take their calls from."""
    # Futures have locks in Python, which Ctrl-C can leave locked; this queue has none.
    calls: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def serve() -> None:
        try:
            while True:
                calls.get()()
        except ForkedError:  # of a shard that forked, in the child: nobody is there to raise it to
            sys.__excepthook__(*sys.exc_info())
            os._exit(1)

    for _ in range(threads):
        Thread(target=serve, name="tinygrad_edu", daemon=True).start()
    return calls


if hasattr(os, "register_at_fork"):  # a forked process has none of these threads
    os.register_at_fork(after_in_child=_helpers.cache_clear)


def map_shards(function: Callable[[int], Result], count: int, threads: int | None = None) -> Iterator[Result]:
    """Apply `function` to the numbers of `count` shards, on several threads, and yield the results in their order.

    Parameters
    ----------
    function : callable
        Of the number of a shard. It runs in a copy of the caller's context: gradients are recorded as they are outside.
    count : int
    threads : int, optional
        As many as there are cores, unless given.

    Raises
    ------
    MissingExtraError
        Where threadpoolctl is not installed.
    DTypeError, ValueError
        `threads` is not an integer, or less than 1.
    ForkedError
        In a process that was forked since the first result: the other shards are computed in the one that forked.
    """
    together = allowed_threads(available_cores()) if threads is None else integer("threads", threads, 1)
    return _map_single_threaded(function, count, together)


def shares(count: int, parts: int) -> list[slice]:
    """Cut so many of anything into even parts, or as many parts as there are."""
    ends = [count * k // parts for k in range(parts + 1)]
    return [slice(start, end) for start, end in pairwise(ends) if start < end]


def threads_of_shard() -> int | None:
    """Return on how many threads what is computed here may run; None outside of shards, where BLAS has the cores."""
    return _share.get()


def in_parts(
    function: Callable[[Share], Result], parts: Sequence[Share], large: bool = True, multiplies: bool = True
) -> list[Result]:
    """Apply a function to the parts of an op's work, and return the results in their order.

    Where the parts are large, a third of a millisecond in all, on several threads; in a shard, on its share of them.
    Without threadpoolctl it is one thread, and matrix products have more. Where no part multiplies matrices, nothing is
    asked of BLAS.
    """
    share = _share.get()  # 1 where a shard has no threads to spare, and BLAS has one already
    if not large or len(parts) < 2 or share == 1 or not blas_can_be_limited():
        return [function(part) for part in parts]
    threads = allowed_threads(available_cores()) if share is None else share
    with single_threaded_blas() if multiplies else nullcontext():
        if threads == 1:
            return [function(part) for part in parts]
        return list(_map_together(lambda k: function(parts[k]), len(parts), threads))


def _map_single_threaded(function: Callable[[int], Result], count: int, threads: int) -> Iterator[Result]:
    with single_threaded_blas():
        yield from _map_together(function, count, threads)


def _map_together(function: Callable[[int], Result], count: int, threads: int) -> Iterator[Result]:
    """Share the work with other threads: this one works too, wherever it would wait for the next result.

    So it ends even where the others never begin, because all of them are busy with the shard that this is called in.
    """
    helpers = max(0, min(threads, count) - 1)
    work = _Work(function, count, share=threads // (helpers + 1))
    busy = [Lock() for _ in range(helpers)]
    try:
        for lock in busy:
            _helpers(helpers).put(partial(work.help, lock))
        for k in range(count):
            yield work.result(k)
    finally:
        work.left.clear()  # who fails or stops early wants no more
        for lock in busy if work.is_of_this_process() else ():
            with lock:  # once its helper has ended; one that begins later finds nothing left
                pass


class _Work(Generic[Result]):
    """The shards that are left, which several threads take from, and what came of the others."""

    def __init__(self, function: Callable[[int], Result], count: int, share: int) -> None:
        self.function, self.context, self.process = function, copy_context(), os.getpid()
        self.context.run(_share.set, share)
        self.left = deque(range(count))
        self.results: dict[int, Result] = {}
        self.errors: dict[int, BaseException] = {}
        self.done: SimpleQueue[int] = SimpleQueue()  # wakes who waits for a shard that another thread computes

    def take(self) -> None:
        """Compute the next shard, if there is one that nobody has taken yet."""
        try:
            k = self.left.popleft()
        except IndexError:  # another thread was faster
            return
        try:
            self.results[k] = self.context.copy().run(self.function, k)
        except BaseException as error:  # raised again where the result is asked for
            self.errors[k] = error
        self.refuse_fork()
        self.done.put(k)

    def help(self, busy: Lock) -> None:
        """Compute shards for as long as there are any, and hold the lock meanwhile."""
        with busy:
            while self.left:
                self.take()

    def result(self, k: int) -> Result:
        """Return what came of a shard; until it is there, compute others or wait."""
        while True:
            self.refuse_fork()
            if k in self.errors:
                raise self.errors.pop(k)
            if k in self.results:
                return self.results.pop(k)
            if self.left:
                self.take()
            else:
                self.done.get()

    def is_of_this_process(self) -> bool:
        """Return whether this is not the copy of it in a forked process."""
        return self.process == os.getpid()

    def refuse_fork(self) -> None:
        """Raise in a forked process, where the results of the other threads never arrive."""
        if not self.is_of_this_process():
            raise ForkedError(
                "map_shards goes on in a forked process, without the threads that compute its other shards: begin it "
                "anew there, or fork when it has ended. A shard that forks ends its child with os._exit()."
            )
