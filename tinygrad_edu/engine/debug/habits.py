"""Warnings for calls that PyTorch and NumPy understand in two ways.

The keyword of NumPy, ``axis=`` or ``indices_or_sections=``, is always right and never warns.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tinygrad_edu.errors import HabitWarning
from tinygrad_edu.errors.caller import warn_caller
from tinygrad_edu.errors.hints.tables import VALUES_ALONE


def _check_axis(name: str, x: Any, axis: Any = None, *others: Any, **settings: Any) -> None:
    """Warn for an axis by position, with which PyTorch's function returns a pair, unless a keyword is NumPy's alone."""
    if isinstance(axis, int | np.integer) and settings.keys() <= {"keepdims", "descending", "stable"}:
        indices = VALUES_ALONE[name].replace("`", "").replace("axis=axis", f"axis={axis}")
        warn_caller(
            f"{name}: with an axis by position, PyTorch returns a pair of values and indices. Here the result is the "
            f"values alone, as in NumPy, and its [0] is a row. For the values, write {name}(axis={axis}), which never "
            f"warns. PyTorch's indices are {indices}.",
            HabitWarning,
        )


def _check_sections(x: Any, sections: Any, axis: Any = 0) -> None:
    """Warn for a list that sums to the length of the axis: PyTorch reads it as lengths."""
    is_lengths = isinstance(sections, list | tuple) and len(sections) and min(sections) >= 0
    if is_lengths and sum(sections) == np.shape(x)[axis]:
        warn_caller(
            "split: the list sums to the length of the axis, and PyTorch reads it as the lengths of the parts. Here it "
            "has positions, as in NumPy. For positions, write split(indices_or_sections=positions), which never warns. "
            "For lengths, write tg.array_split(x, np.cumsum(lengths)[:-1], axis).",
            HabitWarning,
        )


# The check of each function and method that has one, called after a call with several positional arguments.
CHECKS: dict[str, Callable[..., None]] = {
    **{name: partial(_check_axis, name) for name in VALUES_ALONE}, "split": _check_sections
}  # fmt: skip
