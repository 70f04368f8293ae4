"""Find the random generators that an object holds or draws from."""

from collections.abc import Iterator
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.nn import Module
from tinygrad_edu.training.random_sources import random_sources

__all__ = ["find_generators", "reject_unsaved_generators"]

MAX_DEPTH = 4  # of functions that call functions


def find_generators(part: Any) -> dict[str, np.random.Generator]:
    """Return the generators that a part holds, by path.

    The search covers the attributes of the part, and of all modules of a model. It also covers functions in attributes,
    such as the transform of a loader: their closures, globals and partial arguments. For the sampler of a loader, it
    covers the generators in its code; see `random_sources`.

    Examples
    --------
    >>> from tinygrad_edu.data import DataLoader
    >>> rng, noise = np.random.default_rng(0), np.random.default_rng(1)
    >>> loader = DataLoader(np.ones(4), batch_size=2, rng=rng, transform=lambda x: x + noise.normal(size=x.shape))
    >>> list(find_generators(loader))
    ['rng', 'transform.noise']
    """
    if isinstance(part, np.random.Generator):
        return {"": part}
    holders = part.named_modules() if isinstance(part, Module) else [("", part)]
    found = {
        f"{path}.{name}".removeprefix("."): stream
        for path, holder in holders
        for name, stream in _generators_in(_attributes(holder), MAX_DEPTH)
    }
    if isinstance(part, DataLoader):
        drawn = random_sources(part.sampler)
        found |= {f"sampler.{path}": each for path, each in drawn.items() if isinstance(each, np.random.Generator)}
    return found


def reject_unsaved_generators(name: str, loader: DataLoader) -> None:
    """Raise for a loader whose random numbers a checkpoint cannot restore.

    Raises
    ------
    DTypeError
        The data set or `collate` draws from its own generator. Samples are fetched ahead and in several threads, so
        that generator's state belongs to no step. Or the sampler, `augment` or `transform` draws from something other
        than a numpy.random.Generator.
    """
    for role, part in (("data set", loader.dataset), ("collate function", loader.collate)):
        for path in random_sources(part):
            raise DTypeError(
                f"a checkpoint cannot continue {name}: its {role}, a {_name(part)}, draws random numbers from a "
                f"generator of its own, {path}. Take the numbers from the loader instead: give `__getitem__` (of a "
                f"stream, `__iter__`) a parameter rng, `def __getitem__(self, index, rng)`, and draw from that."
            )
    for role in ("sampler", "augment", "transform"):
        part = getattr(loader, role)
        for path, source in random_sources(part).items():
            if not isinstance(source, np.random.Generator):
                raise DTypeError(
                    f"a checkpoint cannot continue {name}: its {role}, a {_name(part)}, draws random numbers from "
                    f"{path}, whose state no checkpoint holds. Draw from a numpy.random.Generator."
                )


def _name(part: Any) -> str:
    return getattr(part, "__name__", type(part).__name__)


def _attributes(holder: Any) -> dict[str, Any]:
    """Return the attributes of an object. Leave out the data set of a loader, which draws ahead of the steps."""
    found = getattr(holder, "__dict__", {})
    if isinstance(holder, DataLoader):
        return {name: value for name, value in found.items() if name not in ("dataset", "collate", "sampler")}
    return found


def _generators_in(variables: dict[Any, Any], depth: int) -> Iterator[tuple[str, np.random.Generator]]:
    """Yield the generators among variables, in lists, and in functions."""
    for name, value in variables.items():
        if isinstance(value, np.random.Generator):
            yield str(name), value
        elif depth and (inner := _members(value)):
            yield from ((f"{name}.{path}", stream) for path, stream in _generators_in(inner, depth - 1))


def _members(value: Any) -> dict[Any, Any]:
    """Return the members of a dict, list or partial, or the variables of a function, by name."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list | tuple):
        return {k: item for k, item in enumerate(value) if callable(item) or isinstance(item, np.random.Generator)}
    if isinstance(value, partial):
        return {"func": value.func, **dict(enumerate(value.args)), **value.keywords}
    if isinstance(value, MethodType):
        return {value.__name__: value.__func__, **getattr(value.__self__, "__dict__", {})}
    if isinstance(value, FunctionType):
        return _variables(value)
    return (
        vars(value) if callable(value) and hasattr(value, "__dict__") and not isinstance(value, Module | type) else {}
    )


def _variables(function: FunctionType) -> dict[str, Any]:
    """Return the closure and global variables that a function names."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    names = {name for name in _names(function.__code__) if name in function.__globals__}
    outer = {name: cell.cell_contents for name, cell in cells if cell != type(cell)()}  # an empty cell is unset
    return {**{name: function.__globals__[name] for name in sorted(names)}, **outer}


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names in a code object and in nested functions and comprehensions."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
