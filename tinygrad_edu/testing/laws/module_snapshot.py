"""Snapshots of the attributes of a module, to detect side effects of a call."""

from collections import deque
from collections.abc import Hashable
from functools import cached_property
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from tinygrad_edu.engine import Op, Tensor, values_of
from tinygrad_edu.nn import Module

__all__ = ["changed", "contents"]

Contents = dict[str, Hashable]

_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic)
_OPAQUE = (Module, Op, np.random.Generator, type, FunctionType, ModuleType)


def contents(module: Module) -> Contents:
    """Return what each attribute of a module and of the modules in it holds, by the path to the attribute.

    Cached properties are left out: they depend on no input.
    """
    held, seen = Contents(), set[int]()
    for path, part in module.named_modules():
        for name, value in vars(part).items():
            if not isinstance(getattr(type(part), name, None), cached_property):
                held[f"{path}.{name}" if path else name] = _frozen(value, seen)
    return held


def changed(before: Contents, after: Contents) -> str:
    """Return the path of the first attribute that is new, gone or changed; nothing where there is none."""
    paths = (path for path in before | after if (path in before, before.get(path)) != (path in after, after.get(path)))
    return next(paths, "")


def _frozen(value: Any, seen: set[int]) -> Hashable:
    """Return the identity and the contents of a value: of arrays the bytes, of objects their attributes."""
    if isinstance(value, _PLAIN):
        return type(value), repr(value)
    if isinstance(value, tuple):
        return tuple(_frozen(part, seen) for part in value)
    if id(value) in seen or isinstance(value, _OPAQUE):
        return id(value)
    seen.add(id(value))
    if isinstance(value, Tensor | np.ndarray):
        array = np.asarray(values_of(value))
        return id(value), array.dtype.str, array.shape, array.tobytes()
    if isinstance(value, list | set | frozenset | deque):
        parts: Any = value
    else:
        parts = (value if isinstance(value, dict) else getattr(value, "__dict__", {})).items()
    return id(value), tuple(_frozen(part, seen) for part in parts)
