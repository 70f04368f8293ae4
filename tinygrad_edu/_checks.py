"""Checks of arguments that several rooms share: whole numbers, and generators of random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.errors import DataError, DTypeError


def whole_number(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return `value` as an int, or say which whole numbers `name` may be."""
    wanted = f"{low} or more" if high is None else f"from {low} to {high}"
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
        raise DTypeError(f"{name} must be a whole number, {wanted}; got {value!r}, a {type(value).__name__}.")
    if value < low or (high is not None and value > high):
        raise DataError(f"{name} must be {wanted}; got {value}.")
    return int(value)


def generator(rng: Any) -> np.random.Generator:
    """Return `rng` if it is a NumPy Generator, or say how to make one. A seed would start every layer alike."""
    if isinstance(rng, np.random.Generator):
        return rng
    raise DTypeError(
        f"rng is a numpy.random.Generator, not {rng!r}: make one for the whole program, "
        f"rng = numpy.random.default_rng(seed), and pass it to whatever draws."
    )
