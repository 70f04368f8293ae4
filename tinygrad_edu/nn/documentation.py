"""Complete the docstrings of layers: a family of layers documents what its parameters share once."""

import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from inspect import cleandoc
from types import FunctionType
from typing import Any

_TITLE = "Parameters\n----------\n"
_END = re.compile(r"^\S[^\n]*\n-+$|\Z", re.MULTILINE)  # of a section
_ENTRY = re.compile(r"^(?=\S)([^:\n]+).*(?:\n(?: .*)?)*", re.MULTILINE)
_ORIGINAL = re.compile(r"`(\w+)` (?:as a module|for )")


def complete(layer: type) -> None:
    """Give the docstring of a layer the entries of its family for its other parameters."""
    init = layer.__init__  # type: ignore[misc]
    if layer.__doc__ is None or not isinstance(init, FunctionType):  # without docstrings with -OO
        return
    code = init.__code__
    names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    entries = _entries(layer.__doc__)
    if all(name in entries for name in names):
        return
    for docstring in _others(layer, layer.__doc__):
        entries = {**_entries(docstring), **entries}
    found = dict.fromkeys(entries[name] for name in names if name in entries)
    if found:
        before, _, rest = cleandoc(layer.__doc__).partition(_TITLE)
        text = before + _sections(rest)[1]
        start = len(_sections(text)[0])
        section = _TITLE + "\n".join(found)
        layer.__doc__ = f"{text[:start].rstrip()}\n\n{section}\n\n{text[start:]}".rstrip() + "\n"


def _others(layer: type, own: str) -> Iterator[str]:
    """Yield the docstrings of the base classes, of their other classes in the file, and of what the layer varies."""
    bases: tuple[Any, ...] = layer.__mro__[1:]
    file = layer.__module__
    siblings = [kind for base in bases if base.__module__ == file for kind in base.__subclasses__()]
    others = [*bases, *(kind for kind in siblings if kind is not layer and kind.__module__ == file)]
    yield from (kind.__doc__ for kind in others if kind.__doc__)
    original = _ORIGINAL.match(own)
    if original:
        yield getattr(sys.modules[file], original[1]).__doc__ or ""


def _sections(text: str) -> tuple[str, str]:
    """Return a text until the title of the next section, and the rest."""
    end = next(_END.finditer(text)).start()
    return text[:end], text[end:]


@lru_cache
def _entries(docstring: str) -> dict[str, str]:
    """Return the entry of each parameter. Names with the same entry share it."""
    section, _ = _sections(cleandoc(docstring).partition(_TITLE)[2])
    entries = [(match[1], match[0].rstrip()) for match in _ENTRY.finditer(section)]
    return {name.strip(" *"): text for names, text in entries for name in names.split(",")}
