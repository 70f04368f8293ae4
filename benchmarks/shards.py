"""Training steps of a loop by hand, and of `fit` with whole batches and with shards: ``python -m benchmarks.shards``.

Each number is the least of all rounds, in milliseconds on two cores. The ways alternate.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat
from math import inf
from typing import Any

import numpy as np

from benchmarks import ours
from benchmarks.cores import available, pin
from benchmarks.scaling.ours import network
from benchmarks.timing import milliseconds
from tinygrad_edu import cross_entropy
from tinygrad_edu.shared.display.command_line import Parser
from tinygrad_edu.training import Steps

NETWORKS = {"mnist": "the MNIST net", "lenet": "a LeNet", "resnet": "a ResNet", "transformer": "a transformer"}
COUPLED = {"resnet"}  # batch normalization couples the samples
SIZES = 128, 512
TIMED = 3  # steps of a way in a round


def fitted(name: str, size: int, shard_size: int | None) -> Callable[[], Any]:
    """Return a training step of `fit`."""
    model, x, y = network(name, size)
    steps = Steps(model, ours.sgd(model), cross_entropy, np.random.default_rng(0), shard_size=shard_size)
    return partial(next, steps.run(repeat((x, y))))


def ways(name: str, size: int) -> Iterator[Callable[[], Any]]:
    """Yield a step by hand, of whole batches, and of shards if the network has independent samples."""
    yield ours.plain_trainer(*network(name, size))
    yield fitted(name, size, None)
    if name not in COUPLED:
        yield fitted(name, size, ours.SHARD_SIZE)


def least(name: str, size: int, seconds: float) -> list[float]:
    """Return the milliseconds of each way, the least of all rounds."""
    steps, end = list(ways(name, size)), time.monotonic() + seconds
    found = [inf] * len(steps)
    while time.monotonic() < end:
        for k, step in enumerate(steps):
            found[k] = min(found[k], *(milliseconds(step) for _ in range(TIMED)))
    return found


def main() -> None:
    """Print the table."""
    parser = Parser("python -m benchmarks.shards", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30, help="seconds for a row (default: %(default)s)")
    seconds = parser.parse_args().seconds
    pin(available()[:2])
    print("|  | batch | loop by hand | `fit` | `fit(shard_size=64)` |\n| --- | --- | --- | --- | --- |")
    for name, title in NETWORKS.items():
        for size in SIZES:
            cells = [f"{time:.3g}" for time in least(name, size, seconds)]
            print(f"| {title} | {size} | {' | '.join([*cells, 'raises'][:3])} |", flush=True)


if __name__ == "__main__":
    main()
