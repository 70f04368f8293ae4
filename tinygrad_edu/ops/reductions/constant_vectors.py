"""Constant vectors, whose dot products with rows are sums and means."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy import ndarray


@lru_cache(64)
def vector_of_ones(n: int, dtype: Any) -> ndarray:
    """Return a read-only vector of ones. It is cached."""
    return _read_only(np.ones(n, dtype))


@lru_cache(64)
def equal_weights(n: int, dtype: Any) -> ndarray:
    """Return a read-only vector of n numbers 1 / n: the dot product with it is the mean. It is cached."""
    return _read_only(np.full(n, 1 / max(n, 1), dtype))


def _read_only(x: ndarray) -> ndarray:
    x.flags.writeable = False
    return x
