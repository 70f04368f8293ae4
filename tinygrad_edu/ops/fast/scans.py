"""Accumulation along an axis, faster where many are made side by side: each step is one operation on all of them."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index


def plain_accumulated(function: np.ufunc, x: ndarray, axis: int) -> Any:
    """Return for each place along `axis` what the function makes of all elements up to it, one after the other."""
    return function.accumulate(x, axis)


def accumulated(function: np.ufunc, x: ndarray, axis: int) -> Any:
    """Return `plain_accumulated`; of many at once in a half to a tenth of the time, with the same bits."""
    if x.size < _LARGE * max(x.shape[normalize_axis_index(axis, x.ndim)], 1):
        return plain_accumulated(function, x, axis)
    steps = np.array(np.moveaxis(x, axis, 0), order="C")
    for before, step in pairwise(steps):
        function(before, step, out=step)
    return np.ascontiguousarray(np.moveaxis(steps, 0, axis))


_LARGE = 1000
