"""Contexts in which calls do not change a module, snapshots that show what a call changes, and its observation."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from tinygrad_edu.engine import PARAMETER, Array, Op, Storage, Tensor, role_of, values_of
from tinygrad_edu.nn import Module
from tinygrad_edu.transforms.captured import contents_of, refill

_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype)
_OPAQUE = (Op, type, FunctionType, MethodType, ModuleType)


@contextmanager
def same_randomness(module: Any) -> Iterator[list[Any]]:
    """Restore the state of every Generator in a module afterwards. The context has their states before it."""
    found = generators(module)
    states = [copy.deepcopy(generator.bit_generator.state) for generator in found]
    yield states
    for generator, state in zip(found, states, strict=True):
        generator.bit_generator.state = state


class SameState:
    """Reusable context that restores a module: its attributes, and the containers, arrays and Generators in them.

    Calls write into copies of the buffers, so graphs recorded before or in the context stay valid. The values of
    parameters are not copied.
    """

    def __init__(self, module: Any) -> None:
        self._parts = list(_mutable_parts(module, set()))

    def __enter__(self) -> None:
        self._undo = list(map(_undo, self._parts))

    def __exit__(self, *error: object) -> None:
        for undo in self._undo:
            undo()


def generators(module: Any) -> list[np.random.Generator]:
    """Return the Generators in a module."""
    return [part for part in _mutable_parts(module, set()) if isinstance(part, np.random.Generator)]


def _mutable_parts(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield the Tensors, arrays, Generators, lists, dicts, sets and attributes (a dict) within a value, each once."""
    if isinstance(value, _PLAIN + _OPAQUE) or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Tensor | np.ndarray | np.random.Generator):
        yield value
        return
    contents = value if isinstance(value, list | tuple | dict | set | deque) else getattr(value, "__dict__", ())
    if not isinstance(contents, tuple):
        yield contents
    for part in list(contents.values() if isinstance(contents, dict) else contents):
        yield from _mutable_parts(part, seen)


def _undo(part: Any) -> Callable[[], Any]:
    """Return a function that restores the present state of a mutable part. A buffer gets a copy of its values."""
    if isinstance(part, np.random.Generator):
        return partial(setattr, part.bit_generator, "state", copy.deepcopy(part.bit_generator.state))
    if isinstance(part, np.ndarray):
        return partial(_write, part, part.copy())
    if isinstance(part, Tensor):
        state = part._data, part._storage, part._node, role_of(part)
        if part._node is None and role_of(part) != PARAMETER:
            part._data, part._storage = part._data.copy(), Storage()
        return partial(_set_state, part, *state)
    return partial(refill, part, contents_of(part))


def _set_state(tensor: Tensor, data: Array, storage: Storage, node: Any, role: str | None) -> None:
    tensor._data, tensor._storage, tensor._node, tensor._role = data, storage, node, role


def _write(array: Array, values: Array) -> None:
    if array.flags.writeable:
        array[...] = values


Snapshot = dict[str, Hashable]


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
    if id(value) in seen or isinstance(value, (Module, np.random.Generator, *_OPAQUE)):
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


@contextmanager
def observing(module: Module, done: Callable[[Module, tuple[Any, ...], dict[str, Any], Any], Any]) -> Iterator[None]:
    """Report the calls of a module and its submodules to `done`, during the context."""

    def observed(part: Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        def call(*inputs: Any, **settings: Any) -> Any:
            out = forward(*inputs, **settings)
            done(part, inputs, settings, out)
            return out

        return call

    originals = [(part, vars(part).get("forward")) for part in module.modules()]
    for part, _ in originals:
        vars(part)["forward"] = observed(part, part.forward)
    try:
        yield
    finally:
        for part, forward in originals:
            del vars(part)["forward"]
            if forward is not None:
                vars(part)["forward"] = forward
