"""Errors for names and keywords of PyTorch, NumPy and Keras, with a hint to the name used here.

`name_tables` has the names of the other libraries and their replacements.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, wraps
from inspect import Parameter, signature
from types import FunctionType
from typing import Any, NoReturn, Self

from tinygrad_edu.name_tables import KEYWORDS, LEFT_OUT, NAMES


def attribute_error(place: str, name: str, known: Iterable[str] = ()) -> AttributeError:
    """Return the error for a missing attribute, with a hint: the replacement or the closest name."""
    here = NAMES.get(place, {}).get(name)
    if here is not None:
        return AttributeError(f"{place} has no {name!r}: {_sentence(here)}.", name=name)
    near = None if name.startswith("_") else nearest(name, known)
    hint = f"; did you mean {near!r}?" if near else ""
    return AttributeError(f"{place} has no {name!r}{hint}", name=name)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the closest of the known names, or None."""
    import difflib  # only errors need it

    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)


def getattr_with_hints(place: str, known: Sequence[str]) -> Callable[[str], NoReturn]:
    """Return a module-level ``__getattr__`` whose errors have hints."""

    def module_getattr(name: str) -> NoReturn:
        raise attribute_error(place, name, known)

    return module_getattr


def raise_unexpected_keyword(function: str, given: Iterable[str], known: Iterable[str]) -> NoReturn:
    """Raise TypeError for an unexpected keyword, with a hint: the right keyword, or all accepted ones."""
    name, known = next(iter(given)), tuple(known)
    here = KEYWORDS.get(name)
    hint = f"{name} of PyTorch is {here} here" if here in known else f"expected {', '.join(known) or 'none'}"
    if name in LEFT_OUT:
        hint = _sentence(LEFT_OUT[name])
    raise TypeError(f"{function}() got an unexpected keyword argument {name!r}: {hint}.")


def with_keyword_hints(function: Callable[..., Any], module: str | None = None) -> Callable[..., Any]:
    """Wrap a function so that PyTorch's names of its keywords raise an error with a hint.

    `module` is the module in which `pickle` finds the wrapped function. Default: the function's own module.
    """
    wrapped = hasattr(function, "__wrapped__")  # an op, whose call has the hints
    if wrapped or not isinstance(function, FunctionType):
        return function
    code = function.__code__  # read for 200 functions at import; `signature` is ten times slower
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    if not set(KEYWORDS.values()) & set(known):
        return function

    @wraps(function)
    def call(*args: Any, **settings: Any) -> Any:
        for name in settings:
            if name in KEYWORDS and name not in known:
                raise_unexpected_keyword(function.__name__, [name], known[1:])
        return function(*args, **settings)

    if module is not None:
        call.__module__ = module
    return call


def public_names(space: Mapping[str, Any], package: str, *others: str) -> list[str]:
    """Return the names in a package's namespace that its files define, in import order, followed by `others`."""
    found = [name for name, value in space.items() if str(getattr(value, "__module__", "")).startswith(f"{package}.")]
    return [*(name for name in found if not name.startswith("_")), *others]


class KeywordHints:
    """Base class of modules, optimizers and loaders: PyTorch's arguments raise an error with a hint.

    ``__new__`` checks the arguments, because Python calls it before ``__init__``.
    """

    __slots__ = ()

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Check the arguments against the signature of ``__init__``, and make an instance."""
        init: Any = cls.__init__
        taken = _accepted_arguments(init) if (args or settings) and isinstance(init, FunctionType) else None
        if taken:
            known, places = taken
            others = [name for name in settings if name not in known]
            if others:
                raise_unexpected_keyword(cls.__name__, others, known)
            if len(args) > places:
                _raise_too_many_values(cls.__name__, args, known[:places], known[places:])
        return super().__new__(cls)


@lru_cache
def _accepted_arguments(init: Callable[..., None]) -> tuple[list[str], int] | None:
    """Return the parameter names of an ``__init__`` and its number of positional ones; None if it has ``**kwargs``."""
    takes = list(signature(init).parameters.values())[1:]
    if any(each.kind is Parameter.VAR_KEYWORD for each in takes):
        return None
    known = [each.name for each in takes if each.kind is not Parameter.VAR_POSITIONAL]
    if len(known) < len(takes):
        return known, sys.maxsize
    return known, sum(each.kind is not Parameter.KEYWORD_ONLY for each in takes)


def _raise_too_many_values(kind: str, args: Sequence[Any], places: Sequence[str], keywords: Sequence[str]) -> NoReturn:
    """Raise TypeError for too many positional arguments. PyTorch's `inplace` is often the last of them."""
    takes = f"the positional arguments {', '.join(places)}" if places else "no positional arguments"
    hint = f"; keyword-only: {', '.join(keywords)}" if keywords else ""
    if isinstance(args[-1], bool):
        hint += f"; if {args[-1]} is PyTorch's inplace, {LEFT_OUT['inplace']}"
    raise TypeError(f"{kind}() takes {takes}, got {len(args)}{hint}.")


def _sentence(here: str) -> str:
    """Return a hint as a sentence without backticks."""
    return ("write " if here.startswith("`") else "") + here.replace("`", "")


class _ForeignName:
    """A descriptor for a name of another library: access raises AttributeError with a hint."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner_or_value: Any) -> NoReturn:
        raise attribute_error("Tensor", self.name)

    __set__ = __get__


class NameHints:
    """Base class of Tensor, with hints for the names of other libraries.

    The hints are descriptors: a ``__getattr__`` would make every op a sixth slower.
    """

    __slots__ = ()

    def __dir__(self) -> list[str]:
        return sorted(name for name in super().__dir__() if not isinstance(vars(NameHints).get(name), _ForeignName))


for _name in NAMES["Tensor"]:
    setattr(NameHints, _name, _ForeignName(_name))
