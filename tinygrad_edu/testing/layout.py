"""Copies that lie in memory as the array did that was given: a rule may be wrong for some layouts alone."""

from typing import Any

import numpy as np

from tinygrad_edu.engine import Array


def laid_out(values: Array, like: Array) -> Array:
    """Return a copy of `values` with the memory layout of `like`: the order of the axes, their directions, and gaps.

    Where `like` repeats its values, with a stride of 0, the copy has them all.

    Examples
    --------
    >>> laid_out(np.zeros((2, 3)), np.ones((3, 2)).T[::-1]).strides
    (-8, 16)
    """
    if like.flags.c_contiguous:
        return np.array(values, order="C")
    ahead: Any = (*(slice(None, None, -1 if stride < 0 else 1) for stride in like.strides), ...)
    outermost_first = sorted(range(like.ndim), key=lambda axis: -abs(like.strides[axis]))
    dense = like[ahead].transpose(outermost_first).flags.c_contiguous
    shape = [like.shape[axis] for axis in outermost_first]
    memory: Array = np.empty((*shape, 1 if dense else 2), values.dtype)[..., 0]
    copy: Array = memory.transpose(np.argsort(outermost_first).tolist())[ahead]
    copy[...] = values
    return copy
