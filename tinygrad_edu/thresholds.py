"""Sizes at which one way to compute a result becomes faster than another."""

from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


class SizeThreshold(int):
    """A size that decides how fast a result is computed, and not what it is.

    For example the number of elements from which a product is shared by threads, or the number of bytes that are
    copied at a time. `tinygrad_edu.testing.thresholds` sets them to small numbers, so that small inputs take the paths
    of large ones.

    Parameters
    ----------
    size : int
    least : int
        The smallest number that tests may set.

    Examples
    --------
    >>> LARGE = SizeThreshold(4000)
    >>> 5000 >= LARGE
    True
    """

    least: int

    def __new__(cls, size: int, least: int = 1) -> "SizeThreshold":
        """Keep the size as the number."""
        threshold = super().__new__(cls, size)
        threshold.least = least
        return threshold


# The functions that `plan` has made: tests clear their caches when they change thresholds.
PLANS: list[Callable[[], None]] = []


def plan(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Cache a function that decides, from shapes and thresholds alone, how a result is computed."""
    cached = lru_cache(1024)(function)
    PLANS.append(cached.cache_clear)
    return cached  # type: ignore[return-value]  # mypy knows only hashable arguments
