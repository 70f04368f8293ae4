"""Drawing of the graph: a box for each node, an arrow from each input, a frame around the nodes of a module."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy import ndarray

from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.errors.extras import missing_extra
from tinygrad_edu.shared.display.html import Inline
from tinygrad_edu.shared.files import write_result
from tinygrad_edu.tape.naming import Names
from tinygrad_edu.tape.reading import TapeRow, grouped
from tinygrad_edu.tape.text import Constant, Tape, of
from tinygrad_edu.tape.values import array_of, in_a_word
from tinygrad_edu.tape.walking import Walk

if TYPE_CHECKING:
    from pygraphviz import AGraph

FORMATS = ("svg", "png", "pdf", "dot")
_INK, _VALUE, _GRADIENT, _LINE = "#1f2328", "#2563b8", "#c2410c", "#9b978c"
_MOST_SHOWN = 6


def draw(result: Tensor | Walk, path: str | os.PathLike[str] | None = None, names: Names = None) -> Inline | None:
    """Draw the graph of a result or a backward pass with Graphviz. Arrows are labelled with shapes.

    Boxes contain small values, and gradients if `result` is a Walk. A dashed box is an input that needs no gradient,
    such as data. A frame with the module's name surrounds its nodes, if the forward pass ran inside `watch`. For more
    than a few hundred nodes, `page` is faster and easier to read.

    Without a path, return an object that a notebook displays as the drawing.

    Parameters
    ----------
    result : Tensor or Walk
        For a Tensor, no backward pass is run.
    path : path, optional
        Path of the file, which is written atomically. The suffix selects the format: svg, png, pdf, or dot, the
        language of Graphviz.
    names : mapping of str to Tensor or Module, or Module, optional
        Names of tensors, as in `of`.

    Returns
    -------
    Inline or None
        The drawing for a notebook; None if `path` is given.

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
    ending = "svg" if path is None else Path(path).suffix[1:].lower()
    if path is not None and ending not in FORMATS:
        raise invalid_choice(f"draw: the suffix of {os.fspath(path)!r}", ending, FORMATS)
    graph = _graph(of(result, names), result.gradients if isinstance(result, Walk) else {})
    drawn: bytes = graph.draw(format=ending, prog="dot")
    if path is None:
        svg = "".join(drawn.decode().partition("<svg")[1:])  # without the head of an XML file
        html = f'<div style="overflow:auto">{svg}</div>'
        return Inline(html, "The drawing of the graph. To write it to a file: tape.draw(loss, 'graph.svg').")
    write_result("the graph", path, drawn)
    return None


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
        for constant in tape.constants(row):
            _add_constant(graph, row, constant)
    _frame(graph, tape.rows, 0)
    return graph


def _add_constant(graph: AGraph, row: TapeRow, constant: Constant) -> None:
    """Draw an input that needs no gradient, and its arrow. A tensor with a name has one box for all of its arrows."""
    array, box = array_of(constant.value), f"const {constant.name or f'{row.index}.{constant.argument}'}"
    lines = [f"<b>{_coloured(constant.name or 'const', _INK)}</b>", *_small(array, _VALUE)]
    graph.add_node(box, label=f"<{'<br/>'.join(lines)}>", style="rounded,filled,dashed", fillcolor="#f6f3ec")
    graph.add_edge(box, row.index, label=str(array.shape) if isinstance(array, ndarray) else "")


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
    lines += _small(tape.values.get(row.node), _VALUE) + _small(gradient, _GRADIENT)
    return f"<{'<br/>'.join(lines)}>"


def _small(value: Any, colour: str) -> list[str]:
    """Return the line of a box with a small value; no line for a large or unknown one."""
    array = array_of(value)
    if not isinstance(array, ndarray) or array.size > _MOST_SHOWN:
        return []
    return [f'<font point-size="10">{_coloured(in_a_word(array), colour)}</font>']


def _coloured(text: str, colour: str) -> str:
    literal = escape(text).replace("\\", "\\\\")  # Graphviz expands escapes such as \N
    return f'<font color="{colour}">{literal}</font>'
