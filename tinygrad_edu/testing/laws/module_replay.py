"""Contexts in which calls of a module do not change the states of its Generators and its buffers."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_edu.engine import Storage, Tensor
from tinygrad_edu.nn import Module


@contextmanager
def same_randomness(module: Any) -> Iterator[list[Any]]:
    """Restore the state of every Generator in a module afterwards. The context has their states before it."""
    found = list(generators(module))
    states = [copy.deepcopy(generator.bit_generator.state) for generator in found]
    yield states
    for generator, state in zip(found, states, strict=True):
        generator.bit_generator.state = state


class SameState:
    """Reusable context that restores the Generators and buffers of a module. Graphs recorded in it stay valid."""

    def __init__(self, module: Any) -> None:
        self._generators = list(generators(module))
        self._buffers = module.buffers() if isinstance(module, Module) else []

    def __enter__(self) -> None:
        self._states = [copy.deepcopy(generator.bit_generator.state) for generator in self._generators]
        self._originals = [(b._data, b._storage) for b in self._buffers]
        for b in self._buffers:
            b._data, b._storage = b._data.copy(), Storage.new()

    def __exit__(self, *error: object) -> None:
        for generator, state in zip(self._generators, self._states, strict=True):
            generator.bit_generator.state = state
        for b, (data, storage) in zip(self._buffers, self._originals, strict=True):
            b._data, b._storage = data, storage


def generators(value: Any, seen: set[int] | None = None) -> Iterator[np.random.Generator]:
    """Yield the Generators in an object's attributes, lists and dicts."""
    seen = set() if seen is None else seen
    if id(value) in seen or isinstance(value, np.ndarray | Tensor | str | type):
        return
    seen.add(id(value))
    if isinstance(value, np.random.Generator):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from generators(part, seen)
    else:
        for part in (value if isinstance(value, dict) else getattr(value, "__dict__", {})).values():
            yield from generators(part, seen)
