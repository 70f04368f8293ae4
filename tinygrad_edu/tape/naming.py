"""Names of tensors, from the caller's variables or a module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tinygrad_edu.engine import Node, Tensor
from tinygrad_edu.nn import Module

Names = Mapping[str, Any] | Module | None


def named_tensors(names: Names) -> dict[Node, tuple[str, Tensor]]:
    """Return the first name of each named tensor, and the tensor, by node.

    Parameters
    ----------
    names : mapping of str to Any, Module or None
        Tensors, modules, and lists, tuples and dicts of them, such as ``locals()``. Other values are ignored.
    """
    found: dict[Node, tuple[str, Tensor]] = {}
    for name, tensor in _tensors("", names, frozenset()):
        if tensor._node is not None:
            found.setdefault(tensor._node, (name, tensor))
    return found


def _tensors(name: str, value: Any, above: frozenset[int]) -> Iterator[tuple[str, Tensor]]:
    prefix = f"{name}." if name else ""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, Module):
        yield from ((f"{prefix}{path}", parameter) for path, parameter in value.named_parameters())
    elif isinstance(value, Mapping | list | tuple) and id(value) not in above:
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, part in list(items):
            yield from _tensors(f"{prefix}{key}", part, above | {id(value)})
