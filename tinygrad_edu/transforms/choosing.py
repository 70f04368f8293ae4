"""Which arguments of a function are differentiated by."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.errors import DTypeError
from tinygrad_edu.transforms.pulling import Function

__all__ = ["Choice", "chosen"]


Choice = Callable[[tuple[Any, ...], dict[str, Any]], tuple[Function, list[Any]]]


def chosen(f: Function, argnums: int | Sequence[int]) -> Choice:
    """Return what makes, of arguments and settings for f, a function of those at `argnums` alone, and these."""
    if not callable(f):
        raise DTypeError(
            f"the gradient is taken of a function, and this is a {type(f).__name__}: grad(f)(x) is the gradient of f "
            "at x. Of a Tensor y that was computed from x, y.backward() leaves it in x.grad."
        )

    def choose(args: tuple[Any, ...], settings: dict[str, Any]) -> tuple[Function, list[Any]]:
        positions = _positions(argnums if isinstance(argnums, Sequence) else [argnums], len(args))

        def of_these(*these: Any) -> Any:
            replaced = list(args)
            for position, x in zip(positions, these, strict=True):
                replaced[position] = x
            return f(*replaced, **settings)

        return of_these, [args[i] for i in positions]

    return choose


def _positions(argnums: Any, count: int) -> list[int]:
    """Return which of `count` arguments are meant, each once; as in Python, -1 is the last."""
    for i in argnums:
        if not isinstance(i, int | np.integer) or not -count <= i < count:
            raise ValueError(
                f"argnums: {i!r} is no position of an argument: the function was called with {count}, and positions go "
                f"from {-count} to {count - 1}. Arguments given by name are not differentiated by."
            )
    positions = [int(i) % count for i in argnums]
    if len(set(positions)) < len(positions):
        raise ValueError(f"argnums: {argnums!r} names an argument twice, and its gradient would be in one place only.")
    return positions
