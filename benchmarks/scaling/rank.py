"""A rank of a job: rank 0 reads commands, all ranks execute them, and rank 0 answers, in lines of JSON."""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from benchmarks.worker import answers

WARM = 2  # unmeasured runs


class Rank:
    """Commands of a rank: each public method is one, which all ranks execute at the same time.

    Parameters
    ----------
    side : module
        Module with a function for each kind of work, ``RANK``, and ``gather``, which returns the values of all ranks.
    """

    def __init__(self, side: Any) -> None:
        self.gather: Callable[[Any], list[Any]] = side.gather
        self._run = cache(lambda name, given: getattr(side, name)(**dict(given)))

    def processes(self) -> list[int]:
        """Return the process id of each rank."""
        return self.gather(os.getpid())

    def losses(self, work: str, times: int, **given: Any) -> list[list[float]]:
        """Return the losses of several runs, for each rank."""
        run = self._run(work, tuple(given.items()))
        return self.gather([float(run()) for _ in range(times)])

    def seconds(self, work: str, seconds: float, **given: Any) -> list[list[float]]:
        """Run for some seconds, at least twice, and return the seconds of each run, for each rank."""
        run = self._run(work, tuple(given.items()))
        once = [_timed(run) for _ in range(WARM)][-1]
        count = self.gather(max(2, round(seconds / once)))[0]
        return self.gather([_timed(run) for _ in range(count)])


def _timed(run: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def main() -> None:
    """Execute commands until the input ends."""
    pipe, side = answers(), importlib.import_module(sys.argv[1])
    rank, is_first = Rank(side), side.RANK == 0
    while line := side.gather(sys.stdin.readline() if is_first else None)[0]:
        command = json.loads(line)
        answer = getattr(rank, command.pop("command"))(**command)
        if is_first:
            print(json.dumps({"answer": answer}), file=pipe, flush=True)


if __name__ == "__main__":
    main()
