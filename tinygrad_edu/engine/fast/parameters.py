"""The parameters of a function, read from its code object."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import CO_VARARGS, CO_VARKEYWORDS, Parameter
from types import FunctionType
from typing import Any, NamedTuple

from tinygrad_edu.engine.plain import plain_parameters
from tinygrad_edu.shared.speed.plain_mode import faster_than


class _Parameter(NamedTuple):
    """The attributes of `inspect.Parameter` that an op reads, without the checks of that class, which take longer."""

    name: str
    kind: Any
    default: Any = Parameter.empty


@faster_than(plain_parameters)
def parameters(function: Callable[..., Any]) -> Iterable[Any]:
    """Return the parameters of a function. Use `inspect` for callables that are not plain functions."""
    if function.__class__ is not FunctionType or vars(function):  # a wrapper, or a signature that was set
        return plain_parameters(function)
    code, defaults, values = function.__code__, function.__defaults__ or (), function.__kwdefaults__ or {}
    count, first = code.co_argcount, code.co_posonlyargcount
    kinds = [Parameter.POSITIONAL_ONLY] * first + [Parameter.POSITIONAL_OR_KEYWORD] * (count - first)
    defaults = (*[Parameter.empty] * (count - len(defaults)), *defaults)
    result = list(map(_Parameter, code.co_varnames[:count], kinds, defaults))
    keywords = code.co_varnames[count : count + code.co_kwonlyargcount]
    star_names = iter(code.co_varnames[count + len(keywords) :])
    if code.co_flags & CO_VARARGS:
        result.append(_Parameter(next(star_names), Parameter.VAR_POSITIONAL))
    result += [_Parameter(name, Parameter.KEYWORD_ONLY, values.get(name, Parameter.empty)) for name in keywords]
    if code.co_flags & CO_VARKEYWORDS:
        result.append(_Parameter(next(star_names), Parameter.VAR_KEYWORD))
    return result
