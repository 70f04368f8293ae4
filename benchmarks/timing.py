"""A step that is taken over and over: how long it takes, and what the system counts meanwhile."""

import resource
import time
from collections.abc import Callable
from typing import Any

from benchmarks.statistics import median


def milliseconds(step: Callable[[], Any], before: int = 0) -> float:
    """Return how long one step takes, after some that are not timed."""
    for _ in range(before):
        step()
    begin = time.perf_counter()
    step()
    return 1000 * (time.perf_counter() - begin)


def timed(step: Callable[[], Any], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of a step, and for each its page faults and how often a thread went to sleep."""
    for _ in range(max(3, rounds // 4)):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF)
    times = [milliseconds(step) for _ in range(rounds)]
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "milliseconds": median(times),
        "page_faults": (after.ru_minflt - before.ru_minflt) / rounds,
        "sleeps": (after.ru_nvcsw - before.ru_nvcsw) / rounds,
    }
