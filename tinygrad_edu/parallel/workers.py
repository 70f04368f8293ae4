"""The protocol of parallel workers, and collective operations on it."""

import pickle
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy import ndarray

from tinygrad_edu.cores.blas import allowed_threads, available_cores
from tinygrad_edu.errors import FailedWorkerError, LostWorkerError, WorkersDifferError
from tinygrad_edu.nn.sharding import WholeBatchNeeded
from tinygrad_edu.transforms.trees import tree_leaves

__all__ = ["ALONE", "Workers", "any_of", "gather", "on_all", "require_alike"]

Computed = TypeVar("Computed")


class Workers(Protocol):
    """Processes that take the same steps on the same weights, each with some of the shards of every batch.

    All of them call the same functions, in the same order.

    Attributes
    ----------
    rank, size : int
        The number of this one, from 0, and how many there are.
    """

    rank: int
    size: int

    @property
    def threads(self) -> int:
        """How many threads this process may run: its share of the cores."""

    def exchange(self, sent: Mapping[int, ndarray], received: Mapping[int, ndarray]) -> None:
        """Send bytes to others, and take in as many as there is room for: contiguous arrays of uint8, by rank."""

    def collective(self, compute: Callable[[], Computed]) -> Computed:
        """Return what all compute together, once more where one of them is lost: with another rank and size, then."""


class _Alone:
    """A process without others."""

    rank, size = 0, 1

    @property
    def threads(self) -> int:
        """How many threads this process may run: as many as there are cores."""
        return allowed_threads(available_cores())

    def exchange(self, sent: Mapping[int, ndarray], received: Mapping[int, ndarray]) -> None:
        """There is nobody to send to."""

    def collective(self, compute: Callable[[], Computed]) -> Computed:
        """Return what is computed."""
        return compute()


ALONE = _Alone()


def gather(workers: Workers, value: Any) -> list[Any]:
    """Return what each of the workers gave, in their order, after log2(size) rounds of messages.

    Parameters
    ----------
    workers : Workers
    value : Any
        What can be pickled; a small one, for all of it goes to everybody.

    Examples
    --------
    >>> gather(ALONE, "here")
    ['here']
    """
    found = [value]
    while (have := len(found)) < workers.size:
        to, source = (workers.rank - have) % workers.size, (workers.rank + have) % workers.size
        some = np.frombuffer(pickle.dumps(found[: workers.size - have]), np.uint8)
        length = np.empty(8, np.uint8)
        workers.exchange({to: np.array([some.size]).view(np.uint8)}, {source: length})
        theirs = np.empty(int(length.view(np.int64)[0]), np.uint8)
        workers.exchange({to: some}, {source: theirs})
        found += pickle.loads(theirs.tobytes())
    first = workers.size - workers.rank
    return found[first:] + found[:first]


def any_of(workers: Workers, flag: bool) -> bool:
    """Return whether any of the workers says so."""
    mine, distance = np.array([flag], np.uint8), 1
    while distance < workers.size:
        theirs = np.empty(1, np.uint8)
        to, source = (workers.rank + distance) % workers.size, (workers.rank - distance) % workers.size
        workers.exchange({to: mine}, {source: theirs})
        mine, distance = mine | theirs, 2 * distance
    return bool(mine[0])


def on_all(workers: Workers, compute: Callable[[], Computed]) -> Computed:
    """Return what this rank computes, as soon as no rank has failed; where one has, raise on all of them.

    Parameters
    ----------
    workers : Workers
    compute : callable
        It sends no messages.

    Raises
    ------
    Exception, WholeBatchNeeded
        Of this rank, or a copy of that of another one. An exception has precedence over `WholeBatchNeeded`.
    """
    if workers.size == 1:
        return compute()
    failure: BaseException | None = None
    try:
        result = compute()
    except LostWorkerError:
        raise
    except (Exception, WholeBatchNeeded) as error:
        failure = error
    if any_of(workers, failure is not None):
        raise _first_failure(workers, failure)
    return result


def _first_failure(workers: Workers, own: BaseException | None) -> BaseException:
    failures = gather(workers, None if own is None else _portable(own))
    rank = min(range(workers.size), key=lambda k: (failures[k] is None, isinstance(failures[k], WholeBatchNeeded), k))
    first: BaseException = failures[rank]
    if own is not None and isinstance(own, WholeBatchNeeded) == isinstance(first, WholeBatchNeeded) is False:
        return own
    if rank != workers.rank and isinstance(first, Exception):
        first.add_note(f"On rank {rank} of {workers.size}.")
    return first


def _portable(error: BaseException) -> BaseException:
    """Return an error as a message can carry it: as itself, or as a `FailedWorkerError` with its text."""
    try:
        copy: BaseException = pickle.loads(pickle.dumps(error))
    except Exception:
        return FailedWorkerError(f"another rank raised {type(error).__name__}: {error}")
    return copy


def require_alike(workers: Workers, parts: Mapping[str, Any]) -> None:
    """Raise where any of the workers has not what the first one has.

    Parameters
    ----------
    workers : Workers
    parts : dict of str to nest
        Of arrays, numbers and strings, by the names that an error gives them.

    Raises
    ------
    WorkersDifferError
        On all of them.
    """
    if workers.size == 1:
        return
    own = {name: _checksum(part) for name, part in parts.items()}
    found = workers.collective(lambda: gather(workers, own))
    for name in parts:
        others = [str(rank) for rank, theirs in enumerate(found) if theirs[name] != found[0][name]]
        if others:
            raise WorkersDifferError(
                f"the ranks do not have {name} in common: rank 0 has others than rank {', '.join(others)}. Each builds "
                f"all that draws random numbers from the same seed: nn.Linear(3, 2, rng=rng), and a DataLoader's, too. "
                f"Where they began alike, their processors do not compute alike."
            )


def _checksum(nest: Any) -> bytes:
    hashed = sha256()
    for leaf in tree_leaves(nest):
        hashed.update(np.ascontiguousarray(leaf).data if isinstance(leaf, ndarray) else repr(leaf).encode())
    return hashed.digest()
