"""The table of rules: the ONNX nodes of each op. A rule takes the graph and the arguments of the op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Emitter = Callable[..., Any]
OPERATORS: dict[Any, Emitter] = {}


def rule(*functions: Any) -> Callable[[Emitter], Emitter]:
    """Declare the rule of these functions."""

    def declare(own: Emitter) -> Emitter:
        OPERATORS.update(dict.fromkeys(functions, own))
        return own

    return declare
