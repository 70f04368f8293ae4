"""Griffe extension that shows the vjps of an op below its forward function in the reference."""

import ast
from pathlib import Path
from typing import Any

from griffe import Extension, Function


class Derivatives(Extension):
    """Extends the source range of each op to the end of its last vjp."""

    def on_function_instance(self, *, func: Function, **kwargs: Any) -> None:
        """Extend the source of an op to its calls ``name.vjps(...)`` and ``name.jvps(...)``."""
        if not isinstance(func.filepath, Path):
            return
        tree = ast.parse("\n".join(func.lines_collection[func.filepath]))
        ends = [each.end_lineno for each in tree.body if _is_vjp_of(func.name, each)]
        func.endlineno = max([func.endlineno or 0, *(end for end in ends if end)])


def _is_vjp_of(name: str, statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=owner)))):
            return owner == name
    return False
