"""argnums: the positions of the arguments to differentiate with respect to."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.errors import DTypeError
from tinygrad_edu.transforms.linearize import Function

__all__ = ["require_function", "select_argnums"]


def require_function(f: Any) -> None:
    """Raise `DTypeError` unless f is callable."""
    if not callable(f):
        raise DTypeError(
            f"the gradient is taken of a function, and this is a {type(f).__name__}: grad(f)(x) is the gradient of f "
            "at x. Of a Tensor y that was computed from x, y.backward() leaves it in x.grad."
        )


def select_argnums(
    f: Function, argnums: int | Sequence[int], args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[Function, list[Any]]:
    """Return f as a function of the arguments at `argnums` alone, and these arguments."""
    positions = _normalize_argnums(argnums if isinstance(argnums, Sequence) else [argnums], len(args))

    def of_selected(*selected: Any) -> Any:
        replaced = list(args)
        for position, x in zip(positions, selected, strict=True):
            replaced[position] = x
        return f(*replaced, **kwargs)

    return of_selected, [args[i] for i in positions]


def _normalize_argnums(argnums: Sequence[Any], count: int) -> list[int]:
    """Convert argnums, of which negative ones count from the end, to positions among `count` arguments."""
    for i in argnums:
        if not isinstance(i, int | np.integer) or not -count <= i < count:
            raise ValueError(
                f"argnums: {i!r} is no position of an argument: the function was called with {count}, and positions go "
                f"from {-count} to {count - 1}. No gradient is taken with respect to keyword arguments."
            )
    positions = [int(i) % count for i in argnums]
    if len(set(positions)) < len(positions):
        raise ValueError(f"argnums: {argnums!r} names an argument twice; name each once.")
    return positions
