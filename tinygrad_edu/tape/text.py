"""The tape as text: a table of its rows."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from html import escape
from typing import IO, Any, NamedTuple

import numpy as np

from tinygrad_edu.engine import Node, Storage, Tensor, backward_pass, input_names, is_shared
from tinygrad_edu.shared.display.html import table_html
from tinygrad_edu.tape.naming import Names, named_tensors
from tinygrad_edu.tape.reading import RowGroup, TapeRow, grouped, node_of, rows_behind
from tinygrad_edu.tape.values import array_of, in_a_word, kinds_of
from tinygrad_edu.tape.walking import Walk, watch

HEADS = ("row", "name", "op", "inputs", "result", "bytes", "us", "saves", "called at")


class Constant(NamedTuple):
    """An input of an op that needs no gradient.

    Attributes
    ----------
    argument : str
        Name of the input, in the op's signature.
    name : str
        Name of its tensor, or "".
    value
        Its value, or None if it is unknown: neither named nor saved for a vjp.
    """

    argument: str
    name: str
    value: Any


class Tape:
    """The recorded graph of a result. Its repr is a table.

    Parameters
    ----------
    rows : list of TapeRow
        Rows in order of creation.
    named : dict of Node or Storage to (str, Tensor)
        Names of nodes and of memory, and their tensors.
    walk : Walk, optional
        The recorded backward pass.

    Attributes
    ----------
    names : dict of Node or Storage to str
        Names of the nodes that have one, and of the memory of named tensors that need no gradient.
    values : dict of Node or Storage to ndarray
        Known results: values of named tensors, and values saved for vjps.
    seconds : dict of Node to float
        Time of the vjps of each node, if a backward pass was recorded.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.Tensor([3.0], requires_grad=True)
    >>> tape = of(tg.exp(x), {"x": x})
    >>> [(row.index, row.op, row.inputs) for row in tape.rows]
    [(0, 'leaf', ()), (1, 'exp', (0,))]
    """

    def __init__(
        self, rows: list[TapeRow], named: dict[Node | Storage, tuple[str, Tensor]], walk: Walk | None = None
    ) -> None:
        self.rows = rows
        self.names = {node: name for node, (name, _) in named.items()}
        self.values: dict[Node | Storage, Any] = dict(_saved_results(rows))
        self.values |= {node: tensor._data for node, (_, tensor) in named.items()}
        self.values.update(() if walk is None else walk.values.items())
        self.seconds = Counter[Node]()
        for step in () if walk is None else walk:
            self.seconds[step.node] += step.seconds  # type: ignore[assignment]

    @property
    def first_anomaly(self) -> tuple[TapeRow, str] | None:
        """The first row with NaN or an infinity in its result or saved values, and the kind; None if there is none."""
        for row in self.rows:
            values = [self.values.get(row.node), *(value for _, value, _ in row.saved)]
            for kind in (kind for value in values for kind in kinds_of(value)):
                return row, kind
        return None

    def constants(self, row: TapeRow) -> Iterator[Constant]:
        """Yield the inputs of a row that need no gradient."""
        saved = {name: value for name, value, _ in row.saved}
        for k, argument in enumerate(input_names(row.node) if row.inputs else ()):
            if row.inputs[k] is None:
                storage: Any = row.node.storages.get(argument)  # None if the input is not a Tensor
                tensor = self.values.get(storage)
                value = saved.get(argument, None if storage is None or is_shared(storage) else tensor)
                is_view = tensor is not None and value is not None and value.shape != tensor.shape
                yield Constant(argument, "" if is_view else self.names.get(storage, ""), value)

    def table(self, fold: int = 0) -> str:
        """Return the rows as a table.

        Parameters
        ----------
        fold : int
            Depth of the modules to show as one line each: 1 for the children of the model, or for the called modules if
            no model encloses them.

        Raises
        ------
        ValueError
            `fold` is given, but no row has a call site, because the forward pass did not run inside `watch`.
        """
        if fold and not any(row.line for row in self.rows):
            raise ValueError("fold: no row has a module. Compute the result inside `with tape.watch():`.")
        parts = list(folded(self.rows, fold))
        table = [{head: head for head in HEADS}]
        table += [self._cells(part) if isinstance(part, TapeRow) else _folded(*part) for part in parts]
        heads = [head for head in HEADS if any(cells.get(head) for cells in table[1:])]
        widths = {head: max(len(cells.get(head, "")) for cells in table) for head in heads}
        lines = ["  ".join(_padded(cells.get(head, ""), head, widths[head]) for head in heads) for cells in table]
        return "\n".join([*map(str.rstrip, lines), *self._remarks()])

    def _cells(self, row: TapeRow) -> dict[str, str]:
        node = row.node
        return {
            "row": f"%{row.index}",
            "name": self.names.get(node, ""),
            "op": row.op,
            "inputs": " ".join("const" if k is None else f"%{k}" for k in row.inputs),
            "result": f"{node.dtype} {node.shape}",
            "bytes": f"{row.bytes:,}" if row.bytes else "",
            "us": f"{1e6 * self.seconds[node]:.1f}" if node in self.seconds else "",
            "saves": "freed" if row.freed else _saves(row),
            "called at": " in ".join([row.line, *(group.label for group in row.groups[-1:])]),
        }

    def _remarks(self) -> Iterator[str]:
        held = sum(row.bytes for row in self.rows)
        yield f"{len(self.rows):,} rows; their saved values take {held:,} bytes, with shared memory counted once."
        if self.first_anomaly is not None:
            row, kind = self.first_anomaly
            yield f"The first {kind.removeprefix('an ')}: %{row.index}, {row.op}."

    def __repr__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        rows = [self._cells(row) for row in self.rows]
        heads = [head for head in HEADS if any(cells.get(head) for cells in rows)]
        table = table_html(heads, ([cells.get(head, "") for head in heads] for cells in rows), right=("bytes", "us"))
        return f"{table}<p>{escape(' '.join(self._remarks()))}</p>"


def _saved_results(rows: list[TapeRow]) -> Iterator[tuple[Node, Any]]:
    """Yield the results that are saved for vjps, with their nodes."""
    for row in rows:
        about = {**row.node.parents, "out": row.node}
        yield from ((about[x], array_of(value)) for x, value in (row.node.saved or {}).items() if x in about)


def folded(rows: list[TapeRow], depth: int) -> Iterator[TapeRow | tuple[RowGroup, list[TapeRow]]]:
    """Yield rows, with consecutive rows of one module of a given depth replaced by their group."""
    outermost = {row.groups[0] for row in rows if row.groups}
    level = depth - 1 + (len(outermost) == 1 and any(len(row.groups) > 1 for row in rows))
    for group, run in grouped(rows, level) if depth else [(None, rows)]:
        if group is None:
            yield from run
        else:
            yield group, run


def _folded(group: RowGroup, rows: list[TapeRow]) -> dict[str, str]:
    own = {row.index for row in rows}
    inputs = sorted({k for row in rows for k in row.inputs if k is not None} - own)
    node, held = rows[-1].node, sum(row.bytes for row in rows)
    return {
        "row": f"%{rows[0].index}-{rows[-1].index}" if len(rows) > 1 else f"%{rows[0].index}",
        "op": f"{group.label} ({len(rows)} node{'s' * (len(rows) > 1)})",
        "inputs": " ".join(f"%{k}" for k in inputs),
        "result": f"{node.dtype} {node.shape}",
        "bytes": f"{held:,}" if held else "",
    }


def _saves(row: TapeRow) -> str:
    """Return the saved values of a node as text, grouped by the vjps that need them."""
    by_vjps: dict[tuple[str, ...], list[str]] = {}
    for name, value, vjps in row.saved:
        by_vjps.setdefault(vjps, []).append(f"{name} = {in_a_word(value)}")
    return "; ".join(f"for {' and '.join(vjps)}: {', '.join(values)}" for vjps, values in by_vjps.items())


def _padded(cell: str, head: str, width: int) -> str:
    return f"{cell:>{width}}" if head in ("bytes", "us") else f"{cell:<{width}}"


def of(result: Tensor | Walk, names: Names = None, times: bool = False) -> Tape:
    """Return the tape of a result or a backward pass, with a row for each node.

    Parameters
    ----------
    result : Tensor or Walk
    names : mapping of str to Tensor or Module, or Module, optional
        Names of tensors: ``{"w": w}``, a module for the names of its parameters, or ``locals()`` for all variables of
        the caller. By default, tensors have no names.
    times : bool, default False
        Run a backward pass to measure the time of the vjps. It does not set ``grad``, and frees nothing.

    Raises
    ------
    NoGraphError
        `result` has no tape.
    """
    named = named_tensors(names)
    if isinstance(result, Walk):
        return Tape(result.rows, named, result)
    node = node_of(result)
    return Tape(rows_behind([node]), named, _timed(node) if times else None)


def _timed(node: Node) -> Walk:
    """Run a backward pass from a node, with an initial gradient of ones, and return it."""
    with watch() as walks:
        backward_pass([(node, np.ones(node.shape, node.dtype))], retain_graph=True)
    return walks[0]  # the passes of checkpoints come after it


def show(
    result: Tensor | Walk, names: Names = None, *, fold: int = 0, times: bool = False, file: IO[str] | None = None
) -> None:
    """Print the tape of a result: a row for each node, with its inputs and the values saved for each vjp.

    Parameters
    ----------
    result : Tensor or Walk
    names : mapping of str to Tensor or Module, or Module, optional
        Names of tensors: ``{"w": w}``, a module for the names of its parameters, or ``locals()`` for all variables of
        the caller. By default, tensors have no names.
    fold : int, default 0
        As in `Tape.table`.
    times : bool, default False
        Run a backward pass to measure the time of the vjps. It does not set ``grad``, and frees nothing.
    file : text file, optional
        File to print to, by default the standard output.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import tape
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> loss = (tg.tanh(w) * w).sum()
    >>> tape.show(loss, names={"w": w})
    row  name  op        inputs  result        bytes  saves
    %0   w     leaf              float32 (2,)
    %1         tanh      %0      float32 (2,)      8  for x: out = [0.7616, 0.964]
    %2         multiply  %1 %0   float32 (2,)      8  for x: y = [1.0, 2.0]; for y: x = [0.7616, 0.964]
    %3         sum       %2      float32 ()           for x: x_shape = (2,), x_dtype = float32, axis = None
    4 rows; their saved values take 16 bytes, with shared memory counted once.
    """
    print(of(result, names, times).table(fold), file=sys.stdout if file is None else file)
