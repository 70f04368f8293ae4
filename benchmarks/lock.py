"""``python -m benchmarks.lock``: what Python's lock costs where two shards are computed at once, on two cores.

A training step of two shards of 64 images is timed on one thread and on two threads; beside them two processes, which
share no lock, take a step of one shard each at the same time.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from threading import Semaphore, Thread

from benchmarks import ours, workloads
from benchmarks.cores import available, pin
from benchmarks.timing import timed

SHARD_SIZE = 64
NETWORKS = {"MNIST net": "mnist_step", "LeNet": "lenet_step"}


def training_step(network: str, batch: int, rounds: int) -> dict[str, float]:
    """Return the median milliseconds of a training step, and how often one of its threads had to sleep."""
    sizes = {"mnist_step": {}, "lenet_step": workloads.LENET}[network]
    return timed(getattr(ours, network)({**sizes, "batch": batch}, False), rounds)


def handing_over(times: int = 3000) -> float:
    """Return how many microseconds pass from one thread's word until another, which slept, goes on."""
    ask, answer = Semaphore(0), Semaphore(0)

    def other() -> None:
        for _ in range(times):
            ask.acquire()
            answer.release()

    thread = Thread(target=other)
    thread.start()
    begin = time.perf_counter()
    for _ in range(times):
        ask.release()
        answer.acquire()
    thread.join()
    return 1e6 * (time.perf_counter() - begin) / times / 2


def _start(network: str, batch: int, rounds: int, *cores: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.lock", "--step", network, str(batch), str(rounds), *map(str, cores)]
    return subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True)


def _ask(*processes: subprocess.Popen[str]) -> list[dict[str, float]]:
    return [json.loads(process.communicate()[0]) for process in processes]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.lock", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200, help="how often each is timed (default: %(default)s)")
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        network, batch, rounds, *cores = options.step
        pin(map(int, cores))
        print(json.dumps(training_step(network, int(batch), int(rounds))))
        return
    one, two = available()[:2]
    print(f"a sleeping thread goes on after {handing_over():.0f} us")
    for name, network in NETWORKS.items():
        whole, half = (network, 2 * SHARD_SIZE, options.rounds), (network, SHARD_SIZE, options.rounds)
        (alone,), (together,) = _ask(_start(*whole, one)), _ask(_start(*whole, one, two))
        apart = _ask(_start(*half, one), _start(*half, two))
        print(
            f"{name}: two shards on one thread {alone['milliseconds']:.2f} ms; on two threads "
            f"{together['milliseconds']:.2f} ms, with {together['sleeps']:.0f} sleeps a step; "
            f"one shard in each of two processes {max(a['milliseconds'] for a in apart):.2f} ms"
        )


if __name__ == "__main__":
    main()
