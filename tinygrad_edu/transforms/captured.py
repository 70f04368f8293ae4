"""Objects that a function can reach without getting them as arguments: closures, globals, modules, attributes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from tinygrad_edu.engine import Tensor

__all__ = ["captured"]

_OPAQUE = (Tensor, np.ndarray, np.random.Generator, str, bytes, type, ModuleType)


def captured(function: Any) -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of each Tensor, Generator and object with attributes that a function can reach."""
    seen: set[int] = set()
    stack = [("", function)]
    while stack:
        path, value = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        yield path, value
        if not isinstance(value, _OPAQUE):
            stack += reversed(list(_parts(path, value)))


def _parts(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a value that may hold Tensors."""
    if isinstance(value, partial):
        yield from ((path, part) for part in (value.func, *value.args, *value.keywords.values()))
    elif isinstance(value, MethodType):
        yield path or "self", value.__self__
        yield path, value.__func__
    elif isinstance(value, FunctionType):
        names = inspect.getclosurevars(value)
        yield from {**names.globals, **names.nonlocals}.items()
        yield from ((path, default) for default in value.__defaults__ or ())
    elif isinstance(value, dict):
        yield from ((f"{path}[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((f"{path}[{k}]", part) for k, part in enumerate(value))
    else:
        yield from (
            ((f"{path}.{name}" if path else name, part) for name, part in vars(value).items())
            if hasattr(value, "__dict__")
            else ()
        )
