"""Sizes at which one way to compute a result becomes faster than another."""

from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


class SizeThreshold(int):
    """A size from which a result is computed in another way, for speed.

    Examples are the number of elements from which threads share a product, and the number of bytes copied at a time.
    `tinygrad_edu.testing.thresholds` sets thresholds to small numbers, so that small inputs take the paths of large
    ones.

    Parameters
    ----------
    size : int
    least : int
        The smallest value that tests may set, for example of an upper bound. Default 1.

    Examples
    --------
    >>> LARGE = SizeThreshold(4000)
    >>> 5000 >= LARGE
    True
    """

    least: int

    def __new__(cls, size: int, least: int = 1) -> "SizeThreshold":
        """Store the size as the value of the integer."""
        threshold = super().__new__(cls, size)
        threshold.least = least
        return threshold


# Functions that clear the caches of `plan`. Tests call them when they change thresholds.
PLANS: list[Callable[[], None]] = []


def plan(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Cache a function that decides, from shapes and thresholds only, how to compute a result."""
    cached = lru_cache(1024)(function)
    PLANS.append(cached.cache_clear)
    return cached  # type: ignore[return-value]  # mypy knows only hashable arguments
