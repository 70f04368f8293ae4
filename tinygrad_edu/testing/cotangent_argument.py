"""The cotangent among the arguments of a claimed gradient: declared by the caller, or found in the signature."""

import contextlib
import inspect
from functools import partial
from inspect import Parameter
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.engine import Function
from tinygrad_edu.errors import VJPDefinitionError
from tinygrad_edu.testing.flat_function import FlatFunction
from tinygrad_edu.testing.op_call import title_of

_NAMES = "g", "cotangent", "grad_output", "ct"  # an optional argument with one of these names is the cotangent


class CotangentArgument(NamedTuple):
    """The argument of a claimed gradient that is the cotangent."""

    keyword: str | None  # None: the argument after those of the function
    is_optional: bool


def find_cotangent(grad: Function, flat: FlatFunction, declared: bool | None) -> CotangentArgument | None:
    """Return the cotangent's argument, or None if `grad` takes the arguments of the function only.

    `declared` is whether it takes a cotangent, or None if its signature decides. Raise `VJPDefinitionError` if `grad`
    cannot be called in this way, or if its signature does not decide.
    """
    names = flat.point.names
    positional, extra, is_variadic = _parameters(grad, flat.f, len(names))
    required = [p for p in extra if p.default is Parameter.empty]
    named = [p for p in extra if p.name in _NAMES]
    candidates = required or named or extra
    has_too_few = len(positional) < len(names) and not is_variadic
    if has_too_few or len(required) > (declared is not False) or (declared and not (candidates or is_variadic)):
        raise cannot_be_called(grad, flat.name, names if declared is False else (*names, "cotangent"))
    if declared is None and not (required or named) and (extra or is_variadic):
        raise VJPDefinitionError(
            f"check_gradient: the signature {_described(grad)} does not say whether the gradient takes a cotangent. "
            f"Pass cotangent=True if the argument after ({', '.join(names)}) is the cotangent, or cotangent=False if "
            f"it takes none."
        )
    if declared is False or not (candidates or is_variadic):
        return None
    if not candidates:
        return CotangentArgument(None, False)
    is_next = candidates[0] in positional[len(names) : len(names) + 1]
    return CotangentArgument(None if is_next else candidates[0].name, not required)


def cannot_be_called(grad: Function, title: str, names: tuple[str, ...]) -> VJPDefinitionError:
    """Return the error for a gradient that cannot be called with the named arguments."""
    return VJPDefinitionError(
        f"the gradient of {title} must accept the call grad({', '.join(names)}), got {_described(grad)}. The "
        f"cotangent is the last argument; only for a result that is one real number, a gradient may take none."
    )


def _parameters(grad: Function, f: Function, count: int) -> tuple[list[Parameter], list[Parameter], bool]:
    """Return the positional parameters, all after the first `count`, and whether there may be any number.

    Parameters that cannot be the cotangent are not among those after the first: those that a partial sets, optional
    ones that f has too, and the options of NumPy's own functions.
    """
    if isinstance(grad, np.ufunc):
        positional = [Parameter(f"x{k}", Parameter.POSITIONAL_ONLY) for k in range(grad.nin)]
        return positional, positional[count:], False
    parameters = parameters_of(grad)
    if parameters is None:
        return [], [], True
    settings = {p.name for p in parameters_of(f) or () if p.default is not Parameter.empty}
    settings |= set(grad.keywords) if isinstance(grad, partial) else set()
    of_numpy = str(getattr(grad, "__module__", "")).partition(".")[0] == "numpy"
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    extra = [*positional[count:], *(p for p in parameters if p.kind == p.KEYWORD_ONLY)]
    extra = [p for p in extra if p.default is Parameter.empty or not (of_numpy or p.name in settings)]
    return positional, extra, any(p.kind == p.VAR_POSITIONAL for p in parameters)


def parameters_of(function: Any) -> list[Parameter] | None:
    """Return the parameters of a function, or None if they are unknown."""
    with contextlib.suppress(TypeError, ValueError):  # some functions of C have no signature
        return list(inspect.signature(function).parameters.values())
    return None


def _described(function: Function) -> str:
    parameters = parameters_of(function)
    return f"{title_of(function)}{'(...)' if parameters is None else inspect.Signature(parameters)}"
