"""Prefetching: call functions on threads in advance, in order and with a bounded queue."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from itertools import islice
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar, cast

from tinygrad_edu.errors import ForkedError

Asked = TypeVar("Asked")
Made = TypeVar("Made")
Stopped = Callable[[], bool]

CALLS_PER_THREAD = 2  # a thread has its next call while a result is used


def prefetch_map(function: Callable[[Asked, Stopped], Made], items: Iterable[Asked], threads: int) -> Iterator[Made]:
    """Apply a function to items on threads, and yield the results in the order of the items.

    Parameters
    ----------
    function : callable
        Function of an item and of ``stopped``, a function that returns True once the result is not needed. It runs in a
        copy of the context of the first ``next``, so gradient mode is the same as without threads.
    items : iterable
        Iterated by the thread of the loop.
    threads : int
        Number of threads, each with at most 2 calls. With 0, a call is made when its result is requested.

    Raises
    ------
    ForkedError
        The process was forked after the first result, and the threads are in the other process.

    Notes
    -----
    An error in a call is raised at the position of its result, and ends the loop. The threads end after the last
    result. They also end if the iterator is closed or garbage collected: no new call begins, and running calls are not
    awaited.
    """
    if not threads:
        yield from (function(item, lambda: False) for item in items)
        return
    work, left = _WorkQueue(function), iter(items)
    helpers = [Thread(target=work.serve, name="tinygrad_edu data", daemon=True) for _ in range(threads)]
    for helper in helpers:
        helper.start()
    pending: deque[_Call[Asked, Made]] = deque()
    try:
        while True:
            for item in islice(left, CALLS_PER_THREAD * threads - len(pending)):
                pending.append(_Call(item))
                work.calls.put(pending[-1])
            if not pending:
                return
            yield pending.popleft().result()
            work.require_same_process()
    finally:
        work.stop(threads)
        if not pending and work.is_of_this_process():
            for helper in helpers:  # they have no calls left
                helper.join()


class _Call(Generic[Asked, Made]):
    """An item, and the result or the error of its call."""

    def __init__(self, item: Asked) -> None:
        self.item = item
        self.done: SimpleQueue[tuple[Made, None] | tuple[None, BaseException]] = SimpleQueue()

    def result(self) -> Made:
        """Wait for the result."""
        result, error = self.done.get()
        try:
            if error is not None:
                raise error
            return cast("Made", result)
        finally:
            del error  # its traceback refers to this frame


class _WorkQueue(Generic[Asked, Made]):
    """Queue of calls. It does not refer to the iterator, so that the iterator can be collected while threads run."""

    def __init__(self, function: Callable[[Asked, Stopped], Made]) -> None:
        self.function, self.context, self.process, self.stopped = function, copy_context(), os.getpid(), False
        self.calls: SimpleQueue[_Call[Asked, Made] | None] = SimpleQueue()

    def serve(self) -> None:
        """Make calls until the queue yields None."""
        while (call := self.calls.get()) is not None:
            if not self.stopped:
                self._run_call(call)

    def _run_call(self, call: _Call[Asked, Made]) -> None:
        try:
            call.done.put((self.context.copy().run(self.function, call.item, lambda: self.stopped), None))
        except BaseException as error:  # raised again in `result`
            call.done.put((None, error))
        try:
            self.require_same_process()
        except ForkedError:  # the call forked: nothing can catch an error in the child
            sys.__excepthook__(*sys.exc_info())
            os._exit(1)

    def stop(self, threads: int) -> None:
        """End the threads, each after its current call."""
        self.stopped = True
        for _ in range(threads):
            self.calls.put(None)

    def is_of_this_process(self) -> bool:
        """Return whether the threads are in this process."""
        return self.process == os.getpid()

    def require_same_process(self) -> None:
        """Raise in a forked process, which has no threads to make the calls."""
        if not self.is_of_this_process():
            raise ForkedError(
                "cannot continue a loop over a DataLoader with workers in a forked process, which lacks its threads. "
                "Begin a new loop there, or fork before or after the loop."
            )
