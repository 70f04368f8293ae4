"""One batch in many shards: each stays in the cache from its forward to the end of its backward, on any thread.

The cost of a small network is memory traffic, not arithmetic: activations that stay in a core's cache are nearer by,
and memory does not grow with the batch. Shards on threads are the same idea on more cores: NumPy lets go of the
interpreter lock while it computes.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache, partial
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Generic, TypeVar

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor, enable_grad, from_numpy, walk
from tinygrad_edu.errors import MissingExtraError, NonScalarBackwardError, ShapeError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.randomness import independent_streams, random_stream

__all__ = ["available_cores", "map_shards", "shards", "single_threaded_blas", "value_and_grad"]

Result = TypeVar("Result")

# The number of BLAS threads belongs to the process: who limits it first notes what it was, the last puts it back.
_limiting = Lock()
_limited_by: set[object] = set()
_before: Any = None


def available_cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
            _limited_by.add(this)
            _blas().limit(limits=1, user_api="blas")
        yield
    finally:  # also after a Ctrl-C half way through the above
        with _limiting:
            _limited_by.discard(this)
            if _before and not _limited_by:
                _before.restore_original_limits()
                _before = None


@cache
def _helpers(threads: int) -> SimpleQueue[Callable[[], None]]:
    """Start so many threads, and return the queue that they take their calls from."""
    # Futures have locks in Python, which Ctrl-C can leave locked; this queue has none.
    calls: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def serve() -> None:
        while True:
            calls.get()()

    for _ in range(threads):
        Thread(target=serve, name="tinygrad_edu", daemon=True).start()
    return calls


if hasattr(os, "register_at_fork"):  # a forked process has none of these threads: it starts its own
    os.register_at_fork(after_in_child=_helpers.cache_clear)


def shards(count: int, size: int) -> list[slice]:
    """Cut `count` samples into slices of `size`, at least 1; the last may be shorter.

    Examples
    --------
    >>> shards(70, 32)
    [slice(0, 32, None), slice(32, 64, None), slice(64, 70, None)]
    """
    if size < 1:
        raise ValueError(f"a shard has at least one sample, not {size!r}.")
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
    """
    with single_threaded_blas():
        yield from _map_together(function, count, helpers=min(threads or available_cores(), count) - 1)


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
        for lock in busy:
            with lock:  # once its helper has ended; one that begins later finds nothing left
                pass


class _Work(Generic[Result]):
    """The shards that are left, which several threads take from, and what came of the others."""

    def __init__(self, function: Callable[[int], Result], count: int) -> None:
        self.function, self.context = function, copy_context()
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
        self.done.put(k)

    def help(self, busy: Lock) -> None:
        """Compute shards for as long as there are any, and hold the lock meanwhile."""
        with busy:
            while self.left:
                self.take()

    def result(self, k: int) -> Result:
        """Return what came of a shard; until it is there, compute others or wait."""
        while k not in self.results and k not in self.errors:
            if self.left:
                self.take()
            else:
                self.done.get()
        if k in self.errors:
            raise self.errors.pop(k)
        return self.results.pop(k)


def value_and_grad(
    model: Module,
    loss: Callable[[Any, ndarray], Any],
    x: ndarray,
    y: ndarray,
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
        A model of which one module has ``couples_samples`` set runs unsharded.
    loss : callable
        Of the model's output and the labels of a shard: the mean over its samples, as a tensor of one element.
    x, y : (N, ...)
        The batch, N at least 1.
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
        Where x and y are empty or of different lengths.
    NonScalarBackwardError
        Where the loss is not one element.
    MissingExtraError
        Where threadpoolctl is not installed.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> rng = np.random.default_rng(0)
    >>> model = nn.Linear(3, 2, rng=rng)
    >>> x, y = rng.random((64, 3)).astype(np.float32), rng.integers(0, 2, 64)
    >>> value, (weight, bias) = value_and_grad(model, nn.cross_entropy, x, y, rng)
    >>> whole = nn.cross_entropy(model(x), y)
    >>> whole.backward()
    >>> bool(np.allclose(weight, model.weight.grad)), bool(np.allclose(value, whole.item()))
    (True, True)
    """
    if len(x) != len(y) or not len(x):
        raise ShapeError(f"value_and_grad: a batch of {len(x)} samples with {len(y)} labels; it needs one for each.")
    if any(module.couples_samples for module in model.modules()):
        shard_size = len(x)
    slices = shards(len(x), shard_size)
    streams = independent_streams(rng, len(slices))
    leaves = [node for parameter in model.parameters() if (node := parameter._node)]

    def of_shard(k: int) -> tuple[float, list[ndarray | None]]:
        part = slices[k]
        with random_stream(streams[k]), enable_grad():
            result = loss(model(from_numpy(x[part])), y[part])
        if not isinstance(result, Tensor) or result.size != 1:
            what = f"has shape {result.shape}" if isinstance(result, Tensor) else f"is a {type(result).__name__}"
            raise NonScalarBackwardError(f"value_and_grad: the loss of a shard {what}; it is a Tensor of one element.")
        share = (part.stop - part.start) / len(x)
        node = result._node
        found = walk([(node, np.full(result.shape, share, result.dtype))]) if node is not None else {}
        return share * result.item(), [found.get(leaf) for leaf in leaves]

    value = 0.0
    total: list[ndarray | None] = [None] * len(leaves)
    for part_value, gradients in map_shards(of_shard, len(slices), threads):
        value += part_value
        total = [_added(a, b) for a, b in zip(total, gradients, strict=True)]
    return value, total


def _added(total: ndarray | None, part: ndarray | None) -> ndarray | None:
    if total is None or part is None:
        return total if part is None else part
    total += part
    return total
