"""Plain twins of functions in the folder ``fast`` of the engine. `shared.speed.plain_mode` chooses."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy import ndarray


def plain_add_at(total: ndarray, index: Any, values: Any) -> None:
    """Add values to the elements at an index, in place. An element that occurs twice in the index is added to twice."""
    if total.dtype != np.float16:
        np.add.at(total, index, values)
        return
    wide = total.astype(np.float32)  # in float16, 2048 + 1 is 2048
    np.add.at(wide, index, values)
    total[...] = wide


def plain_sum_first(x: ndarray, count: int) -> Any:
    """Return the sum over the first axes."""
    dtype = np.float32 if x.dtype == np.float16 else x.dtype  # in float16, 2048 + 1 is 2048
    return np.add.reduce(x, tuple(range(count)), dtype).astype(x.dtype, copy=False)


def plain_parameters(function: Callable[..., Any]) -> Iterable[Any]:
    """Return the parameters of a function."""
    return inspect.signature(function).parameters.values()
