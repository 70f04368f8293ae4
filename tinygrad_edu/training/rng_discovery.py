"""Find the random generators that an object holds, and the generators that its code draws from."""

from __future__ import annotations

import dis
import inspect
import random
from collections.abc import Iterator
from functools import partial
from itertools import islice
from types import CellType, CodeType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

import numpy as np

from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.nn import Module

__all__ = ["find_generators", "random_sources", "reject_unsaved_generators"]

MAX_DEPTH = 4  # of nested members and functions, in attributes
CODE_DEPTH = 20  # of nested functions and objects, in code
MAX_ITEMS = 1000  # per list, which may hold the paths of all samples
SAMPLE_METHODS = ("__getitem__", "__iter__", "__next__", "__call__")
SOURCES = np.random.Generator | np.random.RandomState | random.Random


def find_generators(part: Any) -> dict[str, np.random.Generator]:
    """Return the generators that a part holds, by path.

    The search covers the attributes of the part, or of all modules of a model, and functions in attributes, such as a
    loader's transform: their closures, globals and partial arguments. It also covers generators in the code of a
    loader's sampler, see `random_sources`.

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
    """Raise if a checkpoint cannot restore the random numbers of a loader.

    Raises
    ------
    DTypeError
        The data set or `collate` draws from its own generator: samples are prefetched on several threads, so that its
        state does not belong to a step. Or the sampler, `augment` or `transform` draws from a source other than a
        numpy.random.Generator.
    """
    for role, part in (("data set", loader.dataset), ("collate function", loader.collate)):
        for path in random_sources(part):
            raise DTypeError(
                f"a checkpoint cannot resume {name}: its {role}, a {_name(part)}, draws random numbers from its own "
                f"generator {path}. Draw from the loader's generator: add a parameter rng to `__getitem__` (or to "
                f"`__iter__` of a stream), `def __getitem__(self, index, rng)`."
            )
    for role in ("sampler", "augment", "transform"):
        part = getattr(loader, role)
        for path, source in random_sources(part).items():
            if not isinstance(source, np.random.Generator):
                raise DTypeError(
                    f"a checkpoint cannot resume {name}: its {role}, a {_name(part)}, draws random numbers from "
                    f"{path}, whose state is not saved. Draw from a numpy.random.Generator."
                )


def _name(part: Any) -> str:
    return getattr(part, "__name__", type(part).__name__)


def _attributes(holder: Any) -> dict[str, Any]:
    """Return the attributes of an object; for a loader, omit the data set, `collate` and the sampler."""
    found = getattr(holder, "__dict__", {})
    if isinstance(holder, DataLoader):
        return {name: value for name, value in found.items() if name not in ("dataset", "collate", "sampler")}
    return found


def _generators_in(variables: dict[Any, Any], depth: int) -> Iterator[tuple[str, np.random.Generator]]:
    """Yield the generators among variables, and in their lists, dicts and functions."""
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
    is_function = callable(value) and hasattr(value, "__dict__") and not isinstance(value, Module | type)
    return vars(value) if is_function else {}


def _variables(function: FunctionType) -> dict[str, Any]:
    """Return the closure and global variables that a function names."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    names = {
        name for code in _code_objects(function.__code__) for name in code.co_names if name in function.__globals__
    }
    outer = {name: cell.cell_contents for name, cell in cells if cell != CellType()}  # an empty cell is unset
    return {**{name: function.__globals__[name] for name in sorted(names)}, **outer}


# --- Generators that code draws from ---


def random_sources(part: Any) -> dict[str, Any]:
    """Return the generators that a function, or the sample methods of a data set, can draw from.

    The search follows the names in the code: attributes, closure variables, functions of the same package, and the
    global generators of ``numpy.random`` and ``random``. It does not find generators that are created inside a call, or
    that only a library uses.

    Returns
    -------
    dict of str to Generator, RandomState or Random
        Generators by path.

    Examples
    --------
    >>> class Noisy:
    ...     def __init__(self, rng):
    ...         self.rng, self.split = rng, np.random.default_rng(1)
    ...
    ...     def __getitem__(self, index):
    ...         return self.rng.normal() + np.random.rand() + np.random.default_rng(index).random()
    >>> list(random_sources(Noisy(np.random.default_rng(0))))
    ['np.random.rand', 'rng']
    """
    found: dict[str, Any] = {}
    for path, source in _sources("", part, CODE_DEPTH, {}):
        while path in found:  # a variable and an attribute with the same name
            path += "'"
        found[path] = source
    return found


def _sources(path: str, value: Any, depth: int, seen: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the paths and the sources that are reachable from a value."""
    bound = getattr(value, "__self__", None)
    if isinstance(value, SOURCES) or isinstance(bound, SOURCES):
        yield path, value if isinstance(value, SOURCES) else bound
        return
    key = (id(value.__func__), id(value.__self__)) if isinstance(value, MethodType) else id(value)
    if not depth or key in seen or value is None:
        return
    seen[key] = value  # keeps it alive, so that its id stays unique
    for name, inner in _references(value):
        yield from _sources(f"{path}.{name}".strip("."), inner, depth - 1, seen)


def _references(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names and values that a value contains, or that its code refers to."""
    if type(value) in (dict, list, tuple):
        named = value.items() if isinstance(value, dict) else enumerate(value)
        yield from ((str(name), item) for name, item in islice(named, MAX_ITEMS) if not np.isscalar(item))
    elif isinstance(value, partial):
        yield from (("func", value.func), *((str(k), arg) for k, arg in enumerate(value.args)), *value.keywords.items())
    elif isinstance(value, MethodType) and isinstance(value.__func__, FunctionType):
        yield from _named_values(value.__func__, value.__self__)
    elif isinstance(value, FunctionType):
        yield from _named_values(value, None)
    elif not isinstance(value, ModuleType | type | np.ndarray):
        methods: list[Any] = [inspect.getattr_static(type(value), name, None) for name in SAMPLE_METHODS]
        for method in methods:
            if isinstance(method, FunctionType):
                yield from _named_values(method, value)


def _named_values(function: FunctionType, owner: Any) -> Iterator[tuple[str, Any]]:
    """Yield the variables, defaults and attributes of the owner that a function names.

    Functions of other packages are omitted.
    """
    code = function.__code__
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    known = [(name, cell.cell_contents) for name, cell in cells if cell != CellType()]  # an empty cell is unset
    known += [("default", each) for each in function.__defaults__ or ()]
    known += (function.__kwdefaults__ or {}).items()
    names = [name for inner in _code_objects(code) for name in inner.co_names]
    known += [each for inner in _code_objects(code) for each in _global_variables(inner, function.__globals__)]
    known += [each for name in dict.fromkeys(names) for each in _owner_attribute(owner, name, "super" in names)]
    package = str(function.__module__).partition(".")[0]
    for name, each in known:
        if not isinstance(each, FunctionType) or str(each.__module__).partition(".")[0] == package:
            yield name, each


def _code_objects(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and the code objects of nested functions and comprehensions."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_objects(constant)


def _global_variables(code: CodeType, variables: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the global variables that a code object names, and attributes of modules: ``np.random.rand``."""
    path, value = "", None
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            path, value = str(instruction.argval), variables.get(instruction.argval)
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD") and isinstance(value, ModuleType):
            path, value = f"{path}.{instruction.argval}", getattr(value, instruction.argval, None)
        elif instruction.opname != "EXTENDED_ARG":
            value = None
        if value is not None:
            yield path, value


def _owner_attribute(owner: Any, name: str, with_bases: bool) -> Iterator[tuple[str, Any]]:
    """Yield an attribute of an object, if it exists, and of its base classes for super(). Bind methods."""
    found = [] if owner is None else [inspect.getattr_static(owner, name, None)]
    found += [vars(base).get(name) for base in type(owner).__mro__[1:] if with_bases]
    for each in found:
        function = each.fget if isinstance(each, property) else each
        function = function.__func__ if isinstance(function, staticmethod | classmethod) else function
        function = getattr(owner, name, None) if isinstance(function, MemberDescriptorType) else function
        if isinstance(function, FunctionType):
            yield "", MethodType(function, owner)
        elif function is not None:
            yield name, function
