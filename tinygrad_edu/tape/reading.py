"""The tape as it was recorded: a row for each node behind a result, in the order of the clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from tinygrad_edu.engine import Node, Tensor
from tinygrad_edu.engine.debug.call_site import CallSite
from tinygrad_edu.errors import NoGraphError
from tinygrad_edu.tape.values import memory_of


class SavedValue(NamedTuple):
    """A value that a node keeps, and the arguments whose vjps asked for it."""

    name: str
    value: Any
    vjps: tuple[str, ...]


class RowGroup(NamedTuple):
    """What made several rows: a module that was called, or a vjp of the walk back.

    Attributes
    ----------
    key : int
        Which one it is.
    label : str
        ``0: Conv2D``, say.
    """

    key: int
    label: str


@dataclass
class TapeRow:
    """What was recorded of one node.

    Attributes
    ----------
    index : int
        Its place in the order of the clock, which is a topological order: inputs come before what is made of them.
    node : Node
    op : str
        "leaf" of one that no op made.
    inputs : tuple of int or None
        Their rows; None for what needs no gradient.
    saved : list of SavedValue
    freed : bool
        Whether what it had saved is gone, after a walk back.
    bytes : int
        Of the memory that it saved and no row before it did.
    line : str
        Where the op was called, ``model.py:12``, if it was inside of `watch` or `detect_anomaly`.
    code : str
        That line.
    groups : tuple of RowGroup
        The modules that were being called, the outermost first; or the vjp that the op was called by.
    """

    index: int
    node: Node
    op: str
    inputs: tuple[int | None, ...] = ()
    saved: list[SavedValue] = field(default_factory=list)
    freed: bool = False
    bytes: int = 0
    line: str = ""
    code: str = ""
    groups: tuple[RowGroup, ...] = ()


def grouped(rows: Iterable[TapeRow], depth: int) -> Iterator[tuple[RowGroup | None, list[TapeRow]]]:
    """Yield runs of rows with the group of a depth that made them; None with rows that have no group there."""
    runs = groupby(rows, key=lambda row: row.groups[depth] if len(row.groups) > depth else None)
    return ((group, list(run)) for group, run in runs)


def nodes_behind(roots: Iterable[Node]) -> list[Node]:
    """Return the nodes that some were computed from, and these themselves, the oldest first."""
    found, stack = set[Node](), list(roots)
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack.extend(parent for parent in node.parents if parent is not None)
    return sorted(found, key=lambda node: node.number)


def node_of(result: Any) -> Node:
    """Return the node of a Tensor that has one, or say what is none."""
    if not isinstance(result, Tensor):
        raise NoGraphError(f"a tape is that of a Tensor, such as a loss, and a {type(result).__name__} has none.")
    if result._node is None:
        raise NoGraphError(
            "this tensor has no tape: no input had requires_grad=True, or it was computed under no_grad() or detached."
        )
    return result._node


def rows_behind(roots: Iterable[Node]) -> list[TapeRow]:
    """Return the rows of the nodes that some were computed from, and of these themselves."""
    nodes = nodes_behind(roots)
    index = {node: k for k, node in enumerate(nodes)}
    seen: set[int] = set()
    layers = _Layers()
    return [_row(index, node, seen, layers) for node in nodes]


def _row(index: dict[Node, int], node: Node, seen: set[int], layers: _Layers) -> TapeRow:
    row = TapeRow(index[node], node, "leaf" if node.op is None else node.op.name)
    if node.op is None:
        return row
    row.inputs = tuple(None if parent is None else index[parent] for parent in node.parents)
    row.freed, names, parents = node.saved is None, node.vjps.names, node.parents
    for (saved, askers), value in zip(node.vjps.saves.items(), node.saved or (), strict=False):
        vjps = tuple(names[k] for k in askers if parents[k] is not None)
        if vjps:
            row.saved.append(SavedValue(saved.name, value, vjps))
    for _, value, _ in row.saved:
        memory, size = memory_of(value)
        row.bytes += 0 if memory in seen else size
        seen.add(memory)
    called = getattr(node, "site", None)
    if isinstance(called, CallSite):
        row.line, row.code = called.place, called.code
        row.groups = layers.groups(called)
    return row


class _Layers:
    """The names of modules, each found once."""

    def __init__(self) -> None:
        self._names: dict[int, tuple[Any, dict[int, str]]] = {}

    def groups(self, called: CallSite) -> tuple[RowGroup, ...]:
        modules = [module for module in (layer() for layer in called.layers[::-1]) if module is not None]
        groups = [RowGroup(id(module), self._label(modules[0], module)) for module in modules]
        if called.vjp:
            groups.append(RowGroup(hash(called.vjp), called.vjp))
        return tuple(groups)

    def _label(self, model: Any, module: Any) -> str:
        if id(model) not in self._names:
            self._names[id(model)] = model, {id(part): name for name, part in model.named_modules()}
        name, kind = self._names[id(model)][1].get(id(module), ""), type(module).__name__
        return f"{name}: {kind}" if name else kind
