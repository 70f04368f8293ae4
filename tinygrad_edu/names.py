"""When the name is another: how an error says so, of a name that is missing, a keyword, or an argument of a class.

What PyTorch, NumPy and Keras call something, and what it is here, is in `name_tables`.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, wraps
from inspect import Parameter, signature
from types import FunctionType
from typing import Any, NoReturn, Self

from tinygrad_edu.name_tables import KEYWORDS, LEFT_OUT, NAMES


def missing_name(place: str, name: str, known: Iterable[str] = ()) -> AttributeError:
    """Return the error for a name that a place does not have: with what to write instead, or the nearest name."""
    here = NAMES.get(place, {}).get(name)
    if here is not None:
        return AttributeError(f"{place} has no {name!r}: {_sentence(here)}.", name=name)
    near = None if name.startswith("_") else nearest(name, known)
    hint = f"; did you mean {near!r}?" if near else ""
    return AttributeError(f"{place} has no {name!r}{hint}", name=name)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant, if one is near."""
    import difflib  # here, because it is needed for errors alone

    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)


def missing_from(place: str, known: Sequence[str]) -> Callable[[str], NoReturn]:
    """Return the ``__getattr__`` of a module: what is asked for a name that the module does not have."""

    def answer(name: str) -> NoReturn:
        raise missing_name(place, name, known)

    return answer


def refuse_keywords(function: str, given: Iterable[str], known: Iterable[str]) -> NoReturn:
    """Raise for a keyword that a function does not have: with the one that is meant, or those that it has."""
    name, known = next(iter(given)), tuple(known)
    here = KEYWORDS.get(name)
    hint = f"{name} of PyTorch is {here} here" if here in known else f"it takes {', '.join(known) or 'none'}"
    if name in LEFT_OUT:
        hint = _sentence(LEFT_OUT[name])
    raise TypeError(f"{function}() got an unexpected keyword argument {name!r}: {hint}.")


def with_our_keywords(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of which a keyword of PyTorch's says what it is here; itself, if there is none to say."""
    wrapped = hasattr(function, "__wrapped__")  # by what does this itself
    if wrapped or not isinstance(function, FunctionType):
        return function
    code = function.__code__  # for two hundred functions at import: `signature` takes ten times as long
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    if not set(KEYWORDS.values()) & set(known):
        return function

    @wraps(function)
    def call(*args: Any, **settings: Any) -> Any:
        for name in settings:
            if name in KEYWORDS and name not in known:
                refuse_keywords(function.__name__, [name], known[1:])
        return function(*args, **settings)

    return call


class OurKeywords:
    """What modules and optimizers inherit, so that making one with PyTorch's arguments says what to write here.

    In ``__new__``, which Python calls first: no ``__init__`` is changed for it, and calls cost what they cost.
    """

    __slots__ = ()

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Make an instance, if its ``__init__`` takes these arguments."""
        init: Any = cls.__init__
        taken = _taken_by(init) if (args or settings) and isinstance(init, FunctionType) else None
        if taken:
            known, places = taken
            others = [name for name in settings if name not in known]
            if others:
                refuse_keywords(cls.__name__, others, known)
            if len(args) > places:
                _refuse_values(cls.__name__, args, known[:places], known[places:])
        return super().__new__(cls)


@lru_cache
def _taken_by(init: Callable[..., None]) -> tuple[list[str], int] | None:
    """Return the names that an ``__init__`` takes, and how many values; nothing where it hands on what there is."""
    takes = list(signature(init).parameters.values())[1:]
    if any(each.kind is Parameter.VAR_KEYWORD for each in takes):
        return None
    known = [each.name for each in takes if each.kind is not Parameter.VAR_POSITIONAL]
    if len(known) < len(takes):
        return known, sys.maxsize
    return known, sum(each.kind is not Parameter.KEYWORD_ONLY for each in takes)


def _refuse_values(kind: str, args: Sequence[Any], places: Sequence[str], keywords: Sequence[str]) -> NoReturn:
    """Raise for more values than a class takes: PyTorch's inplace comes last, and often without its name."""
    takes = f"the values {', '.join(places)}" if places else "no values"
    hint = f"; by keyword also {', '.join(keywords)}" if keywords else ""
    if isinstance(args[-1], bool):
        hint += f"; where {args[-1]} is PyTorch's inplace, {LEFT_OUT['inplace']}"
    raise TypeError(f"{kind}() takes {takes}, and was given {len(args)}{hint}.")


def _sentence(here: str) -> str:
    """Return what to write instead as it stands in an error: there, nothing is marked as code."""
    return ("write " if here.startswith("`") else "") + here.replace("`", "")


class _Foreign:
    """A name on a class that is missing: asking for it raises AttributeError, as for any other that is not there."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> NoReturn:
        raise missing_name("Tensor", self.name)

    def __set__(self, instance: Any, value: Any) -> NoReturn:
        raise missing_name("Tensor", self.name)


class ForeignNames:
    """What `Tensor` inherits to answer for other libraries' names. A ``__getattr__`` would cost every op a sixth."""

    __slots__ = ()

    def __dir__(self) -> list[str]:
        return sorted(name for name in super().__dir__() if not isinstance(vars(ForeignNames).get(name), _Foreign))


for _name in NAMES["Tensor"]:
    setattr(ForeignNames, _name, _Foreign(_name))
