"""The tape as a page of its own: one file that any browser opens, with the walk back to be played."""

from __future__ import annotations

import html
import json
import os
import re
from importlib import resources
from typing import Any

from tinygrad_edu.engine import Tensor
from tinygrad_edu.files import write_result
from tinygrad_edu.tape.encoding import Encoder
from tinygrad_edu.tape.naming import Names, named_tensors
from tinygrad_edu.tape.text import Tape
from tinygrad_edu.tape.walking import Walk, steps


def page(
    result: Tensor | Walk,
    path: str | os.PathLike[str],
    names: Names = None,
    *,
    gradient: Any = None,
    retain_graph: bool = False,
    title: str = "The tape",
) -> None:
    """Write a page that shows the tape of a result, and the walk back step by step: a file without dependencies.

    Of a Tensor, it calls ``backward``. The rows stand in the order of the clock, with arcs to their inputs, the modules
    fold if the forward was inside of `watch`, and each step shows the vjp as it stands in the source, with what it got
    and gave. Left and right arrow go a step, space plays.

    Parameters
    ----------
    result : Tensor or Walk
        A loss, say; or a walk that `steps` or `watch` has recorded, also one of a second derivative.
    path : path
        Of the file, which is written whole or not at all.
    names : mapping of str to Tensor or Module, or Module, optional
        What tensors are called, as `of` takes it.
    gradient, retain_graph
        As `Tensor.backward` takes them.
    title : str
        Of the page.

    Raises
    ------
    NoGraphError
        For what has no tape.
    DataError
        The file cannot be written.

    Notes
    -----
    Of large arrays only every so many numbers are in the page, and it says which.

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
    named = named_tensors(names)  # before the walk: a hook of the caller's may change variables
    walk = result if isinstance(result, Walk) else steps(result, gradient, retain_graph)
    write_result("the page", path, page_text(walk, Tape(walk.rows, named, walk), title).encode())


def page_text(walk: Walk, tape: Tape, title: str) -> str:
    """Return the page as text."""
    data = json.dumps(Encoder(walk, tape).whole(), separators=(",", ":"), allow_nan=False)
    parts = {
        "title": html.escape(title),
        "style": _asset("player.css"),
        "data": data.replace("<", "\\u003c"),  # so that no value ends the script that it is in
        "script": _asset("player.js"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _asset("player.html"))


def _asset(name: str) -> str:
    return resources.files("tinygrad_edu.tape").joinpath(name).read_text(encoding="utf-8")
