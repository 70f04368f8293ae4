"""Warnings for calls that PyTorch and NumPy understand in two ways.

The keyword of NumPy, ``axis=`` or ``indices_or_sections=``, is always right and never warns.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tinygrad_edu.caller import warn_caller
from tinygrad_edu.errors import HabitWarning
from tinygrad_edu.name_tables import VALUES_ALONE


def _check_axis(name: str, x: Any, axis: Any = None, *others: Any, **settings: Any) -> None:
    """Warn for an axis by position, with which PyTorch's function returns a pair."""
    if isinstance(axis, int | np.integer):
        indices = VALUES_ALONE[name].replace("`", "").replace("axis=axis", f"axis={axis}")
        warn_caller(
            f"{name}: an axis by position is a habit from PyTorch, where it gives a pair of values and indices; here "
            f"the result is the values alone, and [0] is their first row. For the values, write axis={axis}, which "
            f"never warns; the indices of PyTorch are {indices}.",
            HabitWarning,
        )


def _check_sections(x: Any, sections: Any, axis: Any = 0) -> None:
    """Warn for a list that PyTorch reads as lengths: it sums to the length of the axis."""
    shape = np.shape(x)
    if not isinstance(sections, list | tuple | np.ndarray) or not -len(shape) <= axis < len(shape):
        return
    if len(sections) and np.sum(sections) == shape[axis]:
        lengths = [int(n) for n in sections]
        warn_caller(
            f"split: {lengths} are positions, as in NumPy. They sum to the length of axis {axis}; PyTorch reads such a "
            f"list as lengths. For positions, write indices_or_sections={lengths}, which never warns; for lengths, "
            f"tg.array_split(x, {np.cumsum(lengths)[:-1].tolist()}, axis={axis}).",
            HabitWarning,
        )


# The check of each function and method that has one, called after a call with several positional arguments.
CHECKS: dict[str, Callable[..., None]] = {
    **{name: partial(_check_axis, name) for name in VALUES_ALONE}, "split": _check_sections
}  # fmt: skip
