"""Requirements on functions under test: they must be deterministic and must not write into their inputs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.layouts import copy_with_layout_of
from tinygrad_edu.testing.failures import LawBroken, NotDeterministic


def copies(arrays: Sequence[Array]) -> list[Array]:
    """Return copies of arrays with the same memory layouts, for a call of a function that may write into them."""
    return [copy_with_layout_of(x, x) for x in arrays]


def require_unwritten(name: str, names: Sequence[str], arrays: Sequence[Array], before: Sequence[Array]) -> None:
    """Raise `LawBroken` if a call changed its inputs: `arrays` differ from `before`, their copies."""
    for label, x, original in zip(names, arrays, before, strict=True):
        if not np.array_equal(x, original, equal_nan=True):
            raise LawBroken(
                f"{name} writes into its input {label}, which changes the caller's array. Compute on a copy, or avoid "
                f"item assignment and in-place operators such as +=."
            )


def require_deterministic(name: str, f: Callable[..., Any], arrays: Sequence[Array]) -> Array:
    """Return f(*arrays); raise `NotDeterministic` if a second call returns a different result."""
    first, second = np.array(f(*copies(arrays))), np.asarray(f(*copies(arrays)))
    require_same(name, first, second)
    return first


def require_same(name: str, first: Array, second: Array) -> None:
    """Raise `NotDeterministic` if the results of two calls with the same inputs differ."""
    if not np.array_equal(first, second, equal_nan=first.dtype.kind in "fc"):
        raise NotDeterministic(
            f"{name} is not deterministic: the results of two calls with the same inputs differ in "
            f"{np.sum(first != second)} of {first.size} elements. Draw random numbers outside the function, or create "
            f"its Generator in each call with the same seed."
        )
