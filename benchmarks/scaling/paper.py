"""The model on paper: how long a training step takes on W workers, from times that were measured or assumed.

    step(W) = fixed + k shard + sqrt(k) late(W) + 2 ceil(log2 W) latency + 2 (1 - 1/W) bytes per_byte

with k the number of shards that the busiest worker computes. The last two terms are those of recursive halving and
doubling (Thakur, Rabenseifner and Gropp 2005, Optimization of Collective Communication Operations in MPICH); adding up
is part of what a byte costs. A step waits for the latest worker: late(W) is by how much the slowest of W shards is
expected to take longer than one, and the spreads of k shards add up like those of independent numbers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

MOST = 4096
TO_DRAW = (1, 2, 3, *(2**k for k in range(2, 13)))  # up to 4,096 workers


@dataclass(frozen=True)
class Link:
    """What carries the exchange.

    Attributes
    ----------
    latency : float
        Seconds that a message takes whatever its length.
    per_byte : float
        Seconds that each byte of it takes more.
    """

    latency: float
    per_byte: float

    def exchange(self, workers: int, size: float) -> float:
        """Return the seconds in which some workers add up so many bytes each."""
        rounds = math.ceil(math.log2(workers))
        return 2 * rounds * self.latency + 2 * (1 - 1 / workers) * size * self.per_byte

    def over(self, network: "Link") -> "Link":
        """Return what comes of this machine's own work and a network below it: one after the other."""
        return Link(self.latency + network.latency, self.per_byte + network.per_byte)


@dataclass(frozen=True)
class Work:
    """What is computed.

    Attributes
    ----------
    fixed : float
        Seconds of a step whatever its batch: each worker spends them.
    shard : float
        Seconds of one shard.
    latest : dict of int to float
        How many seconds the slowest of so many shards is expected to take.
    bytes : int
        Of the gradients.
    """

    fixed: float
    shard: float
    latest: Mapping[int, float]
    bytes: int

    def step(self, shards: int, workers: int, link: Link, cores: int = MOST) -> float:
        """Return the seconds of a step. Where there are fewer cores than workers, they share them."""
        busiest = max(math.ceil(shards / workers), shards / cores)
        alone = self.fixed * max(1, workers / cores) + busiest * self.shard
        return alone + math.sqrt(busiest) * self.late(min(shards, workers)) + link.exchange(workers, self.bytes)

    def late(self, workers: int) -> float:
        """Return by how many seconds the slowest of some shards is expected to be later than one."""
        known = [math.log2(many) for many in self.latest]
        return float(np.interp(math.log2(workers), known, [*self.latest.values()])) - self.latest[1]


def expected_latest(times: Sequence[float], workers: int) -> float:
    """Return the expected largest of `workers` times that are drawn from those measured.

    Where there are many more workers than times, it is the largest that was measured: longer ones, which must come,
    nobody has seen.

    Examples
    --------
    >>> expected_latest([1.0, 2.0], 1), expected_latest([1.0, 2.0], 2)
    (1.5, 1.75)
    """
    below = (np.arange(len(times) + 1) / len(times)) ** workers  # the chance that all are among so many least ones
    return float(np.sort(times) @ np.diff(below))


def fit_link(workers: Sequence[int], sizes: Sequence[int], seconds: Sequence[float]) -> Link:
    """Return the link that explains the times of exchanges best: by least squares of what each is off, relatively."""
    columns = [[2 * math.ceil(math.log2(w)), 2 * (1 - 1 / w) * size] for w, size in zip(workers, sizes, strict=True)]
    return Link(*_fit(columns, seconds))


def fit_shards(counts: Sequence[int], sizes: Sequence[int], seconds: Sequence[float]) -> tuple[float, float, float]:
    """Return the seconds of a step, of a shard and of an image: what each takes beside what is in it."""
    columns = [[1, count, count * size] for count, size in zip(counts, sizes, strict=True)]
    return _fit(columns, seconds)  # type: ignore[return-value]


def _fit(columns: Sequence[Sequence[float]], seconds: Sequence[float]) -> tuple[float, ...]:
    """Solve for what is not negative; each line weighs the same, however short its time."""
    weighted = np.array(columns, float) / np.array(seconds)[:, None]
    scale = weighted.max(axis=0)
    found, _ = nnls(weighted / scale, np.ones(len(seconds)))
    return tuple(map(float, found / scale))
