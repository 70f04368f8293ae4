"""Call sites of ops: the line outside of this package, and the layer of the model."""

from __future__ import annotations

import linecache
import os
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, NamedTuple
from weakref import ref

_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(__file__))) + os.sep


class CallSite(NamedTuple):
    """Where an op was called.

    Attributes
    ----------
    file, line, function
        Position of the innermost frame outside of this package. On a thread of `map_shards` there may be none.
    layers : tuple of weakref.ref
        Modules on the call stack, innermost first. The references are weak, since a module may hold its results.
    vjp : str
        Description of the vjp that called the op, or "". The other fields then describe the call of the vjp's own op.
    """

    file: str
    line: int
    function: str
    layers: tuple[ref[Any], ...]
    vjp: str = ""

    def in_vjp(self, op: str, argument: str) -> CallSite:
        """Return the call site of ops that a vjp of this op calls."""
        return self._replace(vjp=f"the vjp of op {op} for {argument}")

    @property
    def location(self) -> str:
        """The name of the file and the line number."""
        return f"{os.path.basename(self.file)}:{self.line}" if self.file else ""

    @property
    def code(self) -> str:
        """The text of the line, or "" if it cannot be read."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        called = f"Called by {self.vjp}, which was called{self.layer()}" if self.vjp else f"Called{self.layer()}"
        if not self.file:
            return f"{called} from no line outside of this package."
        source = self.code
        location = f'{called} at\n  File "{self.file}", line {self.line}, in {self.function}'
        return f"{location}\n    {source}" if source else location

    def layer(self) -> str:
        """Return " in layer 0 (Linear)", with the layer's name in the outermost module that contains it, or ""."""
        modules = [module for module in (layer() for layer in self.layers) if module is not None]
        if not modules:
            return ""
        layer = modules[0]
        paths = [path for model in modules for path, part in model.named_modules() if part is layer]
        return f" in layer {paths[-1]} ({type(layer).__name__})" if paths[-1] else f" in {type(layer).__name__}"


def call_site() -> CallSite:
    """Return the call site of the op that is being computed."""
    frames = list(_frames())
    layers = tuple(ref(frame.f_locals["self"]) for frame in frames if _is_module_call(frame))
    for frame in frames:
        if not frame.f_code.co_filename.startswith((_PACKAGE, "<op ", threading.__file__)):
            return CallSite(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name, layers)
    return CallSite("", 0, "", layers)


def _frames() -> Iterator[FrameType]:
    """Yield the frames of this thread, innermost first."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_module_call(frame: FrameType) -> bool:
    """Return whether a frame is the call of a layer, by its name: the engine does not import Module."""
    code = frame.f_code
    return code.co_qualname == "Module.__call__" and code.co_filename.startswith(_PACKAGE)
