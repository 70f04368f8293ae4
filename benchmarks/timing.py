"""Time, page faults and sleeps of a repeated step."""

import resource
import time
from collections.abc import Callable
from typing import Any

from benchmarks.statistics import median


def milliseconds(step: Callable[[], Any], before: int = 0) -> float:
    """Return the milliseconds of one step, after `before` unmeasured steps."""
    for _ in range(before):
        step()
    begin = time.perf_counter()
    step()
    return 1000 * (time.perf_counter() - begin)


def timed(step: Callable[[], Any], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of a step, and per step the page faults and the sleeps of threads."""
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
