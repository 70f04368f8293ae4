"""Read the recorded tape: a row for each node of a result's graph, in order of creation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from tinygrad_edu.engine import Node, Tensor, input_names
from tinygrad_edu.engine.debug.call_site import CallSite
from tinygrad_edu.errors import NoGraphError
from tinygrad_edu.tape.values import memory_of


class SavedValue(NamedTuple):
    """A saved value of a node, and the arguments whose vjps need it.

    Parameters
    ----------
    name : str
        Name of the value in the signature of the op.
    value : Any
        The value.
    vjps : tuple of str
        Arguments whose vjps need the value.

    Examples
    --------
    >>> SavedValue("x", 2.0, ("y",))
    SavedValue(name='x', value=2.0, vjps=('y',))
    """

    name: str
    value: Any
    vjps: tuple[str, ...]


class RowGroup(NamedTuple):
    """Origin of several rows: a module that was called, or a vjp of a backward pass.

    Parameters
    ----------
    key : int
        Identifier of the module or vjp.
    label : str
        Text such as ``0: Conv2D``.

    Examples
    --------
    >>> RowGroup(1, "0: Linear")
    RowGroup(key=1, label='0: Linear')
    """

    key: int
    label: str


@dataclass
class TapeRow:
    """The record of one node.

    Parameters
    ----------
    index : int
        Position in order of creation, which is a topological order: inputs come before outputs.
    node : Node
        The node.
    op : str
        Name of the op, or "leaf".
    inputs : tuple of int or None, default ()
        Rows of the inputs; None for inputs that need no gradient.
    saved : list of SavedValue, default []
        The saved values.
    freed : bool, default False
        Whether a backward pass has freed the saved values.
    bytes : int, default 0
        Size of the saved arrays that no earlier row holds.
    line : str, default ""
        Location of the call, such as ``model.py:12``, if it ran inside `watch` or `detect_anomaly`.
    code : str, default ""
        Source code of that line.
    groups : tuple of RowGroup, default ()
        The enclosing module calls, outermost first, or the vjp that called the op.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import tape
    >>> x = tg.Tensor([3.0], requires_grad=True)
    >>> [row.op for row in tape.of(tg.exp(x)).rows]
    ['leaf', 'exp']
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
    """Yield runs of rows with the same group at a depth, and that group, or None if they have none."""
    runs = groupby(rows, key=lambda row: row.groups[depth] if len(row.groups) > depth else None)
    return ((group, list(run)) for group, run in runs)


def nodes_behind(roots: Iterable[Node]) -> list[Node]:
    """Return the given nodes and all their ancestors, oldest first."""
    found, stack = set[Node](), list(roots)
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack.extend(node.parents.values())
    return sorted(found, key=lambda node: node.time)


def node_of(result: Any) -> Node:
    """Return the node of a Tensor, or raise if it has none."""
    if not isinstance(result, Tensor):
        raise NoGraphError(f"expected a Tensor with a tape, such as a loss, got a {type(result).__name__}.")
    if result._node is None:
        raise NoGraphError(
            "this tensor has no tape: no input had requires_grad=True, or it was computed under no_grad() or detached."
        )
    return result._node


def rows_behind(roots: Iterable[Node]) -> list[TapeRow]:
    """Return the rows of the given nodes and all their ancestors."""
    nodes = nodes_behind(roots)
    index = {node: k for k, node in enumerate(nodes)}
    seen: set[int] = set()
    layers = _Layers()
    return [_row(index, node, seen, layers) for node in nodes]


def _row(index: dict[Node, int], node: Node, seen: set[int], layers: _Layers) -> TapeRow:
    row = TapeRow(index[node], node, "leaf" if node.op is None else node.op.name)
    if node.op is None:
        return row
    parents = node.parents
    row.inputs = tuple(index[parents[x]] if x in parents else None for x in input_names(node))
    row.freed = node.saved is None
    for saved, value in (node.saved or {}).items():
        vjps = tuple(x for x in parents if saved in node.op.vjp_arguments[x])
        parts = getattr(value, "saved_values", {saved: value})  # a joint node keeps several values
        row.saved += [SavedValue(name, part, vjps) for name, part in parts.items()]
    for _, value, _ in row.saved:
        memory, size = memory_of(value)
        row.bytes += 0 if memory in seen else size
        seen.add(memory)
    called = getattr(node, "site", None)
    if isinstance(called, CallSite):
        row.line, row.code = called.location, called.code
        row.groups = layers.groups(called)
    return row


class _Layers:
    """Cache of the names of modules."""

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
