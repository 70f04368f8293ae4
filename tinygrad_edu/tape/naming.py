"""Names of tensors, from the caller's variables or a module."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tinygrad_edu.engine import Node, Storage, Tensor
from tinygrad_edu.nn import Module

Names = Mapping[str, Any] | Module | None
# The variables in which IPython keeps the inputs and outputs of cells: _, __, _3, _oh, Out, _i, _i3, _ih, In, _dh.
_HISTORY = re.compile(r"_+|_\d+|_i+|_i\d+|_[iod]h|In|Out")


def named_tensors(names: Names) -> dict[Node | Storage, tuple[str, Tensor]]:
    """Return the first name of each named tensor, and the tensor, by node, or by storage if it needs no gradient.

    Parameters
    ----------
    names : mapping of str to Any, Module or None
        Tensors, modules, and lists, tuples and dicts of them, such as ``locals()``. Other values are ignored, and so
        are the variables of IPython's history. Names that begin with an underscore come last.
    """
    found: dict[Node | Storage, tuple[str, Tensor]] = {}
    variables = _variables(names) if isinstance(names, Mapping) else names
    for name, tensor in _tensors("", variables, frozenset()):
        found.setdefault(tensor._storage if tensor._node is None else tensor._node, (name, tensor))
    return found


def _variables(names: Mapping[str, Any]) -> dict[str, Any]:
    """Return variables without IPython's history, and private ones last."""
    history = {name for name in names if _HISTORY.fullmatch(str(name))} if {"In", "_oh"} <= names.keys() else set()
    kept = {name: value for name, value in list(names.items()) if name not in history}
    return dict(sorted(kept.items(), key=lambda item: str(item[0]).startswith("_")))


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
