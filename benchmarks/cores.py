"""Cores that this process may use, and pinning it to some of them."""

import os
from collections.abc import Iterable


def available() -> list[int]:
    """Return the numbers of the cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def pin(cores: Iterable[int]) -> None:
    """Pin this process to `cores`; do nothing on systems without that call."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
