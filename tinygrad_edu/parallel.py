"""One batch in many shards: each stays in the cache from its forward to the end of its backward, on any thread.

The cost of a small network is memory traffic, not arithmetic: activations that stay in a core's cache are nearer by,
and memory does not grow with the batch. Shards on threads are the same idea on more cores: NumPy lets go of the
interpreter lock while it computes.
"""

import os
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache, partial
from queue import SimpleQueue
from threading import Lock, RLock, Thread, get_ident
from typing import Any, Generic, TypeVar

import numpy as np
from numpy import ndarray

from tinygrad_edu._checks import generator, whole_number
from tinygrad_edu.engine import Node, Tensor, enable_grad, walk
from tinygrad_edu.errors import AnomalyError, ForkedError, MissingExtraError, NonScalarBackwardError, ShapeError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.coupling import can_be_cut
from tinygrad_edu.nn.randomness import independent_streams, random_stream
from tinygrad_edu.nn.samples import as_inputs, samples, some_samples
from tinygrad_edu.transforms.trees import tree_leaves

__all__ = ["available_cores", "map_shards", "sharded_value_and_grad", "shards", "single_threaded_blas"]

Result = TypeVar("Result")

# The number of BLAS threads belongs to the process: who limits it first notes what it was, the last puts it back.
_limiting = RLock()  # a signal handler may come while its own thread holds it
_limited_by: dict[object, int] = {}  # who limits it, each with its thread
_before: Any = None


def available_cores() -> int:
    """Return how many processors this process may use: as OMP_NUM_THREADS says, and no more than there are."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # a list is of nested threads
    return min(int(told), cores) if told.isdecimal() and int(told) else cores


@cache
def _blas() -> Any:
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError as error:
        raise MissingExtraError(
            "shards on threads need threadpoolctl, which keeps the matrix products of each at one thread: "
            "pip install 'tinygrad-edu[parallel]'"
        ) from error
    return ThreadpoolController()


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Keep matrix products at one thread inside, and put back afterwards what was set before.

    Products as small as these are slower on several threads, and very slow where another program wants the cores.

    Raises
    ------
    MissingExtraError
        Where threadpoolctl is not installed.
    """
    global _before
    this = object()
    try:
        with _limiting:
            _before = _before or _blas().limit(limits=None)  # limits nothing, and notes what is set
            _limited_by[this] = get_ident()
            _set_from_here(lambda: _blas().limit(limits=1, user_api="blas"))
        yield
    finally:  # also after a Ctrl-C half way through the above
        with _limiting:
            _limited_by.pop(this, None)
            _put_back()


def _put_back() -> None:
    global _before
    if _before and not _limited_by:
        _set_from_here(_before.restore_original_limits)
        _before = None


def _set_from_here(set_limits: Callable[[], Any]) -> None:
    """Call what sets the limits. From threadpoolctl 3.8 on, only the thread that first did can, until it lets go."""

    def let_go() -> None:
        for library in _blas().lib_controllers:
            if hasattr(library, "clear_controlling_thread"):
                library.clear_controlling_thread(force=True)

    let_go()
    set_limits()
    let_go()


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
            traceback.print_exc()
            os._exit(1)

    for _ in range(threads):
        Thread(target=serve, name="tinygrad_edu", daemon=True).start()
    return calls


def _begin_again() -> None:
    """Forget, in a forked process, the threads that are not there: their limits, and the helpers."""
    for this, thread in list(_limited_by.items()):
        if thread != get_ident():
            del _limited_by[this]
    _put_back()
    _helpers.cache_clear()
    _limiting.release()


if hasattr(os, "register_at_fork"):  # no fork while another thread sets the limit, and so holds locks of the library
    os.register_at_fork(before=_limiting.acquire, after_in_parent=_limiting.release, after_in_child=_begin_again)


def shards(count: int, size: int) -> list[slice]:
    """Cut `count` samples into slices of `size`, at least 1; the last may be shorter.

    Raises
    ------
    DTypeError, DataError
        Where `size` is not a whole number, or less than 1.

    Examples
    --------
    >>> shards(70, 32)
    [slice(0, 32, None), slice(32, 64, None), slice(64, 70, None)]
    """
    size = whole_number("size", size, 1)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


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
    DTypeError, DataError
        Where `threads` is not a whole number, or less than 1.
    ForkedError
        In a process that was forked since the first result: the other shards are computed in the one that forked.
    """
    together = available_cores() if threads is None else whole_number("threads", threads, 1)
    return _map_single_threaded(function, count, helpers=min(together, count) - 1)


def _map_single_threaded(function: Callable[[int], Result], count: int, helpers: int) -> Iterator[Result]:
    with single_threaded_blas():
        yield from _map_together(function, count, helpers)


def _map_together(function: Callable[[int], Result], count: int, helpers: int) -> Iterator[Result]:
    """Share the work with other threads: this one works too, wherever it would wait for the next result.

    So it ends even where the others never begin, because all of them are busy with the shard that this is called in.
    """
    work = _Work(function, count)
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

    def __init__(self, function: Callable[[int], Result], count: int) -> None:
        self.function, self.context, self.process = function, copy_context(), os.getpid()
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


def sharded_value_and_grad(
    model: Module,
    loss: Callable[[Any, Any], Any],
    x: Any,
    y: Any,
    rng: np.random.Generator,
    *,
    shard_size: int = 64,
    threads: int | None = None,
) -> tuple[float, list[ndarray | None]]:
    """Return the mean loss of a batch and its gradient, computed shard by shard.

    Each shard's forward and backward run to the end before its thread begins the next. The gradients are added in the
    order of the shards, and every shard draws from a random stream of its own, so the bits do not depend on the number
    of threads. They do depend on the size of the shards.

    Parameters
    ----------
    model : Module
        A model of which one module has ``couples_samples`` set runs unsharded. That no other one couples samples is
        tried out, the first time, on copies of the model; one that cannot be copied runs unsharded, with a warning.
    loss : callable
        Of the model's output and the labels of a shard: the mean over its samples, as a tensor of one element.
    x : (N, ...), or a tuple of inputs
        What the model is called with, N at least 1: one array, or a tuple of several inputs, each of them an array or a
        nest of lists, tuples and dicts of arrays with N rows. A single input that is a nest stands in a tuple, too.
    y : (N, ...)
        The labels: an array, or a nest of them.
    rng : numpy.random.Generator
        Draws the seeds of the streams that `nn.Dropout` draws from.
    shard_size : int
        How many samples make a shard. Smaller ones stay nearer by in memory; each costs some time whatever its size.
    threads : int, optional
        As many as there are cores, unless given.

    Returns
    -------
    value : float
    gradients : list of (ndarray or None)
        One for each of ``model.parameters()``; None where the loss does not depend on it.

    Raises
    ------
    ShapeError
        Where the arrays of the batch are empty or of different lengths.
    CoupledSamplesError
        Where the batch would be cut, and a module couples samples, or writes into what it keeps, and does not say so,
        or the loss is not a mean.
    NonScalarBackwardError
        Where the loss is not one element.
    DTypeError, DataError
        Where `rng` is not a Generator, or `shard_size` or `threads` is not a whole number, or less than 1.
    MissingExtraError
        Where threadpoolctl is not installed.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> rng = np.random.default_rng(0)
    >>> model = nn.Linear(3, 2, rng=rng)
    >>> x, y = rng.random((64, 3)).astype(np.float32), rng.integers(0, 2, 64)
    >>> value, (weight, bias) = sharded_value_and_grad(model, nn.cross_entropy, x, y, rng)
    >>> whole = nn.cross_entropy(model(x), y)
    >>> whole.backward()
    >>> bool(np.allclose(weight, model.weight.grad)), bool(np.allclose(value, whole.item()))
    (True, True)
    """
    inputs = x if isinstance(x, tuple) else (x,)
    count, labels = samples(inputs), samples(y)
    if count != labels or not count:
        shapes = ", ".join(str(np.shape(leaf)) for leaf in tree_leaves((inputs, y)))
        raise ShapeError(
            f"sharded_value_and_grad: a batch of {count} samples with {labels} labels; it needs one for each. "
            f"Its arrays have the shapes {shapes}."
        )
    shard_size = whole_number("shard_size", shard_size, 1)
    generator(rng)
    slices = shards(count, shard_size)
    if len(slices) > 1 and not can_be_cut(model, loss, inputs, y, shard_size, single_threaded_blas()):
        slices = shards(count, count)
    streams = independent_streams(rng, len(slices))
    leaves = [node for parameter in model.parameters() if (node := parameter._node)]

    def of_shard(k: int) -> tuple[float, list[ndarray | None]]:
        part = slices[k]
        own, target = some_samples((inputs, y), part)
        try:
            with random_stream(streams[k]), enable_grad():
                result = loss(model(*as_inputs(own)), target)
            return _in_share(result, (part.stop - part.start) / count, leaves)
        except AnomalyError as error:
            if len(slices) > 1:
                error.add_note(f"In a shard: rows {part.start} to {part.stop - 1} of the batch.")
            raise

    return _added_up(map_shards(of_shard, len(slices), threads))


def _in_share(result: Any, share: float, leaves: list[Node]) -> tuple[float, list[ndarray | None]]:
    """Return the loss of a shard and its gradients, each times the share of the batch that the shard is."""
    if not isinstance(result, Tensor) or result.size != 1:
        what = f"has shape {result.shape}" if isinstance(result, Tensor) else f"is a {type(result).__name__}"
        raise NonScalarBackwardError(
            f"sharded_value_and_grad: the loss of a shard {what}; it is a Tensor of one element."
        )
    node = result._node
    found = walk([(node, np.full(result.shape, share, result.dtype))]) if node is not None else {}
    return share * result.item(), [found.get(leaf) for leaf in leaves]


def _added_up(shares: Iterator[tuple[float, list[ndarray | None]]]) -> tuple[float, list[ndarray | None]]:
    """Return the sum of losses and gradients, in the order of the shards. The gradients of the first are written to."""
    value, total = next(shares)
    for more, gradients in shares:
        value += more
        total = [_added(a, b) for a, b in zip(total, gradients, strict=True)]
    return value, total


def _added(total: ndarray | None, part: ndarray | None) -> ndarray | None:
    if total is None or part is None:
        return total if part is None else part
    total += part
    return total
