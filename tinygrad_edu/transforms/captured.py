"""Objects that a function can reach without getting them as arguments, and their state during a call."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from tinygrad_edu.engine import Tensor, swap_storage, with_levels_of, wrap
from tinygrad_edu.engine.memory import Storage, clock
from tinygrad_edu.errors import StaleValueError

__all__ = ["CapturedState", "as_at_the_call", "captured", "refuse_changed"]

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


def as_at_the_call(x: Any) -> Any:
    """Return a leaf for a call to keep: a copy of an array, and a Tensor of the same memory, whose version counts."""
    if isinstance(x, Tensor):
        return with_levels_of(wrap(x._data, x._node, x._storage), x)
    return np.array(x) if isinstance(x, np.ndarray) else x


def refuse_changed(title: str, kept: Iterable[tuple[str, Any]], since: int) -> None:
    """Raise if a Tensor, given with its name, was changed in place after a time of the clock."""
    for path, x in kept:
        if isinstance(x, Tensor) and x._storage.version > since:
            raise StaleValueError(
                f"{title}: {path}, of shape {x.shape}, was changed in place by the call or after it. Call backward() "
                f"before the change, or change a copy."
            )


class CapturedState:
    """What a call of a function can read and change without getting it as an argument, as it is before the call.

    Attributes
    ----------
    began : int
        Time of the call, by the clock.
    tensors : list of (str, Tensor, Tensor)
        The path of each Tensor, the Tensor itself, and a Tensor of the memory and the node that it has now.
    buffers : list of (Tensor, ndarray)
        Constants and their values; after `keep_changed` only those that the call changed.
    """

    def __init__(self, f: Any) -> None:
        found = list(captured(f))
        tensors = [(path, x) for path, x in found if isinstance(x, Tensor)]
        self.tensors = [(path, x, as_at_the_call(x)) for path, x in tensors]
        self.buffers = [(x, x._data.copy()) for _, x in tensors if x._node is None]
        generators = [x for _, x in found if isinstance(x, np.random.Generator)]
        self._generators = [(x, copy.deepcopy(x.bit_generator.state)) for x in generators]
        self._attributes = [(vars(x), dict(vars(x))) for _, x in found if _has_attributes(x)]
        self.began = next(clock)

    def keep_changed(self) -> None:
        """Keep the values only of buffers and attributes that the call changed."""
        self.buffers = [(x, values) for x, values in self.buffers if x._storage.version > self.began]
        self._attributes = [
            (now, before)
            for now, before in self._attributes
            if now.keys() != before.keys() or any(now[name] is not value for name, value in before.items())
        ]

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Give everything the state that it had before the call, and at the end the state that it has now."""
        pairs = [(x, y) for _, x, y in self.tensors if x._storage is not y._storage or x._node is not y._node]
        # The repeated call changes the copies.
        pairs += [(x, with_levels_of(wrap(values.copy(), None, Storage.new()), x)) for x, values in self.buffers]
        swap_in, swap_out = swap_storage([x for x, _ in pairs], [y for _, y in pairs])
        states = [(x, x.bit_generator.state) for x, _ in self._generators]
        attributes = [(now, dict(now)) for now, _ in self._attributes]
        try:
            swap_in()
            _set_states(self._generators)
            _set_attributes(self._attributes)
            yield
        finally:
            _set_attributes(attributes)
            swap_out()
            _set_states(states)


def _has_attributes(x: Any) -> bool:
    return hasattr(x, "__dict__") and not isinstance(x, (*_OPAQUE, partial, FunctionType, MethodType))


def _set_states(pairs: list[tuple[np.random.Generator, Any]]) -> None:
    for generator, state in pairs:
        generator.bit_generator.state = copy.deepcopy(state)


def _set_attributes(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    for attributes, values in pairs:
        attributes.update(values)
        for name in attributes.keys() - values.keys():
            del attributes[name]
