"""Model of the time of a training step on W workers, from measured or assumed times.

    step(W) = fixed + k shard + sqrt(k) late(W) + 2 ceil(log2 W) latency + 2 (1 - 1/W) bytes per_byte

where k is the number of shards of the busiest worker. The last two terms are recursive halving and doubling (Thakur,
Rabenseifner and Gropp 2005, Optimization of Collective Communication Operations in MPICH); the time per byte includes
the addition. A step waits for the slowest worker: late(W) is the expected delay of the slowest of W shards relative to
the mean, and the variances of k shards add up as for independent variables.
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
    """Latency and inverse bandwidth of a transport.

    Attributes
    ----------
    latency : float
        Seconds per message.
    per_byte : float
        Seconds per byte.
    """

    latency: float
    per_byte: float

    def exchange(self, workers: int, size: float) -> float:
        """Return the seconds of an allreduce of `size` bytes over `workers`."""
        rounds = math.ceil(math.log2(workers))
        return 2 * rounds * self.latency + 2 * (1 - 1 / workers) * size * self.per_byte

    def gather(self, workers: int, size: float) -> float:
        """Return the seconds of an allgather of `size` bytes of each of some workers."""
        return math.ceil(math.log2(workers)) * self.latency + (workers - 1) * size * self.per_byte

    def over(self, network: "Link") -> "Link":
        """Return the link of this machine and a network in series."""
        return Link(self.latency + network.latency, self.per_byte + network.per_byte)


@dataclass(frozen=True)
class Work:
    """Times of the parts of a training step.

    Attributes
    ----------
    fixed : float
        Seconds of a step on each worker, independent of the batch.
    shard : float
        Seconds of one shard.
    latest : dict of int to float
        Expected seconds of the slowest shard, by the number of shards.
    bytes : int
        Bytes of the gradients.
    """

    fixed: float
    shard: float
    latest: Mapping[int, float]
    bytes: int

    def step(self, shards: int, workers: int, link: Link, cores: int = MOST) -> float:
        """Return the seconds of a step; if there are fewer cores than workers, workers share cores."""
        busiest = max(math.ceil(shards / workers), shards / cores)
        alone = self.fixed * max(1, workers / cores) + busiest * self.shard
        return alone + math.sqrt(busiest) * self.late(min(shards, workers)) + link.exchange(workers, self.bytes)

    def late(self, workers: int) -> float:
        """Return the expected delay of the slowest of `workers` shards compared with the mean, in seconds."""
        known = [math.log2(many) for many in self.latest]
        return float(np.interp(math.log2(workers), known, [*self.latest.values()])) - self.latest[1]


def expected_latest(times: Sequence[float], workers: int) -> float:
    """Return the expected maximum of `workers` times, drawn from the measured ones.

    With many more workers than times, this is the maximum of the measured times, a lower bound, because longer delays
    were not observed.

    Examples
    --------
    >>> expected_latest([1.0, 2.0], 1), expected_latest([1.0, 2.0], 2)
    (1.5, 1.75)
    """
    below = (np.arange(len(times) + 1) / len(times)) ** workers  # probability that all are among the k smallest
    return float(np.sort(times) @ np.diff(below))


def fit_link(workers: Sequence[int], sizes: Sequence[int], seconds: Sequence[float]) -> Link:
    """Fit a link to the times of exchanges by least squares of the relative errors."""
    columns = [[2 * math.ceil(math.log2(w)), 2 * (1 - 1 / w) * size] for w, size in zip(workers, sizes, strict=True)]
    return Link(*_fit(columns, seconds))


def fit_gather(workers: Sequence[int], sizes: Sequence[int], seconds: Sequence[float]) -> Link:
    """Fit a link to the times of allgathers, given the bytes of each worker."""
    columns = [[math.ceil(math.log2(w)), (w - 1) * size] for w, size in zip(workers, sizes, strict=True)]
    return Link(*_fit(columns, seconds))


def fit_shards(counts: Sequence[int], sizes: Sequence[int], seconds: Sequence[float]) -> tuple[float, float, float]:
    """Fit the seconds per step, per shard and per image, each without the parts that it contains."""
    columns = [[1, count, count * size] for count, size in zip(counts, sizes, strict=True)]
    return _fit(columns, seconds)  # type: ignore[return-value]


def _fit(columns: Sequence[Sequence[float]], seconds: Sequence[float]) -> tuple[float, ...]:
    """Solve nonnegative least squares of the relative errors."""
    weighted = np.array(columns, float) / np.array(seconds)[:, None]
    scale = weighted.max(axis=0)
    found, _ = nnls(weighted / scale, np.ones(len(seconds)))
    return tuple(map(float, found / scale))
