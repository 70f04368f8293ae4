"""Copies that lie in memory as the array did that was given: a rule may be wrong for some layouts alone."""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygrad_edu.engine import Array


def laid_out(values: Array, like: Array) -> Array:
    """Return a copy of `values` with the memory layout of `like`: the order of the axes, their directions, and gaps.

    Where `like` repeats its values, with a stride of 0, the copy has them all.

    Examples
    --------
    >>> laid_out(np.zeros((2, 3)), np.ones((3, 2)).T[::-1]).strides
    (-8, 16)
    """
    if like.flags.c_contiguous or _overlaps(like) or any(stride % like.itemsize for stride in like.strides):
        return np.array(values, order="C")
    steps = [stride // like.itemsize for stride in like.strides]
    reach = [(n - 1) * step for n, step in zip(like.shape, steps, strict=True)]
    first, last = -sum(r for r in reach if r < 0), sum(r for r in reach if r > 0)
    memory = np.empty(first + last + 1, values.dtype)
    copy: Array = as_strided(memory[first:], values.shape, [step * values.itemsize for step in steps])
    copy[...] = values
    return copy


def _overlaps(x: Array) -> bool:
    """Whether elements of an array may share memory."""
    reach = 0
    for stride, n in sorted((abs(stride), n) for stride, n in zip(x.strides, x.shape, strict=True) if n > 1):
        if stride <= reach:
            return True
        reach += (n - 1) * stride
    return False
