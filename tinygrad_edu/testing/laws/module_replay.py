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


@contextmanager
def same_buffers(module: Any) -> Iterator[None]:
    """Restore the buffers of a module afterwards. Graphs that were recorded in the context stay valid."""
    buffers = module.buffers() if isinstance(module, Module) else []
    before = [(b._data, b._storage) for b in buffers]
    for b in buffers:
        b._data, b._storage = b._data.copy(), Storage.new()
    try:
        yield
    finally:
        for b, (data, storage) in zip(buffers, before, strict=True):
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
