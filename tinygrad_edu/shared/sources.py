"""Import path or source text of functions and classes, to create them again in a new process."""

import ast
import builtins
import contextlib
import functools
import inspect
import linecache
import sys
import sysconfig
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import numpy as np

_Defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef


class ImportPath(NamedTuple):
    """Import path of a value: a folder to search ("" if none is needed), a module, and a dotted name in the module."""

    folder: str
    module: str
    path: str


class SourceText(NamedTuple):
    """Source text of a function or class, and the name that it defines. A lambda is an expression without a name.

    The scope has the values of the other names in the text.
    """

    name: str
    text: str
    scope: dict[str, Any]


def place_of(value: Any) -> ImportPath | None:
    """Return the path that imports this very object in a new process, or None."""
    module = getattr(value, "__module__", None)
    path = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    path = path if isinstance(path, str) else ""
    if getattr(np, path, None) is value:
        return ImportPath("", "numpy", path)
    if getattr(builtins, path, None) is value:
        return ImportPath("", "builtins", path)
    if not isinstance(module, str) or (folder := folder_of(module)) is None:
        return None
    parts = module.split(".")
    for public in (".".join(parts[:k]) for k in range(1, len(parts) + 1)):
        if (found := _path_in(public, path, value)) is not None:
            return ImportPath(folder, public, found)
    return next((ImportPath(folder, module, name) for name, x in vars(sys.modules[module]).items() if x is value), None)


def _path_in(module: str, path: str, value: Any) -> str | None:
    """Return the path if it leads to the value, or to a wrapper of the value, such as an op or a decorated function."""
    target: Any = sys.modules.get(module)
    for name in path.split("."):
        target = getattr(target, name, None)
    if target is value:
        return path
    return f"{path}.__wrapped__" if getattr(target, "__wrapped__", None) is value else None


def folder_of(module: str) -> str | None:
    """Return the folder to search for a module, "" if every process finds the module, or None if none does."""
    loaded = sys.modules.get(module)
    if loaded is None or module == "__main__":
        return None
    file = getattr(loaded, "__file__", None)
    parts = module.split(".")
    if file is None or parts[0] == "tinygrad_edu" or any(Path(file).is_relative_to(root) for root in _installation()):
        return ""
    path = Path(file).resolve()
    path = path.parent if path.stem == "__init__" else path.with_suffix("")
    return str(path.parents[len(parts) - 1]) if list(path.parts[-len(parts) :]) == parts else None


@functools.cache
def _installation() -> list[str]:
    return [sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")]


def source_of(value: Any) -> SourceText | None:
    """Return the source of a function or class and the values of the names in it, or None if it cannot be found."""
    codes = [f.__code__ for f in _functions(value)]
    if not codes:
        return None
    text = _text_around(codes[0], _globals(value))
    nodes = [node for node in _definitions(text) if _defines(node, value, codes)]
    if not nodes:
        return None
    node = min(nodes, key=lambda node: len(_text(text, node)))  # of nested lambdas, the inner one
    defaults = _defaults(value, node)
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    if isinstance(value, FunctionType):
        names -= set(value.__code__.co_varnames)
    values = _scope(value)
    scope = {name: values[name] for name in sorted(names) if name in values} | defaults
    return SourceText("" if isinstance(node, ast.Lambda) else node.name, _text(text, node), scope)


def _text_around(code: CodeType, scope: dict[str, Any]) -> str:
    """Return the text of the file that code was compiled from; for a page of the docs, the code block at that line."""
    lines = linecache.getlines(code.co_filename, scope)
    text, first = "".join(lines), code.co_firstlineno
    if _definitions(text) or not lines[first - 1 :]:
        return text
    return "\n" * (first - 1) + textwrap.dedent("".join(inspect.getblock(lines[first - 1 :])))


def _functions(value: Any) -> list[FunctionType]:
    """Return a function itself, or the methods of a class, including class methods, static methods and properties."""
    parts = [value] if not isinstance(value, type) else list(vars(value).values())
    parts = [getattr(part, "__func__", getattr(part, "fget", part)) for part in parts]
    return [part for part in parts if isinstance(part, FunctionType)]


def _globals(value: Any) -> dict[str, Any]:
    return value.__globals__ if isinstance(value, FunctionType) else vars(sys.modules[value.__module__])


def _scope(value: Any) -> dict[str, Any]:
    """Return the values of the names in a function or class: globals, closure variables and bases."""
    scope = dict(_globals(value)) | {base.__name__: base for base in getattr(value, "__bases__", ())}
    for f in _functions(value):
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            with contextlib.suppress(ValueError):  # the name has no value yet
                scope[name] = cell.cell_contents
    return scope


def _defaults(value: Any, node: _Defined) -> dict[str, Any]:
    """Return the names that are defaults of parameters, with the values that they had at the definition."""
    if isinstance(node, ast.ClassDef):
        return {}
    last = zip(node.args.defaults[::-1], (value.__defaults__ or ())[::-1], strict=False)
    keywords = zip(node.args.kw_defaults, (a.arg for a in node.args.kwonlyargs), strict=True)
    named = ((default, value.__kwdefaults__[key]) for default, key in keywords if default is not None)
    return {default.id: default_value for default, default_value in (*last, *named) if isinstance(default, ast.Name)}


@functools.lru_cache(maxsize=8)
def _definitions(text: str) -> list[_Defined]:
    try:
        return [node for node in ast.walk(ast.parse(text)) if isinstance(node, _Defined)]
    except SyntaxError:
        return []


def _defines(node: _Defined, value: Any, codes: list[CodeType]) -> bool:
    """Return whether a definition in a file defines the value, by the positions of their code."""
    if isinstance(node, ast.Lambda):
        positions = list(_positions(codes[0]))
        inside = bool(positions) and all(_is_inside(node.body, position) for position in positions)
        return codes[0].co_name == "<lambda>" and node.lineno == codes[0].co_firstlineno and inside
    first, last = _first_line(node), node.end_lineno or node.lineno
    if isinstance(value, type):
        inside = all(first < c.co_firstlineno <= last for c in codes)
        return isinstance(node, ast.ClassDef) and node.name == value.__name__ and inside
    return not isinstance(node, ast.ClassDef) and node.name == codes[0].co_name and codes[0].co_firstlineno == first


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _positions(code: CodeType) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield the start and the end, each a line and a column, of the source of each instruction."""
    for line, end_line, column, end_column in code.co_positions():
        if line is not None and end_line is not None and column is not None and end_column:
            yield (line, column), (end_line, end_column)


def _is_inside(node: ast.expr, position: tuple[tuple[int, int], tuple[int, int]]) -> bool:
    end = node.end_lineno or 0, node.end_col_offset or 0
    return (node.lineno, node.col_offset) <= position[0] and position[1] <= end


@functools.lru_cache(maxsize=8)
def _lines(text: str) -> list[bytes]:
    return text.encode().split(b"\n")


def _segment(text: str, node: ast.expr) -> str:
    """Return the text of an expression. `ast.get_source_segment` would split the whole file each time."""
    lines = _lines(text)[node.lineno - 1 : node.end_lineno]
    lines[-1] = lines[-1][: node.end_col_offset]
    lines[0] = lines[0][node.col_offset :]
    return b"\n".join(lines).decode()


def _text(text: str, node: _Defined) -> str:
    """Return the text of a definition without empty lines, and a function without its decorators."""
    if isinstance(node, ast.Lambda):
        expression = _segment(text, node)
        return f"({expression})" if "\n" in expression else expression
    first = _first_line(node) if isinstance(node, ast.ClassDef) else node.lineno
    lines = textwrap.dedent("\n".join(text.splitlines()[first - 1 : node.end_lineno])).splitlines()
    return "\n".join(line for line in lines if line.strip())
