"""Sums over the first axes. NumPy takes 20 ns for each row, so several short rows are added as one long row."""

import math
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine.plain import plain_sum_first
from tinygrad_edu.shared.speed.plain_mode import faster_than
from tinygrad_edu.shared.speed.thresholds import SizeThreshold


@faster_than(plain_sum_first)
def sum_first(x: ndarray, count: int) -> Any:
    """Implement `plain_sum_first`; for many short rows in half the time or less, with smaller rounding errors."""
    shape = x.shape[count:]
    rows, length = math.prod(x.shape[:count]), math.prod(shape)
    is_short = rows >= _MANY and 1 < length <= _SHORT_ROW  # NumPy is fast for rows of one element
    if not is_short or x.dtype.char not in "fd" or not x.flags.c_contiguous:
        return plain_sum_first(x, count)
    joined = max(1, min(_LONG_ROW // length, math.isqrt(rows)))
    end, x = rows - rows % joined, x.reshape(rows, length)
    total = np.add.reduce(np.add.reduce(x[:end].reshape(-1, joined * length), 0).reshape(joined, length), 0)
    if end < rows:
        total += np.add.reduce(x[end:], 0)
    return total.reshape(shape)


_MANY, _SHORT_ROW = map(SizeThreshold, (400, 256))  # number and length of rows for which joining them pays
_LONG_ROW = SizeThreshold(2048)  # most elements of a joined row
