"""Parallel execution of many seeds in several processes."""

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed

CHUNK = 250  # seeds per task of a process

PlayAll = Callable[[Iterable[int]], tuple[Counter[str], list[str]]]


def play_chunks(play_all: PlayAll, seeds: range, processes: int, say: Callable[[str], None]) -> Counter[str]:
    """Return the total counts of all seeds; report each failure when its chunk is done.

    Raises
    ------
    concurrent.futures.process.BrokenProcessPool
        A process was killed.
    """
    figures = Counter[str]()
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        chunks = [pool.submit(play_all, seeds[first : first + CHUNK]) for first in range(0, len(seeds), CHUNK)]
        for chunk in as_completed(chunks):
            more, failed = chunk.result()
            figures.update(more)
            for text in failed:
                say(text)
    return figures
