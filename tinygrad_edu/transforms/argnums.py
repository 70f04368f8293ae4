"""argnums: the positions of the arguments to differentiate with respect to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.engine import Function
from tinygrad_edu.errors import DTypeError


def require_function(f: Any) -> None:
    """Raise `DTypeError` unless f is callable."""
    if not callable(f):
        raise DTypeError(
            f"f must be a function, got a {type(f).__name__}: grad(f)(x) is the gradient of f at x. For a Tensor y "
            "that was computed from x, y.backward() stores the gradient in x.grad."
        )


def select_argnums(
    f: Function, argnums: int | Sequence[int], args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[Function, list[Any]]:
    """Split the arguments of f: return a function of those at `argnums` only, and their values."""
    positions = _normalize_argnums(argnums if isinstance(argnums, Sequence) else [argnums], len(args))

    def f_of_selected(*selected: Any) -> Any:
        replaced = list(args)
        for position, x in zip(positions, selected, strict=True):
            replaced[position] = x
        return f(*replaced, **kwargs)

    return f_of_selected, [args[i] for i in positions]


def _normalize_argnums(argnums: Sequence[Any], count: int) -> list[int]:
    """Convert argnums, which may count from the end, to positions of `count` arguments."""
    for i in argnums:
        if not isinstance(i, int | np.integer) or not -count <= i < count:
            raise ValueError(
                f"argnums must be integers from {-count} to {count - 1}, since the function was called with {count} "
                f"positional arguments, got {i!r}. Keyword arguments have no gradients."
            )
    positions = [int(i) % count for i in argnums]
    if len(set(positions)) < len(positions):
        raise ValueError(f"argnums must not contain an argument twice, got {argnums!r}.")
    return positions
