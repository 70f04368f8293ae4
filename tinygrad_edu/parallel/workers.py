"""Protocol of parallel workers, and collective operations on them."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy import ndarray

from tinygrad_edu.errors import DTypeError, FailedWorkerError, LostWorkerError, WorkersDifferError
from tinygrad_edu.parallel.tree_sum import shard_range
from tinygrad_edu.shared.pytree import tree_leaves
from tinygrad_edu.shared.speed.blas import allowed_threads, available_cores
from tinygrad_edu.shared.speed.threads import map_shards

__all__ = ["ALONE", "Workers", "allgather", "allreduce_any", "map_on_all", "require_equal", "run_on_all"]

Computed = TypeVar("Computed")


class Workers(Protocol):
    """Processes that train the same weights, each on some shards of every batch.

    All workers must call the same functions in the same order.

    Attributes
    ----------
    rank, size : int
        The index of this process, from 0, and the number of processes.

    Examples
    --------
    >>> workers: Workers = ALONE
    >>> workers.rank, workers.size, workers.collective(lambda: 3)
    (0, 1, 3)
    """

    rank: int
    size: int

    @property
    def threads(self) -> int:
        """Number of threads that this process may run: its share of the cores."""

    def exchange(self, sent: Mapping[int, ndarray], received: Mapping[int, ndarray]) -> None:
        """Send and receive contiguous uint8 arrays, by rank. The received arrays are filled in place."""

    def collective(self, compute: Callable[[], Computed]) -> Computed:
        """Run a function of collective operations on all workers, and repeat it if a worker is lost.

        `rank` and `size` may differ in the repeated call.
        """


class _SingleWorker:
    """A single process."""

    rank, size = 0, 1

    def __repr__(self) -> str:
        return "ALONE"

    @property
    def threads(self) -> int:
        """Number of threads that this process may run: the number of cores."""
        return allowed_threads(available_cores())

    def exchange(self, sent: Mapping[int, ndarray], received: Mapping[int, ndarray]) -> None:
        """Do nothing, because there is no other worker."""

    def collective(self, compute: Callable[[], Computed]) -> Computed:
        """Return ``compute()``."""
        return compute()


ALONE = _SingleWorker()
"""A single process: the default of functions that take `Workers`."""


def allgather(workers: Workers, value: Any) -> list[Any]:
    """Return the values of all workers, in order of rank, in log2(size) rounds of messages.

    Parameters
    ----------
    workers : Workers
    value : Any
        Any object that can be pickled. It is sent to all workers, so it should be small.

    Examples
    --------
    >>> allgather(ALONE, "here")
    ['here']
    """
    values = [value]
    while (count := len(values)) < workers.size:
        to, source = (workers.rank - count) % workers.size, (workers.rank + count) % workers.size
        sent = np.frombuffer(pickle.dumps(values[: workers.size - count]), np.uint8)
        length = np.empty(8, np.uint8)
        workers.exchange({to: np.array([sent.size]).view(np.uint8)}, {source: length})
        received = np.empty(int(length.view(np.int64)[0]), np.uint8)
        workers.exchange({to: sent}, {source: received})
        values += pickle.loads(received.tobytes())
    first = workers.size - workers.rank
    return values[first:] + values[:first]


def allreduce_any(workers: Workers, flag: bool) -> bool:
    """Return whether the flag is true on any worker."""
    flags, distance = np.array([flag], np.uint8), 1
    while distance < workers.size:
        received = np.empty(1, np.uint8)
        to, source = (workers.rank + distance) % workers.size, (workers.rank - distance) % workers.size
        workers.exchange({to: flags}, {source: received})
        flags, distance = flags | received, 2 * distance
    return bool(flags[0])


def run_on_all(workers: Workers, compute: Callable[[], Computed]) -> Computed:
    """Return ``compute()``, or raise an error on all ranks if it fails on any rank.

    Parameters
    ----------
    workers : Workers
    compute : callable
        A function that sends no messages.

    Raises
    ------
    Exception
        The error of this rank, or a copy of the error of the first rank that failed.
    """
    if workers.size == 1:
        return compute()
    failure: Exception | None = None
    try:
        result = compute()
    except LostWorkerError:
        raise
    except Exception as error:
        failure = error
    if allreduce_any(workers, failure is not None):
        raise _first_failure(workers, failure)
    return result


def map_on_all(workers: Workers, function: Callable[[int], Computed], count: int, threads: int) -> list[Computed]:
    """Return the results of all shards, in order, on every rank. Each rank computes its own shards on threads."""
    own = shard_range(count, workers.size, workers.rank)
    own_results = run_on_all(workers, lambda: list(map_shards(lambda i: function(own[i]), len(own), threads)))
    return [result for rank_results in allgather(workers, own_results) for result in rank_results]


def _first_failure(workers: Workers, own: Exception | None) -> Exception:
    failures = allgather(workers, None if own is None else _picklable(own))
    if own is not None:
        return own
    rank = next(rank for rank, error in enumerate(failures) if error is not None)
    first: Exception = failures[rank]
    first.add_note(f"On rank {rank} of {workers.size}.")
    return first


def _picklable(error: Exception) -> Exception:
    """Return a copy of an error, or a `FailedWorkerError` with its text if it cannot be pickled."""
    try:
        copy: Exception = pickle.loads(pickle.dumps(error))
    except Exception:
        return FailedWorkerError(f"another rank raised {type(error).__name__}: {str(error).removesuffix('.')}.")
    return copy


def require_shards(function: str, shard_size: int | None, workers: Workers) -> None:
    """Raise if several workers have no shards to share."""
    if workers.size > 1 and shard_size is None:
        raise DTypeError(
            f"{function}: {workers.size} workers share the shards of each batch, so they need shard_size=64 or another "
            f"number of samples. It declares that the samples are independent in the model."
        )


def require_equal(workers: Workers, parts: Mapping[str, Any]) -> None:
    """Raise if a worker's values differ from those of rank 0.

    Parameters
    ----------
    workers : Workers
    parts : dict of str to pytree
        Pytrees of arrays, numbers and strings. The keys are the names in the error message.

    Raises
    ------
    WorkersDifferError
        Raised on all workers.
    """
    if workers.size == 1:
        return
    own = {name: _checksum(part) for name, part in parts.items()}
    checksums = workers.collective(lambda: allgather(workers, own))
    for name in parts:
        others = [str(rank) for rank, checksum in enumerate(checksums) if checksum[name] != checksums[0][name]]
        if others:
            raise WorkersDifferError(
                f"{name} differ between rank 0 and rank {', '.join(others)}. Use the same seed on all ranks, for "
                f"layers, as in nn.Linear(3, 2, rng=rng), and for DataLoaders. If they were equal at first, the "
                f"processors of the ranks compute different bits."
            )


def _checksum(nest: Any) -> bytes:
    hashed = sha256()
    for leaf in tree_leaves(nest):
        hashed.update(np.ascontiguousarray(leaf).data if isinstance(leaf, ndarray) else repr(leaf).encode())
    return hashed.digest()
