"""Repeated calls of a module with the same random numbers."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_edu.engine import Tensor


def run(module: Any, inputs: Sequence[Any], **settings: Any) -> Any:
    """Call a module, and restore the state of every Generator in it."""
    with _same_randomness(module):
        return module(*inputs, **settings)


def is_random(module: Any, inputs: Sequence[Any], **settings: Any) -> bool:
    """Whether a call draws random numbers from a Generator in the module."""
    with _same_randomness(module) as before:
        module(*inputs, **settings)
        return [generator.bit_generator.state for generator in _generators(module, set())] != before


@contextmanager
def _same_randomness(module: Any) -> Iterator[list[Any]]:
    generators = list(_generators(module, set()))
    states = [copy.deepcopy(generator.bit_generator.state) for generator in generators]
    yield states
    for generator, state in zip(generators, states, strict=True):
        generator.bit_generator.state = state


def _generators(value: Any, seen: set[int]) -> Iterator[np.random.Generator]:
    """Yield the Generators in an object's attributes, lists and dicts."""
    if id(value) in seen or isinstance(value, np.ndarray | Tensor | str | type):
        return
    seen.add(id(value))
    if isinstance(value, np.random.Generator):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _generators(part, seen)
    else:
        for part in (value if isinstance(value, dict) else getattr(value, "__dict__", {})).values():
            yield from _generators(part, seen)
