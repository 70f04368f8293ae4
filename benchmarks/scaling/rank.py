"""One rank of a job: the first reads commands from standard input, a JSON line each; all do them, and it answers."""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from benchmarks.worker import answers

WARM = 2  # runs that are not counted


class Rank:
    """What the parent can ask for: each public method is a command, which all ranks do at the same time.

    Parameters
    ----------
    side : module
        Offers a function for each kind of work, ``RANK``, and ``gather``, which gives each rank what all of them have.
    """

    def __init__(self, side: Any) -> None:
        self.gather: Callable[[Any], list[Any]] = side.gather
        self._run = cache(lambda name, given: getattr(side, name)(**dict(given)))

    def processes(self) -> list[int]:
        """Return the number that the system gave each rank."""
        return self.gather(os.getpid())

    def losses(self, work: str, times: int, **given: Any) -> list[list[float]]:
        """Return what each rank got in several runs."""
        run = self._run(work, tuple(given.items()))
        return self.gather([float(run()) for _ in range(times)])

    def seconds(self, work: str, seconds: float, **given: Any) -> list[list[float]]:
        """Run for some seconds, twice at least, and return how long each run took on each rank."""
        run = self._run(work, tuple(given.items()))
        once = [_timed(run) for _ in range(WARM)][-1]
        count = self.gather(max(2, round(seconds / once)))[0]
        return self.gather([_timed(run) for _ in range(count)])


def _timed(run: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def main() -> None:
    """Answer until the input ends."""
    pipe, side = answers(), importlib.import_module(sys.argv[1])
    rank, is_first = Rank(side), side.RANK == 0
    while line := side.gather(sys.stdin.readline() if is_first else None)[0]:
        command = json.loads(line)
        answer = getattr(rank, command.pop("command"))(**command)
        if is_first:
            print(json.dumps({"answer": answer}), file=pipe, flush=True)


if __name__ == "__main__":
    main()
