"""Contexts in which calls do not change a module, snapshots that show what a call changes, and its observation."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property, partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from tinygrad_edu.engine import Op, Tensor, values_of
from tinygrad_edu.nn import Module
from tinygrad_edu.transforms.captured import CapturedState, captured

_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype)
_FUNCTIONS = (Op, FunctionType, MethodType, partial)  # what they can reach is not searched


@contextmanager
def same_randomness(module: Any) -> Iterator[list[Any]]:
    """Restore the state of every Generator in a module afterwards. The context has their states before it."""
    found = generators(module)
    states = [copy.deepcopy(generator.bit_generator.state) for generator in found]
    yield states
    for generator, state in zip(found, states, strict=True):
        generator.bit_generator.state = state


def generators(module: Any) -> list[np.random.Generator]:
    """Return the Generators in a module."""
    return [part for _, part in captured(module, _FUNCTIONS) if isinstance(part, np.random.Generator)]


def state_of(module: Any) -> CapturedState:
    """Return the state of a module: its attributes, and the containers, arrays and Generators in them.

    Calls in its context write into copies of the buffers, so graphs recorded before or in the context stay valid. The
    values of parameters are not copied.
    """
    return CapturedState(module, _FUNCTIONS)


def same_state(module: Any) -> AbstractContextManager[None]:
    """Context in which calls start with the present state of a module, and after which it has this state again."""
    return state_of(module).restored()


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
    if id(value) in seen or isinstance(value, (Module, np.random.Generator, type, ModuleType, *_FUNCTIONS)):
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
