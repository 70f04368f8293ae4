"""The processes that train together, on one machine or many: what they tell each other, and what one is alone."""

import pickle
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy import ndarray

from tinygrad_edu.parallel.blas import allowed_threads, available_cores

__all__ = ["ALONE", "Workers", "any_of", "gather"]

Result = TypeVar("Result")


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

    def together(self, compute: Callable[[], Result]) -> Result:
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

    def together(self, compute: Callable[[], Result]) -> Result:
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
