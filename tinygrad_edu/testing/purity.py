"""Requirements on functions under test: they are deterministic and do not write into their inputs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.layouts import copy_with_layout_of
from tinygrad_edu.testing.failures import LawBroken, NotDeterministic


def copies(arrays: Sequence[Array]) -> list[Array]:
    """Copy arrays, keeping their memory layouts, before a call of a function that may write into them."""
    return [copy_with_layout_of(x, x) for x in arrays]


def require_unwritten(name: str, names: Sequence[str], arrays: Sequence[Array], before: Sequence[Array]) -> None:
    """Raise `LawBroken` if a call changed its inputs: `arrays` differ from `before`, their copies."""
    for label, x, was in zip(names, arrays, before, strict=True):
        if not np.array_equal(x, was, equal_nan=True):
            raise LawBroken(
                f"{name} writes into its input {label}, so the caller's array changes. Compute with a copy, or without "
                f"assigning to elements and without operators like +=."
            )


def require_deterministic(name: str, f: Callable[..., Any], arrays: Sequence[Array]) -> Array:
    """Return f(*arrays); raise `NotDeterministic` if a second call returns a different result."""
    first, second = np.array(f(*copies(arrays))), np.asarray(f(*copies(arrays)))
    if not np.array_equal(first, second, equal_nan=first.dtype.kind in "fc"):
        raise NotDeterministic(
            f"{name} is not deterministic: two calls at one point returned results that differ in "
            f"{np.sum(first != second)} of {first.size} elements. Draw its random numbers outside of it, or from a "
            f"Generator that each call makes with the same seed."
        )
    return first
