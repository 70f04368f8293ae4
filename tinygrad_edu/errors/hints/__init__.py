"""Errors for names and keywords of PyTorch, NumPy and Keras, with a hint to the name used here.

`tables` has the names of the other libraries and their replacements.
"""

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, wraps
from inspect import Parameter, signature
from types import CodeType, FunctionType
from typing import Any, NoReturn, Self

from tinygrad_edu.errors.hints.tables import (
    ELSEWHERE,
    KEYWORDS,
    KEYWORDS_OF,
    NAMES,
    SECOND_INPUTS,
    UNSUPPORTED,
    VALUES_ALONE,
)
from tinygrad_edu.errors.hints.tensor_names import TENSOR_NAMES


def attribute_error(owner: str, name: str, known: Iterable[str] = ()) -> AttributeError:
    """Return the error for a missing attribute, with a hint: the replacement or the closest name."""
    replacement = NAMES.get(owner, {}).get(name) or _elsewhere(owner, name)
    if replacement is not None:
        return AttributeError(f"{owner} has no {name!r}: {_sentence(replacement)}.", name=name)
    closest = None if name.startswith("_") else nearest(name, known)
    hint = f"; did you mean {closest!r}?" if closest else "."
    return AttributeError(f"{owner} has no {name!r}{hint}", name=name)


def _elsewhere(owner: str, name: str) -> str | None:
    """Return what to write for another name of another library, or that it is not offered; None for unknown names."""
    if name.startswith("_"):  # Python asks modules for such names when it imports them
        return None
    from tinygrad_edu.errors.hints.elsewhere import NAMES_BY_LIBRARY  # only errors need it

    libraries = NAMES_BY_LIBRARY.get(owner, {}).items()
    library = next((library for library, names in libraries if name in names.split()), None)
    if library is None:
        return None
    of = f"`np.{name}`" if library == "NumPy" else f"not offered; it is a name of {library}"
    return ELSEWHERE.get(name) or _in_another_place(owner, name) or of


def _in_another_place(owner: str, name: str) -> str | None:
    """Return the call of a function here that has the name in another place, or lacks the final underscore of it."""
    tg: Any = sys.modules["tinygrad_edu"]
    if owner not in ("Tensor", "tg.nn") and hasattr(tg.Tensor, name):
        return f"`t.{name}`"
    base = name.removesuffix("_")
    for place, prefix, other in (("tg", "tg", tg), ("tg.nn", "nn", tg.nn), ("tg.linalg", "tg.linalg", tg.linalg)):
        if place != owner and base in dir(other) and callable(getattr(other, base)):
            call = f"{prefix}.{base}({_required(getattr(other, base))})" if base[0].islower() else f"{prefix}.{base}"
            return f"`t.assign({call})`" if base != name else f"`{call}`"
    return f"`t.assign(tg.{base}(t))`" if base != name and base in dir(tg) else None


def _required(function: Callable[..., Any]) -> str:
    """Return the required arguments of a call: ``t``, ``other`` if the function needs two, and keywords."""
    required = [p for p in signature(function).parameters.values() if p.default is p.empty]
    keywords = [f"{p.name}={p.name}" for p in required if p.kind is p.KEYWORD_ONLY]
    return ", ".join(["t", "other"][: len(required) - len(keywords)] + keywords)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the closest of the known names, or None. Of equally close names, the case decides."""
    import difflib  # only errors need it

    known = list(known)
    lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name, known, n=1) or difflib.get_close_matches(name.lower(), lower, n=1)
    return lower.get(close[0].lower()) if close and close[0] not in known else next(iter(close), None)


def getattr_with_hints(owner: str, known: Sequence[str]) -> Callable[[str], NoReturn]:
    """Return a module-level ``__getattr__`` whose errors have hints."""

    def module_getattr(name: str) -> NoReturn:
        raise attribute_error(owner, name, known)

    return module_getattr


def raise_unexpected_keyword(function: str, keywords: Iterable[str], known: Iterable[str]) -> NoReturn:
    """Raise TypeError for an unexpected keyword, with a hint: the right keyword, or all accepted ones."""
    name, known = next(iter(keywords)), tuple(known)
    alias = next((here for here in KEYWORDS.get(name, "").split() if here in known), None)
    hint = f"{name} of PyTorch is {alias} here" if alias else f"expected {', '.join(known) or 'none'}"
    replacement = KEYWORDS_OF.get((function, name)) or UNSUPPORTED.get(name)
    if replacement is not None:
        hint = _sentence(replacement)
    if alias == "axis" and function in VALUES_ALONE:
        hint += f". It returns the values alone; PyTorch's indices are {VALUES_ALONE[function].replace('`', '')}"
    raise TypeError(f"{function}() got an unexpected keyword argument {name!r}: {hint}.")


# Parameters whose names differ in PyTorch.
RENAMED = frozenset(" ".join(KEYWORDS.values()).split())


def with_hints(
    function: Callable[..., Any], module: str | None = None, check: Callable[..., None] | None = None
) -> Callable[..., Any]:
    """Wrap a public function so that PyTorch's keywords raise an error with a hint.

    A function without a parameter that PyTorch names otherwise is returned as it is. So is an op or decorated function,
    whose calls have hints, unless there is a check.

    Parameters
    ----------
    function : callable
    module : str, optional
        Module in which `pickle` finds the wrapped function. Default: the function's own module.
    check : callable, optional
        Called with the arguments after a call that has several positional ones.
    """
    is_plain = isinstance(function, FunctionType) and not hasattr(function, "__wrapped__")
    is_named = (is_plain or check is not None) and function.__name__ in SECOND_INPUTS
    is_renamed = is_plain and not RENAMED.isdisjoint(_parameters_of(function))
    if check is None and not is_named and not is_renamed:
        return function
    inner = getattr(function, "call", function)  # of an op

    @wraps(function)
    def call(*args: Any, **settings: Any) -> Any:
        try:
            out = inner(*args, **settings)
        except TypeError as error:
            if is_named and len(args) > 1:
                hint = SECOND_INPUTS[function.__name__].replace("`", "")
                raise TypeError(f"{function.__name__}: {hint}.") from error
            if is_plain:
                explain_arguments(function, settings)
            raise
        if check is not None and len(args) > 1:
            check(*args, **settings)
        return out

    if module is not None:
        call.__module__, call.__qualname__ = module, call.__name__
    return call


def _parameters_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the parameters of a function, without ``*args`` and ``**kwargs``."""
    code: CodeType = inspect.unwrap(function).__code__  # read for 200 functions; `signature` is ten times slower
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def explain_arguments(function: Callable[..., Any], settings: Iterable[str]) -> None:
    """Raise TypeError with a hint if a function was called with a keyword that it does not have."""
    code, known = inspect.unwrap(function).__code__, _parameters_of(function)
    unknown = [name for name in settings if name not in known]
    if unknown and not code.co_flags & inspect.CO_VARKEYWORDS:
        raise_unexpected_keyword(function.__name__, unknown, known[code.co_posonlyargcount :])


def add_hints(scope: dict[str, Any]) -> None:
    """Wrap the public functions in the namespace of a package by `with_hints`, also in the files that define them."""
    for name in scope["__all__"]:
        wrapped = with_hints(scope[name])
        if wrapped is not scope[name]:
            scope[name] = vars(sys.modules[wrapped.__module__])[name] = wrapped


def public_names(scope: Mapping[str, Any], package: str, *extra: str) -> list[str]:
    """Return the names in a package's namespace that its files define, in import order, followed by `extra`."""
    names = [name for name, value in scope.items() if str(getattr(value, "__module__", "")).startswith(f"{package}.")]
    return [*(name for name in names if not name.startswith("_")), *extra]


class KeywordHints:
    """Base class of modules, optimizers and loaders: PyTorch's arguments raise an error with a hint.

    ``__new__`` checks the arguments, because Python calls it before ``__init__``.
    """

    __slots__ = ()

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Check the arguments against the signature of ``__init__``, and make an instance."""
        init: Any = cls.__init__
        accepted = _accepted_arguments(init) if (args or settings) and isinstance(init, FunctionType) else None
        if accepted:
            known, num_positional = accepted
            unknown = [name for name in settings if name not in known]
            if unknown:
                raise_unexpected_keyword(cls.__name__, unknown, known)
            if len(args) > num_positional:
                _raise_too_many_values(cls.__name__, args, known[:num_positional], known[num_positional:])
        return super().__new__(cls)


@lru_cache
def _accepted_arguments(init: Callable[..., None]) -> tuple[list[str], int] | None:
    """Return the parameter names of an ``__init__`` and its number of positional ones; None if it has ``**kwargs``."""
    parameters = list(signature(init).parameters.values())[1:]
    if any(p.kind is Parameter.VAR_KEYWORD for p in parameters):
        return None
    known = [p.name for p in parameters if p.kind is not Parameter.VAR_POSITIONAL]
    if len(known) < len(parameters):
        return known, sys.maxsize
    return known, sum(p.kind is not Parameter.KEYWORD_ONLY for p in parameters)


def _raise_too_many_values(kind: str, args: Sequence[Any], params: Sequence[str], keywords: Sequence[str]) -> NoReturn:
    """Raise TypeError for too many positional arguments. PyTorch's `inplace` is often the last of them."""
    accepted = f"the positional arguments {', '.join(params)}" if params else "no positional arguments"
    hint = f"; keyword-only: {', '.join(keywords)}" if keywords else ""
    if isinstance(args[-1], bool):
        hint += f"; if {args[-1]} is PyTorch's inplace, {UNSUPPORTED['inplace']}"
    raise TypeError(f"{kind}() takes {accepted}, got {len(args)}{hint}.")


def _sentence(hint: str) -> str:
    """Return a hint as a sentence without backticks."""
    return ("write " if hint.startswith("`") else "") + hint.replace("`", "")


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


for _name in (*NAMES["Tensor"], *TENSOR_NAMES.split()):
    setattr(NameHints, _name, _ForeignName(_name))
