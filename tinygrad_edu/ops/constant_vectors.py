"""Factors of rows: constant vectors, whose dot products are sums and means, and scales without infinity."""

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


def nan_if_infinite(factor: ndarray) -> Any:
    """Return the factors of deviations, with NaN in place of infinity.

    A deviation may be a mere rounding error; its product with infinity would be infinite, with a random sign.
    """
    return factor + (factor - factor)
