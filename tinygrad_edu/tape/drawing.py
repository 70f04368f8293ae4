"""The graph as people draw it: a box for each node, an arrow from each input, a frame around what a module made."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy import ndarray

from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors import MissingExtraError
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
    """Draw the graph of a result, or of a walk, with Graphviz: boxes, with the shapes on the arrows between them.

    Values of a few numbers are in the boxes, and of a walk the gradients. What a module made stands in a frame of its
    name, if the forward was inside of `watch`. For more than some hundred nodes `page` is quicker, and easier to read.

    Parameters
    ----------
    result : Tensor or Walk
        Of a Tensor, no walk is made.
    path : path
        Of the file, which is written whole or not at all. Its ending says what it is: svg, png, pdf, or dot, which is
        Graphviz's own language.
    names : mapping of str to Tensor or Module, or Module, optional
        What tensors are called, as `of` takes it.

    Raises
    ------
    MissingExtraError
        pygraphviz, which brings Graphviz with it, is not installed.
    ValueError
        For another ending.
    NoGraphError
        For what has no tape.
    DataError
        The file cannot be written.
    """
    ending = Path(path).suffix[1:].lower()
    if ending not in FORMATS:
        raise ValueError(f"draw: the ending of {os.fspath(path)!r} is none of {', '.join(FORMATS)}.")
    graph = _graph(of(result, names), result.gradients if isinstance(result, Walk) else {})
    drawn: bytes = graph.draw(format=ending, prog="dot")
    write_result("the graph", path, drawn)


def _graph(tape: Tape, gradients: dict[Any, Any]) -> AGraph:
    try:
        from pygraphviz import AGraph
    except ImportError as error:
        raise MissingExtraError("draw needs pygraphviz: pip install 'tinygrad-edu[draw]'") from error
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
    """Put a frame around each run of rows that one module made, or one vjp, and the frames of its parts inside."""
    for group, inside in grouped(rows, depth):
        if group is not None:
            name, label = f"cluster_{depth}_{inside[0].index}", f"<{_coloured(group.label, '#6a6f76')}>"
            frame = graph.subgraph([row.index for row in inside], name=name, label=label)
            frame.graph_attr.update(style="rounded", color="#c9c4b8", fontsize=11, labeljust="l")
            _frame(frame, inside, depth + 1)


def _label(tape: Tape, row: TapeRow, gradient: Any) -> str:
    """Write what stands in a box, in the language that Graphviz has for it."""
    name = tape.names.get(row.node, "")
    named = f"{_coloured(name, _VALUE)} = " if name and row.op != "leaf" else ""
    lines = [f"{named}<b>{_coloured(name if name and row.op == 'leaf' else row.op, _INK)}</b>"]
    for value, colour in ((tape.values.get(row.node), _VALUE), (gradient, _GRADIENT)):
        array = array_of(value)
        if isinstance(array, ndarray) and array.size <= _MOST_SHOWN:
            lines.append(f'<font point-size="10">{_coloured(in_a_word(array), colour)}</font>')
    return f"<{'<br/>'.join(lines)}>"


def _coloured(text: str, colour: str) -> str:
    literal = escape(text).replace("\\", "\\\\")  # after a single backslash Graphviz puts in names of its own
    return f'<font color="{colour}">{literal}</font>'
