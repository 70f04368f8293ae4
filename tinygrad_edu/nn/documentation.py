"""Complete the docstrings of layers: a family of layers documents what its parameters share once."""

import re
import sys
from collections.abc import Iterator
from inspect import cleandoc
from types import FunctionType

_SECTION = re.compile(r"^Parameters\n-+\n(.*?)\n*(?=^\S[^\n]*\n-+$|\Z)", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(r"^(?=\S)([^:\n]+).*(?:\n(?: .*)?)*", re.MULTILINE)
_NEXT_SECTION = re.compile(r"^\S[^\n]*\n-+$|\Z", re.MULTILINE)
_ORIGINAL = re.compile(r"`(\w+)` (?:as a module|for )")


def complete(layer: type) -> None:
    """Give the docstring of a layer the entries of its family for its other parameters."""
    init = vars(layer).get("__init__", layer.__init__)  # type: ignore[misc]
    if layer.__doc__ is None or not isinstance(init, FunctionType):  # without docstrings with -OO
        return
    code = init.__code__
    names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    own = cleandoc(layer.__doc__)
    entries = _entries(own)
    if all(name in entries for name in names):
        return
    for docstring in _others(layer, own):
        entries = {**_entries(docstring), **entries}
    found = dict.fromkeys(entries[name] for name in names if name in entries)
    if found:
        rest = _SECTION.sub("", own)
        start = next(_NEXT_SECTION.finditer(rest)).start()
        section = "\n".join(["Parameters", "----------", *found])
        layer.__doc__ = f"{rest[:start].rstrip()}\n\n{section}\n\n{rest[start:]}".rstrip() + "\n"


def _others(layer: type, own: str) -> Iterator[str]:
    """Yield the docstrings of the base classes, of their other classes in the file, and of what the layer varies."""
    bases, file = layer.__mro__[1:], layer.__module__
    siblings = (kind for base in bases if base.__module__ == file for kind in base.__subclasses__())
    others = [*bases, *(kind for kind in siblings if kind is not layer and kind.__module__ == file)]
    yield from (cleandoc(kind.__doc__) for kind in others if kind.__doc__)
    original = _ORIGINAL.match(own)
    if original:
        yield cleandoc(getattr(sys.modules[file], original[1]).__doc__ or "")


def _entries(docstring: str) -> dict[str, str]:
    """Return the entry of each parameter. Names with the same entry share it."""
    section = _SECTION.search(docstring)
    entries = [(match[1], match[0].rstrip()) for match in _ENTRY.finditer(section[1])] if section else []
    return {name.strip(" *"): text for names, text in entries for name in names.split(",")}
