"""The memory layout of an array: its order of axes, its gaps and its directions, given to other values."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygrad_edu.engine import Array


def laid_out(values: Any, like: Array) -> Array:
    """Return a copy of `values` that lies in memory as `like` does; of repeated elements, each is to vary alone."""
    if like.flags.c_contiguous or _overlaps(like) or any(stride % like.itemsize for stride in like.strides):
        return np.array(values, order="C")
    values = np.asarray(values)
    steps = [stride // like.itemsize for stride in like.strides]
    reach = [(n - 1) * step for n, step in zip(like.shape, steps, strict=True)]
    first, last = -sum(r for r in reach if r < 0), sum(r for r in reach if r > 0)
    memory = np.empty(first + last + 1, values.dtype)
    result: Array = as_strided(memory[first:], values.shape, [step * values.itemsize for step in steps])
    result[...] = values
    return result


def _overlaps(x: Array) -> bool:
    """Whether elements of an array may share memory."""
    reach = 0
    for stride, n in sorted((abs(stride), n) for stride, n in zip(x.strides, x.shape, strict=True) if n > 1):
        if stride <= reach:
            return True
        reach += (n - 1) * stride
    return False
