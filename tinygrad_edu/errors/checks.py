"""Argument checks that several subpackages share: integers, strings of a fixed set, and random generators."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_edu.errors import DTypeError
from tinygrad_edu.errors.hints import nearest


def integer(name: str, value: Any, low: int | None = None, high: int | None = None) -> int:
    """Return `value` as an int.

    Raises
    ------
    DTypeError
        `value` is not an integer.
    ValueError
        `value` is less than `low` or greater than `high`.
    """
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if is_integer and (low is None or value >= low) and (high is None or value <= high):
        return int(value)
    limits = "" if low is None else f" >= {low}" if high is None else f" from {low} to {high}"
    if not is_integer:
        raise DTypeError(f"{name} must be an integer{limits}, got {value!r} of type {type(value).__name__}.")
    raise ValueError(f"{name} must be an integer{limits}, got {value}.")


def invalid_choice(name: str, value: Any, choices: Iterable[Any], *others: str) -> ValueError:
    """Return the error for a value that is none of the choices, with the closest choice.

    Parameters
    ----------
    name : str
        The public function or class, and its argument.
    value : object
    choices : iterable
        Accepted strings, or other values.
    *others : str
        Descriptions of further values that are accepted.
    """
    *first, last = [*map(repr, choices), *others]
    listed = f"{', '.join(first)} or {last}" if first else last
    closest = nearest(value, filter(lambda each: isinstance(each, str), choices)) if isinstance(value, str) else None
    return ValueError(f"{name} must be {listed}, got {value!r}" + (f"; did you mean {closest!r}?" if closest else "."))


def generator(rng: Any) -> np.random.Generator:
    """Return `rng` if it is a NumPy Generator. Reject a seed, with which every layer would draw the same numbers."""
    if isinstance(rng, np.random.Generator):
        return rng
    raise DTypeError(
        f"rng must be a numpy.random.Generator, got {rng!r}: create one for the whole program, "
        f"rng = numpy.random.default_rng(seed), and pass it to every function that needs random numbers."
    )
