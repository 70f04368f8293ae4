"""The tape as a standalone HTML page, which plays the backward pass."""

from __future__ import annotations

import html
import json
import os
import re
from importlib import resources
from typing import Any

from tinygrad_edu.engine import Tensor
from tinygrad_edu.shared.display.html import Inline
from tinygrad_edu.shared.files import write_result
from tinygrad_edu.tape.encoding import Encoder
from tinygrad_edu.tape.naming import Names, named_tensors
from tinygrad_edu.tape.text import Tape
from tinygrad_edu.tape.walking import Walk, steps


def page(
    result: Tensor | Walk,
    path: str | os.PathLike[str] | None = None,
    names: Names = None,
    *,
    gradient: Any = None,
    retain_graph: bool = False,
    title: str = "The tape",
) -> Inline | None:
    """Write a standalone HTML page that shows the tape of a result and its backward pass, step by step.

    Without a path, return an object that a notebook displays as the page.

    For a Tensor, this calls ``backward``. The rows are in order of creation, with arcs to their inputs. Modules fold if
    the forward pass ran inside `watch`. Each step shows the source of the vjp, its inputs and its output. The left and
    right arrow keys step, and the space key plays.

    Parameters
    ----------
    result : Tensor or Walk
        A Tensor such as a loss, or a Walk from `steps` or `watch`, also of a second derivative.
    path : path, optional
        Path of the file, which is written atomically.
    names : mapping of str to Tensor or Module, or Module, optional
        Names of tensors, as in `of`.
    gradient : array_like, optional
        As in `Tensor.backward`.
    retain_graph : bool, default False
        As in `Tensor.backward`.
    title : str, default "The tape"
        Title of the page.

    Returns
    -------
    Inline or None
        The page for a notebook, in a frame of its own; None if `path` is given.

    Raises
    ------
    NoGraphError
        `result` has no tape.
    DataError
        The file cannot be written.

    Notes
    -----
    Large arrays are subsampled. The page states the step along each axis.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import tape
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "tape.html")
    ...     tape.page((tg.tanh(w) * w).sum(), path, names={"w": w})
    ...     path.stat().st_size < 60_000
    True
    >>> w.grad is None
    False
    """
    named = named_tensors(names)  # before the backward pass: hooks may change variables
    walk = result if isinstance(result, Walk) else steps(result, gradient, retain_graph)
    text = page_text(walk, Tape(walk.rows, named, walk), title)
    if path is None:
        return Inline(
            _framed(text, title), "The page of the tape. To write it to a file: tape.page(loss, 'tape.html')."
        )
    write_result("the page", path, text.encode())
    return None


def _framed(text: str, title: str) -> str:
    """Return a page as an HTML element: the style sheets and scripts of a notebook do not reach into a frame."""
    style = "width:100%;height:640px;border:1px solid #c9c4b8;border-radius:6px"
    source, label = html.escape(text), html.escape(title)
    return f'<iframe title="{label}" srcdoc="{source}" sandbox="allow-scripts" style="{style}"></iframe>'


def page_text(walk: Walk, tape: Tape, title: str) -> str:
    """Return the HTML of the page."""
    data = json.dumps(Encoder(walk, tape).whole(), separators=(",", ":"), allow_nan=False)
    parts = {
        "title": html.escape(title),
        "style": _asset("player.css"),
        "data": data.replace("<", "\\u003c"),  # a value must not end its script element
        "script": _asset("player.js"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _asset("player.html"))


def _asset(name: str) -> str:
    return resources.files("tinygrad_edu.tape").joinpath(name).read_text(encoding="utf-8")
