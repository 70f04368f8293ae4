"""Cost of Python's global interpreter lock for two threads on two cores: ``python -m benchmarks.lock``.

Each workload is timed on one thread and on two: a step in two shards of 64 images, or a whole batch whose ops divide
its rows among threads. For comparison, two processes, which share no lock, each take a step of half the batch at the
same time. Their time is limited only by the cores and the memory.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from threading import Semaphore, Thread

from benchmarks import ours
from benchmarks.cores import available, pin
from benchmarks.timing import timed
from benchmarks.workloads import WORKLOADS
from tinygrad_edu.shared.display.command_line import Parser

KEYS = "1", "3", "4", "4s", "4d", "4t", "9", "10"
MEASURED = {workload.key: workload for workload in WORKLOADS if workload.key in KEYS}


def step(key: str, batch: int, rounds: int) -> dict[str, float]:
    """Return the median milliseconds of a step of a workload, its page faults, and how often a thread slept."""
    workload = MEASURED[key]
    return timed(getattr(ours, workload.function)({**workload.sizes, "batch": batch}, False), rounds)


def handing_over(times: int = 3000) -> float:
    """Return the microseconds from the release of a semaphore until a sleeping thread continues."""
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


def _start(key: str, batch: int, rounds: int, *cores: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.lock", "--step", key, str(batch), str(rounds), *map(str, cores)]
    return subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True)


def _ask(*processes: subprocess.Popen[str]) -> list[dict[str, float]]:
    return [json.loads(process.communicate()[0]) for process in processes]


def main() -> None:
    """Print the table."""
    parser = Parser("python -m benchmarks.lock", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=MEASURED, default=list(MEASURED), help="workloads (default: all)")
    parser.add_argument("--rounds", type=int, default=100, help="timings of each workload (default: %(default)s)")
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        key, batch, rounds, *cores = options.step
        pin(map(int, cores))
        print(json.dumps(step(key, int(batch), int(rounds))))
        return
    one, two = available()[:2]
    print(f"a sleeping thread continues after {handing_over():.0f} us")
    for key in options.only:
        whole = int(MEASURED[key].sizes["batch"])
        (alone,) = _ask(_start(key, whole, options.rounds, one))
        (together,) = _ask(_start(key, whole, options.rounds, one, two))
        apart = _ask(*(_start(key, whole // 2, options.rounds, core) for core in (one, two)))
        print(
            f"{key}: on one thread {alone['milliseconds']:.2f} ms; on two {together['milliseconds']:.2f} ms, with "
            f"{together['sleeps']:.0f} sleeps per step; half in each of two processes "
            f"{max(a['milliseconds'] for a in apart):.2f} ms"
        )


if __name__ == "__main__":
    main()
