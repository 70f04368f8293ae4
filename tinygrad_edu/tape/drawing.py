"""Drawing of the graph: a box for each node, an arrow from each input, a frame around the nodes of a module."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy import ndarray

from tinygrad_edu._checks import invalid_choice
from tinygrad_edu.engine import Tensor
from tinygrad_edu.extras import missing_extra
from tinygrad_edu.files import write_result
from tinygrad_edu.tape.naming import Names
from tinygrad_edu.tape.reading import TapeRow, grouped
from tinygrad_edu.tape.text import Tape, of
from tinygrad_edu.tape.values import array_of, in_a_word
from tinygrad_edu.tape.walking import Walk

if TYPE_CHECKING:
    from pygraphviz import AGraph

FORMATS = ("svg", "png", "pdf", "dot")
_INK, _VALUE, _GRADIENT, _LINE = "#1f2328", "#2563b8", "#c2410c", "#9b978c"
_MOST_SHOWN = 6


def draw(result: Tensor | Walk, path: str | os.PathLike[str], names: Names = None) -> None:
    """Draw the graph of a result or a backward pass with Graphviz. Arrows are labelled with shapes.

    Boxes contain small values, and gradients if `result` is a Walk. A frame with the module's name surrounds its nodes,
    if the forward pass ran inside `watch`. For more than a few hundred nodes, `page` is faster and easier to read.

    Parameters
    ----------
    result : Tensor or Walk
        For a Tensor, no backward pass is run.
    path : path
        Path of the file, which is written atomically. The suffix selects the format: svg, png, pdf, or dot, the
        language of Graphviz.
    names : mapping of str to Tensor or Module, or Module, optional
        Names of tensors, as in `of`.

    Raises
    ------
    MissingExtraError
        pygraphviz, which includes Graphviz, is not installed.
    ValueError
        The suffix is not one of these.
    NoGraphError
        `result` has no tape.
    DataError
        The file cannot be written.
    """
    ending = Path(path).suffix[1:].lower()
    if ending not in FORMATS:
        raise invalid_choice(f"draw: the suffix of {os.fspath(path)!r}", ending, FORMATS)
    graph = _graph(of(result, names), result.gradients if isinstance(result, Walk) else {})
    drawn: bytes = graph.draw(format=ending, prog="dot")
    write_result("the graph", path, drawn)


def _graph(tape: Tape, gradients: dict[Any, Any]) -> AGraph:
    try:
        from pygraphviz import AGraph
    except ImportError as error:
        raise missing_extra("draw requires pygraphviz", "draw") from error
    graph = AGraph(directed=True, rankdir="TB", nodesep=0.3, ranksep=0.45, fontname="Helvetica", bgcolor="white")
    graph.node_attr.update(
        shape="box", style="rounded,filled", fillcolor="white", color=_LINE, fontname="Helvetica", fontsize=12
    )
    graph.edge_attr.update(color=_LINE, fontname="Helvetica", fontsize=9, fontcolor="#6a6f76", arrowsize=0.7)
    for row in tape.rows:
        leaf = {"fillcolor": "#e9f0fb", "color": _VALUE} if row.op == "leaf" else {}
        graph.add_node(row.index, label=_label(tape, row, gradients.get(row.node)), **leaf)
    for row in tape.rows:
        for source in {k for k in row.inputs if k is not None}:
            graph.add_edge(source, row.index, label=str(tape.rows[source].node.shape))
    _frame(graph, tape.rows, 0)
    return graph


def _frame(graph: AGraph, rows: list[TapeRow], depth: int) -> None:
    """Draw a frame around each run of rows of one module or one vjp, with the frames of submodules inside."""
    for group, inside in grouped(rows, depth):
        if group is not None:
            name, label = f"cluster_{depth}_{inside[0].index}", f"<{_coloured(group.label, '#6a6f76')}>"
            frame = graph.subgraph([row.index for row in inside], name=name, label=label)
            frame.graph_attr.update(style="rounded", color="#c9c4b8", fontsize=11, labeljust="l", labelloc="b")
            _frame(frame, inside, depth + 1)


def _label(tape: Tape, row: TapeRow, gradient: Any) -> str:
    """Return the content of a box as an HTML-like label of Graphviz."""
    name = tape.names.get(row.node, "")
    named = f"{_coloured(name, _VALUE)} = " if name and row.op != "leaf" else ""
    lines = [f"{named}<b>{_coloured(name if name and row.op == 'leaf' else row.op, _INK)}</b>"]
    for value, colour in ((tape.values.get(row.node), _VALUE), (gradient, _GRADIENT)):
        array = array_of(value)
        if isinstance(array, ndarray) and array.size <= _MOST_SHOWN:
            lines.append(f'<font point-size="10">{_coloured(in_a_word(array), colour)}</font>')
    return f"<{'<br/>'.join(lines)}>"


def _coloured(text: str, colour: str) -> str:
    literal = escape(text).replace("\\", "\\\\")  # Graphviz expands escapes such as \N
    return f'<font color="{colour}">{literal}</font>'
