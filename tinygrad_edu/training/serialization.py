"""Convert pytrees of arrays and plain values to JSON and named arrays, and back, without loss."""

from reprlib import repr as brief
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.errors import DataError, DTypeError

# A dict whose only key is one of these encodes a type that JSON lacks.
_TAGS = frozenset(("array", "dict", "tuple"))


def pack(value: Any, arrays: dict[str, ndarray], path: str = "") -> Any:
    """Convert a pytree to JSON values, and store its arrays in `arrays` under their paths.

    Raises
    ------
    DTypeError
        A leaf is neither an array nor a plain value.

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
        while name in arrays:  # such as in {"a.b": x, "a": {"b": y}}
            name += "'"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        items = {key: pack(item, arrays, _join_path(path, key)) for key, item in value.items()}
        plain = all(isinstance(key, str) for key in items) and not (len(items) == 1 and _TAGS & items.keys())
        return items if plain else {"dict": [[pack(key, arrays, path), item] for key, item in items.items()]}
    if isinstance(value, list | tuple):
        parts = [pack(item, arrays, _join_path(path, k)) for k, item in enumerate(value)]
        return parts if isinstance(value, list) else {"tuple": parts}
    if value is None or isinstance(value, str | int | float):
        return value
    raise DTypeError(
        f"a checkpoint cannot store {path or 'a value'}, a {type(value).__name__}; expected arrays, numbers, strings, "
        f"or dicts, lists and tuples of them."
    )


def unpack(packed: Any, arrays: dict[str, ndarray], path: str = "") -> Any:
    """Return the pytree from which `pack` made `packed`.

    Raises
    ------
    DataError
        `packed` is not a result of `pack`. The message names the path of the invalid item.

    Examples
    --------
    >>> unpack({"betas": {"tuple": 0.9}}, {})
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.DataError: betas must be a tuple stored as a list, got 0.9.
    """
    if isinstance(packed, list):
        return [unpack(item, arrays, _join_path(path, k)) for k, item in enumerate(packed)]
    if not isinstance(packed, dict):
        return packed
    if len(packed) == 1 and _TAGS & packed.keys():
        ((mark, content),) = packed.items()
        return _UNPACKERS[mark](content, arrays, path)
    return {key: unpack(item, arrays, _join_path(path, key)) for key, item in packed.items()}


def _unpack_array(name: Any, arrays: dict[str, ndarray], path: str) -> ndarray:
    if not isinstance(name, str) or name not in arrays:
        raise DataError(f"{path or 'a value'} refers to the array {brief(name)}, which is missing.")
    return arrays[name]


def _unpack_tuple(items: Any, arrays: dict[str, ndarray], path: str) -> tuple[Any, ...]:
    if not isinstance(items, list):
        raise DataError(f"{path or 'a value'} must be a tuple stored as a list, got {brief(items)}.")
    return tuple(unpack(items, arrays, path))


def _unpack_dict(pairs: Any, arrays: dict[str, ndarray], path: str) -> dict[Any, Any]:
    found = unpack(pairs, arrays, path)
    try:
        return dict(found)
    except (TypeError, ValueError) as error:  # not pairs, or an unhashable key
        raise DataError(f"{path or 'a value'} must be a dict stored as pairs, got {brief(pairs)}.") from error


_UNPACKERS = {"array": _unpack_array, "tuple": _unpack_tuple, "dict": _unpack_dict}


def _join_path(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)
