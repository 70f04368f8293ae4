"""Nests of arrays and plain values as JSON and arrays by name, and back, to the last bit."""

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.errors import DTypeError

__all__ = ["pack", "unpack"]

# A dict that has one of these keys alone stands for something that JSON lacks.
_MARKS = frozenset(("array", "dict", "tuple"))


def pack(value: Any, arrays: dict[str, ndarray], path: str = "") -> Any:
    """Return a nest as JSON has it; the arrays in it go to `arrays`, under their paths.

    Raises
    ------
    DTypeError
        There is something that is neither an array nor a plain value.

    Examples
    --------
    >>> arrays = {}
    >>> packed = pack({"rate": 0.1, "w": np.arange(2), "betas": (0.9, 0.99)}, arrays)
    >>> packed
    {'rate': 0.1, 'w': {'array': 'w'}, 'betas': {'tuple': [0.9, 0.99]}}
    >>> unpack(packed, arrays)
    {'rate': 0.1, 'w': array([0, 1]), 'betas': (0.9, 0.99)}
    """
    if isinstance(value, ndarray):
        name = path
        while name in arrays:  # as those of {"a.b": x, "a": {"b": y}}
            name += "'"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        items = {key: pack(item, arrays, _joined(path, key)) for key, item in value.items()}
        plain = all(isinstance(key, str) for key in items) and not (len(items) == 1 and _MARKS & items.keys())
        return items if plain else {"dict": [list(pair) for pair in items.items()]}
    if isinstance(value, list | tuple):
        parts = [pack(item, arrays, _joined(path, k)) for k, item in enumerate(value)]
        return parts if isinstance(value, list) else {"tuple": parts}
    if value is None or isinstance(value, str | int | float):
        return value
    raise DTypeError(
        f"a checkpoint cannot hold {path or 'a value'}, a {type(value).__name__}: it holds arrays, numbers, strings, "
        f"and dicts, lists and tuples of them."
    )


def unpack(packed: Any, arrays: dict[str, ndarray]) -> Any:
    """Return the nest that `pack` was given."""
    if isinstance(packed, list):
        return [unpack(item, arrays) for item in packed]
    if not isinstance(packed, dict):
        return packed
    if len(packed) == 1 and _MARKS & packed.keys():
        ((mark, content),) = packed.items()
        if mark == "array":
            return arrays[content]
        parts = unpack(content, arrays)
        return tuple(parts) if mark == "tuple" else dict(parts)
    return {key: unpack(item, arrays) for key, item in packed.items()}


def _joined(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)
