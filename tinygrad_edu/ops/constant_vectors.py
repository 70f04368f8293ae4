"""Constant vectors, whose dot products with rows are sums and means."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy import ndarray


@lru_cache(64)
def vector_of_ones(n: int, dtype: Any) -> ndarray:
    """Return a vector of ones, the same one for each call."""
    return np.ones(n, dtype)


@lru_cache(64)
def equal_weights(n: int, dtype: Any) -> ndarray:
    """Return a vector of n numbers 1 / n: the dot product with it is the mean."""
    return np.full(n, 1 / max(n, 1), dtype)
