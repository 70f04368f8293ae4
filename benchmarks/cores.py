"""Which cores this process may use, and keeping it to some of them where the system has a call for that."""

import os
from collections.abc import Iterable


def available() -> list[int]:
    """Return the numbers of the cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def pin(cores: Iterable[int]) -> None:
    """Keep this process to `cores`; where the system cannot, the threads that it is told to use are all there is."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
