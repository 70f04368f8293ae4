"""Forks: a process forks while its other threads compute, and each child computes immediately."""

import os
import signal
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from threading import Event, Thread
from time import sleep

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import nn, optim, parallel

LONGEST = 20  # seconds until a child counts as hanging; it computes for milliseconds
SHARDS = 4
LAYER = nn.Dropout(0.5, rng=np.random.default_rng(0))  # all threads and children draw from its generator


def campaign(count: int, seed: int, say: Callable[[str], None]) -> Counter[str]:
    """Fork `count` times. Return the counts; report failures."""
    figures, random = Counter({"hangs": 0, "other failures": 0}), Random(seed)
    with computing():
        for number in range(count):
            sleep(random.uniform(0, 0.01))
            result = outcome(fork())
            figures[result] += 1
            if result != "right":
                say(f"fork {number}: {result}")
    return figures


def fork() -> int:
    """Fork a child that computes; return its exit status from `os.waitpid`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 and newer warn about forks with threads
        child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the default action ends the child
        signal.alarm(LONGEST)
        try:
            os._exit(0 if is_right() else 1)
        finally:
            os._exit(2)
    return os.waitpid(child, 0)[1]


def outcome(status: int) -> str:
    if os.WIFSIGNALED(status):
        return "hangs" if os.WTERMSIG(status) == signal.SIGALRM else "other failures"
    return "right" if os.WEXITSTATUS(status) == 0 else "other failures"


@contextmanager
def computing() -> Iterator[None]:
    """Compute in other threads while the context is active, two threads for each function of `WORKS`."""
    over = Event()

    def again_and_again(work: Callable[[], None]) -> None:
        while not over.is_set():
            work()

    threads = [Thread(target=again_and_again, args=(work,)) for work in WORKS for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def is_right() -> bool:
    """Return whether a gradient, shards, writes and dropout are correct in this process."""
    w = tg.Tensor(np.arange(1.0, 4.0), requires_grad=True)
    (w * w).sum().backward()
    with tg.no_grad():
        w += 1.0
    shards = list(parallel.map_shards(_shard, SHARDS, threads=2))
    dropped = LAYER(w).numpy()
    return (
        w.grad is not None
        and np.array_equal(w.grad, [2.0, 4.0, 6.0])
        and np.array_equal(w.numpy(), [2.0, 3.0, 4.0])
        and shards == [_shard(k) for k in range(SHARDS)]
        and set(dropped / w.numpy()) <= {0.0, 2.0}
    )


def _shard(k: int) -> float:
    x = tg.Tensor(np.full((4, 4), float(k)), requires_grad=True)
    (x @ x).sum().backward()
    assert x.grad is not None
    return float(x.grad.sum())


def map_shards() -> None:
    list(parallel.map_shards(_shard, SHARDS, threads=2))


def go_back() -> None:
    w = tg.Tensor(np.ones((8, 8)), requires_grad=True)
    (w.tanh() @ w).sum().backward()


def write() -> None:
    w = tg.Tensor(np.ones(8), requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
    for _ in range(8):
        w.grad = np.ones(8)
        optimizer.step()
        with tg.no_grad():
            w *= 0.5


def drop() -> None:
    x, labels = np.ones((64, 4), np.float32), np.zeros(64, np.int64)
    LAYER(tg.Tensor(np.ones(10_000)))
    model = nn.Sequential(nn.Linear(4, 3, rng=np.random.default_rng(0)), LAYER)
    parallel.sharded_value_and_grad(
        model, nn.cross_entropy, x, labels, np.random.default_rng(0), shard_size=16, threads=2
    )


WORKS = (map_shards, go_back, write, drop)
