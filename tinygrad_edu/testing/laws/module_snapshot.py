"""Snapshots of the attributes of a module, to detect side effects of a call."""

from collections import deque
from collections.abc import Hashable
from functools import cached_property
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from tinygrad_edu.engine import Op, Tensor, values_of
from tinygrad_edu.nn import Module

Snapshot = dict[str, Hashable]

_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic)
_OPAQUE = (Module, Op, np.random.Generator, type, FunctionType, ModuleType)


def snapshot(module: Module) -> Snapshot:
    """Return the contents of every attribute of a module and its submodules, by path, as hashable values.

    Cached properties are excluded, because they do not depend on inputs.
    """
    contents, seen = Snapshot(), set[int]()
    for path, part in module.named_modules():
        for name, value in vars(part).items():
            if not isinstance(getattr(type(part), name, None), cached_property):
                contents[f"{path}.{name}" if path else name] = _frozen(value, seen)
    return contents


def changed_paths(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the paths of the attributes that were added, removed or changed."""
    return [p for p in before | after if (p in before, before.get(p)) != (p in after, after.get(p))]


def _frozen(value: Any, seen: set[int]) -> Hashable:
    """Return the identity and the contents of a value: the bytes of an array, or the attributes of an object."""
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
