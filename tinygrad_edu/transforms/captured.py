"""Objects that a function can reach without getting them as arguments, and their state during a call."""

import copy
import inspect
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import is_
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from tinygrad_edu.core import Storage, clock
from tinygrad_edu.engine import Tensor, with_levels_of, wrap
from tinygrad_edu.engine.swap import swap_storage
from tinygrad_edu.errors import StaleValueError

_OPAQUE = (Tensor, np.ndarray, np.random.Generator, str, bytes, type, ModuleType)


def captured(function: Any, closed: tuple[type, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of each Tensor, Generator and object with attributes that a function can reach.

    Objects of the types in `closed` are not searched.
    """
    seen: set[int] = set()
    stack = [("", function)]
    while stack:
        path, value = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        yield path, value
        if not isinstance(value, _OPAQUE + closed):
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
    elif isinstance(value, list | tuple | set | frozenset | deque):
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

    Objects of the types in `closed` are not searched.

    Attributes
    ----------
    began : int
        Time of the call, by the clock.
    tensors : list of (str, Tensor, Tensor)
        The path of each Tensor, the Tensor itself, and a Tensor of the memory and the node that it has now.
    buffers : list of (Tensor, ndarray)
        Constants and their values; after `keep_changed` only those that the call changed.
    """

    def __init__(self, f: Any, closed: tuple[type, ...] = ()) -> None:
        found = list(captured(f, closed))
        tensors = [(path, x) for path, x in found if isinstance(x, Tensor)]
        self.tensors = [(path, x, as_at_the_call(x)) for path, x in tensors]
        self.buffers = [(x, x._data.copy()) for _, x in tensors if x._node is None]
        self._arrays = [(x, x.copy()) for _, x in found if isinstance(x, np.ndarray) and x.flags.writeable]
        generators = [x for _, x in found if isinstance(x, np.random.Generator)]
        self._generators = [(x, copy.deepcopy(x.bit_generator.state)) for x in generators]
        containers = [container for _, x in found if (container := _container(x)) is not None]
        self._containers = [(container, contents_of(container)) for container in containers]
        self.began = next(clock)

    def keep_changed(self) -> None:
        """Keep the values only of buffers, arrays, attributes and containers that the call changed."""
        self.buffers = [(x, values) for x, values in self.buffers if x._storage.version > self.began]
        self._arrays = [(x, values) for x, values in self._arrays if x.dtype.hasobject or np.any(x != values)]
        self._containers = [(x, contents) for x, contents in self._containers if not has_contents(x, contents)]

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Give everything the state that it had before the call, and at the end the state that it has now."""
        pairs = [(x, y) for _, x, y in self.tensors if x._storage is not y._storage or x._node is not y._node]
        # The repeated call changes the copies.
        pairs += [(x, with_levels_of(wrap(values.copy(), None, Storage()), x)) for x, values in self.buffers]
        swap_in, swap_out = swap_storage([x for x, _ in pairs], [y for _, y in pairs])
        arrays = [(x, x.copy()) for x, _ in self._arrays]
        states = [(x, x.bit_generator.state) for x, _ in self._generators]
        containers = [(x, contents_of(x)) for x, _ in self._containers]
        try:
            swap_in()
            _set_all(self._arrays, self._generators, self._containers)
            yield
        finally:
            swap_out()
            _set_all(arrays, states, containers)


def _container(x: Any) -> Any:
    """Return the object that holds the changeable parts of another: itself, its attributes, or None."""
    if isinstance(x, dict | list | set | deque):
        return x
    return getattr(x, "__dict__", None) if not isinstance(x, _OPAQUE) else None


def contents_of(container: Any) -> list[Any]:
    """Return the elements of a container, for a dict its keys and then its values."""
    return [*container, *container.values()] if isinstance(container, dict) else list(container)


def has_contents(container: Any, contents: list[Any]) -> bool:
    """Return whether a container holds the same objects as before."""
    now = contents_of(container)
    return len(now) == len(contents) and all(map(is_, now, contents))


def refill(container: Any, contents: list[Any]) -> None:
    """Give a container its former contents, unless it still has them."""
    if has_contents(container, contents):
        return
    half = len(contents) // 2
    if not isinstance(container, dict) or list(container)[:half] != contents[:half]:
        container.clear()
    if isinstance(container, dict):  # one key at a time, since other threads may read the attributes of a module
        for key in list(container)[half:]:
            del container[key]
        for key, value in zip(contents[:half], contents[half:], strict=True):
            container[key] = value
    else:
        (container.update if isinstance(container, set) else container.extend)(contents)


def _set_all(arrays: list[Any], generators: list[Any], containers: list[Any]) -> None:
    for array, values in arrays:
        array[...] = values
    for generator, state in generators:
        generator.bit_generator.state = copy.deepcopy(state)
    for container, contents in containers:
        refill(container, contents)
