"""The sources of random numbers that the code of an object draws from, also those that no attribute holds."""

import dis
import inspect
import random
from collections.abc import Iterator
from functools import partial
from itertools import islice
from types import CellType, CodeType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

import numpy as np

__all__ = ["random_sources"]

DEPTH_LIMIT = 20  # functions that call functions, and objects that hold objects
ITEM_LIMIT = 1000  # items of one list, which may hold the paths of all samples
ENTRIES = ("__getitem__", "__iter__", "__next__", "__call__")
SOURCES = np.random.Generator | np.random.RandomState | random.Random


def random_sources(part: Any) -> dict[str, Any]:
    """Return the generators that a function, or the methods by which an object gives samples, can draw from.

    They are found by the names in its code: attributes, variables from around it, functions of its own package, and the
    global generators of ``numpy.random`` and ``random``. A generator that is made inside of a call is not among them,
    nor one that only a library draws from.

    Returns
    -------
    dict of str to Generator, RandomState or Random
        By the path to each.

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
    for path, source in _drawn("", part, DEPTH_LIMIT, {}):
        while path in found:  # as of a variable and an attribute of one name
            path += "'"
        found[path] = source
    return found


def _drawn(path: str, value: Any, depth: int, seen: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the sources behind a value, by their paths."""
    bound = getattr(value, "__self__", None)
    if isinstance(value, SOURCES) or isinstance(bound, SOURCES):
        yield path, value if isinstance(value, SOURCES) else bound
        return
    key = (id(value.__func__), id(value.__self__)) if isinstance(value, MethodType) else id(value)
    if not depth or key in seen or value is None:
        return
    seen[key] = value  # which keeps it, and its id
    for name, inner in _behind(value):
        yield from _drawn(f"{path}.{name}".strip("."), inner, depth - 1, seen)


def _behind(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what the code of a value mentions, and what it holds."""
    if type(value) in (dict, list, tuple):
        named = value.items() if isinstance(value, dict) else enumerate(value)
        yield from ((str(name), item) for name, item in islice(named, ITEM_LIMIT) if not np.isscalar(item))
    elif isinstance(value, partial):
        yield from (("func", value.func), *((str(k), arg) for k, arg in enumerate(value.args)), *value.keywords.items())
    elif isinstance(value, MethodType) and isinstance(value.__func__, FunctionType):
        yield from _mentioned(value.__func__, value.__self__)
    elif isinstance(value, FunctionType):
        yield from _mentioned(value, None)
    elif not isinstance(value, ModuleType | type | np.ndarray):
        methods: list[Any] = [inspect.getattr_static(type(value), name, None) for name in ENTRIES]
        for method in methods:
            if isinstance(method, FunctionType):
                yield from _mentioned(method, value)


def _mentioned(function: FunctionType, owner: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a function names: variables, defaults, attributes of its owner; functions of its own package alone."""
    code = function.__code__
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    known = [(name, cell.cell_contents) for name, cell in cells if cell != CellType()]  # one without contents is unset
    known += [("default", each) for each in function.__defaults__ or ()]
    known += (function.__kwdefaults__ or {}).items()
    names = [name for inner in _codes(code) for name in inner.co_names]
    known += [each for inner in _codes(code) for each in _globals(inner, function.__globals__)]
    known += [each for name in dict.fromkeys(names) for each in _of_owner(owner, name, "super" in names)]
    package = str(function.__module__).partition(".")[0]
    for name, each in known:
        if not isinstance(each, FunctionType) or str(each.__module__).partition(".")[0] == package:
            yield name, each


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code, and those of functions and comprehensions inside."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _globals(code: CodeType, variables: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the global variables that a code names, and of modules the attributes: ``np.random.rand``."""
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


def _of_owner(owner: Any, name: str, with_bases: bool) -> Iterator[tuple[str, Any]]:
    """Yield the attribute of an object, if it has one; methods bound to it, and those that super() may find."""
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
