"""Call sites: the line outside of this package that called an op, and the layer of the model."""

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
        Of the innermost frame outside of this package; on a thread of `map_shards` there may be none, and no file.
    layers : tuple of weakref.ref
        The modules that were being called, the innermost first. Weak, because a module may hold what it computed.
    vjp : str
        Of the op whose vjp called this one, if one did: then all else says where that op was called.
    """

    file: str
    line: int
    function: str
    layers: tuple[ref[Any], ...]
    vjp: str = ""

    def in_vjp(self, op: str, argument: str) -> CallSite:
        """Return that of the ops which a vjp of this op calls."""
        return self._replace(vjp=f"the vjp of op {op} for {argument}")

    @property
    def place(self) -> str:
        """The name of the file, and the line."""
        return f"{os.path.basename(self.file)}:{self.line}" if self.file else ""

    @property
    def code(self) -> str:
        """The text of the line; "" where it cannot be read."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        called = f"Called by {self.vjp}, which was called{self._layer()}" if self.vjp else f"Called{self._layer()}"
        if not self.file:
            return f"{called} by no line outside of this package."
        source = self.code
        place = f'{called} at\n  File "{self.file}", line {self.line}, in {self.function}'
        return f"{place}\n    {source}" if source else place

    def _layer(self) -> str:
        """Say in which layer, by the name that it has in the outermost module that knows it."""
        modules = [module for module in (layer() for layer in self.layers) if module is not None]
        if not modules:
            return ""
        layer = modules[0]
        paths = [path for model in modules for path, part in model.named_modules() if part is layer]
        return f" in layer {paths[-1]} ({type(layer).__name__})" if paths[-1] else f" in {type(layer).__name__}"


def call_site() -> CallSite:
    """Return where the op is called that is being computed."""
    frames = list(_frames())
    layers = tuple(ref(frame.f_locals["self"]) for frame in frames if _is_module_call(frame))
    for frame in frames:
        if not frame.f_code.co_filename.startswith((_PACKAGE, "<op ", threading.__file__)):
            return CallSite(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name, layers)
    return CallSite("", 0, "", layers)


def _frames() -> Iterator[FrameType]:
    """Yield the frames of this thread, the innermost first."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_module_call(frame: FrameType) -> bool:
    """Return whether a frame is the call of a layer. The name will do: the engine does not know what a Module is."""
    code = frame.f_code
    return code.co_qualname == "Module.__call__" and code.co_filename.startswith(_PACKAGE)
