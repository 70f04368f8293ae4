"""Import path or source text of functions and classes, to create them again in a new process."""

import ast
import builtins
import contextlib
import functools
import inspect
import linecache
import re
import symtable
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

    The scope has the values of the other names in the text, without its annotations; other names have no value.
    """

    name: str
    text: str
    scope: dict[str, Any]
    missing: set[str]
    has_annotations: bool


def place_of(value: Any) -> ImportPath | None:
    """Return the path that imports this very object in a new process, or None."""
    module = getattr(value, "__module__", None)
    path = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    path = path if isinstance(path, str) else ""
    if vars(np).get(path) is value:
        return ImportPath("", "numpy", path)
    if getattr(builtins, path, None) is value:
        return ImportPath("", "builtins", path)
    if not isinstance(module, str) or (folder := folder_of(module)) is None:
        return None
    parts = module.split(".")
    public_parts = [part for part in parts if part not in ("src", "_src")]  # of Keras and JAX
    for public in (".".join(names[:k]) for names in (public_parts, parts) for k in range(1, len(names) + 1)):
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
    codes = [f.__code__ for f in _functions(value) if linecache.getlines(f.__code__.co_filename, f.__globals__)]
    text = _text_around(codes[0], _globals(value)) if codes else _text_of_module(value)
    nodes = [node for node in _definitions(text) if _defines(node, value, codes)]
    if not nodes or (not codes and len(nodes) > 1):
        return None
    node = min(nodes, key=lambda node: len(_text(text, node)))  # of nested lambdas, the inner one
    own_text, own_name = _text(text, node), "" if isinstance(node, ast.Lambda) else node.name
    declared = {name for part in ast.walk(node) if isinstance(part, ast.Global) for name in part.names}
    for name in {name for code in codes for name in code.co_freevars}:
        own_text, changed = re.subn(rf"^( *)nonlocal {name}$", rf"\1global {name}", own_text, flags=re.MULTILINE)
        declared |= {name} if changed else set()
    values, names = sys.modules | _scope(value) | _defaults(value, node), _free_names(own_text) | declared
    scope = {name: values[name] for name in sorted(names) if name in values}
    missing = names - set(scope) - declared - {own_name} - set(vars(builtins))
    return SourceText(own_name, own_text, scope, missing, any(map(_annotations, ast.walk(node))))


def _free_names(text: str) -> set[str]:
    """Return the global names that a text reads when it runs."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        for field in _annotations(node):
            setattr(node, field, None)
    tables = [symtable.symtable(ast.unparse(tree), "", "exec")]
    for table in tables:
        tables += table.get_children()
    return {
        symbol.get_name()
        for table in tables
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (symbol.is_global() or table is tables[0])
    }


def _annotations(node: ast.AST) -> list[str]:
    """Return the fields of a parameter or function that have an annotation."""
    return [
        field
        for field in ("annotation", "returns")
        if getattr(node, field, None) and not isinstance(node, ast.AnnAssign)
    ]


def _text_of_module(value: Any) -> str:
    """Return the text of the module of a class that has no methods of its own; "" for other values."""
    file = getattr(sys.modules.get(value.__module__), "__file__", None) if isinstance(value, type) else None
    return "".join(linecache.getlines(file)) if file else ""


def _text_around(code: CodeType, scope: dict[str, Any]) -> str:
    """Return the text of the file that code was compiled from; for a page of the docs, the code block at that line."""
    lines = linecache.getlines(code.co_filename, scope)
    text, first = "".join(lines), code.co_firstlineno
    if _definitions(text) or not lines[first - 1 :]:
        return text
    return "\n" * (first - 1) + textwrap.dedent("".join(inspect.getblock(lines[first - 1 :])))


def _functions(value: Any) -> list[FunctionType]:
    """Return a function itself, or the methods that a class defines, without their decorators."""
    if not isinstance(value, type):
        return [value] if isinstance(value, FunctionType) else []
    parts = [getattr(part, "__func__", getattr(part, "fget", part)) for part in vars(value).values()]
    parts = [inspect.unwrap(part) if callable(part) else part for part in parts]
    own = f"{value.__qualname__}."
    return [part for part in parts if isinstance(part, FunctionType) and part.__qualname__.startswith(own)]


def _globals(value: Any) -> dict[str, Any]:
    functions = _functions(value)
    return functions[0].__globals__ if functions else getattr(sys.modules.get(value.__module__), "__dict__", {})


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
    if isinstance(node, ast.ClassDef):
        at_its_level = bool(codes) or (node.col_offset > 0) == ("." in getattr(value, "__qualname__", ""))
        is_named = isinstance(value, type) and node.name == value.__name__ and at_its_level
        return is_named and all(_first_line(node) < c.co_firstlineno <= (node.end_lineno or 0) for c in codes)
    if isinstance(value, type) or not codes:
        return False
    if isinstance(node, ast.Lambda):
        positions = list(_positions(codes[0]))
        inside = bool(positions) and all(_is_inside(node.body, position) for position in positions)
        return codes[0].co_name == "<lambda>" and node.lineno == codes[0].co_firstlineno and inside
    return node.name == codes[0].co_name and codes[0].co_firstlineno == _first_line(node)


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
    strings = _continued_strings(node)
    lines = enumerate(text.splitlines()[first - 1 : node.end_lineno], first)
    margin = node.col_offset
    return "\n".join(
        line if k in strings or line[:margin].strip() else line[margin:]
        for k, line in lines
        if k in strings or line.strip()
    )


def _continued_strings(node: ast.AST) -> set[int]:
    """Return the numbers of the lines that begin inside a string, whose blanks belong to it."""
    parts = [part for part in ast.walk(node) if isinstance(part, ast.JoinedStr | ast.Constant)]
    return {k for part in parts for k in range(part.lineno + 1, (part.end_lineno or 0) + 1)}
