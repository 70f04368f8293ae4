"""Add to each failure the code that reproduces it."""

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors import TinygradError
from tinygrad_edu.testing.arrays.layouts import copy_with_strides
from tinygrad_edu.testing.op_call import Call, argument_names
from tinygrad_edu.testing.report import first_failure
from tinygrad_edu.testing.report.repro_script import Script

__tracebackhide__ = True

_P = ParamSpec("_P")
_R = TypeVar("_R")


def reproducible(check: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let every error of this package that a check ends with say how to repeat it: the call, as it was at its start."""

    @functools.wraps(check)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        drawn = any(hasattr(x, "example") for x in args)  # from a strategy: then the failing call is one further in
        kept = {} if drawn else {"args": _snapshot(args, {}), "kwargs": _snapshot(kwargs, {})}
        try:
            return check(*args, **kwargs)
        except TinygradError as error:
            if kept:
                inner = error.args[0] if error.args else None  # of another check, which this one called
                text = inner.text if isinstance(inner, Message) else first_failure.message_of(error, args)
                error.args = (Message(text, checked, **kept),)
            raise

    return checked


class Message:
    """What went wrong, with the lines that repeat it. They are written when they are read: few failures ever are."""

    def __init__(self, text: str, check: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.text, self._call, self._taken = text, (check, args, kwargs), False

    @functools.cached_property
    def _lines(self) -> str:
        try:
            return "\n".join(_lines(*self._call))
        except Exception as error:  # nothing may hide what went wrong
            return f"# The lines could not be written: {error!r}"

    def take(self) -> str:
        """Return the lines to paste; from now on, the message says that they stand below."""
        self._taken = True
        return self._lines

    def __str__(self) -> str:
        lines = " see below." if self._taken else f"\n{self._lines}"
        return f"{self.text}\nTo reproduce:{lines}"

    def __repr__(self) -> str:
        return repr(str(self))

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return str, (str(self),)


def reproduction_lines(error: BaseException) -> str:
    """Return the lines in the message of an error, or of a group of them, to be printed where they can be copied."""
    errors = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    own = [message.take() for message in error.args[:1] if isinstance(message, Message)]
    return "\n\n".join([*own, *filter(None, map(reproduction_lines, errors))])


def _snapshot(value: Any, copies: dict[int, Any]) -> Any:
    """Return a value that keeps what a check, a rule or the user may change: arrays, and the state of a Generator."""
    if id(value) in copies:
        return copies[id(value)]
    if isinstance(value, np.ndarray):
        kept: Any = copy_with_strides(value)
        kept.flags.writeable = value.flags.writeable
    elif isinstance(value, Tensor):
        kept = Tensor(value.numpy().copy(), value.requires_grad)
    elif isinstance(value, Call):
        kept = value.map_arrays(lambda x: _snapshot(x, copies))
    elif isinstance(value, np.random.Generator):
        kept = copy.deepcopy(value)
    elif type(value) in (list, tuple):
        kept = type(value)(_snapshot(part, copies) for part in value)
    elif type(value) is dict:
        kept = {key: _snapshot(part, copies) for key, part in value.items()}
    else:
        return value
    copies[id(value)] = kept
    return kept


def _lines(check: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """Return the lines of a script that calls a check."""
    script = Script()
    name = script.code(check)
    hints = [p.name for p in inspect.signature(check).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    subjects, arrays = args[: len(hints)], args[len(hints) :]
    parts = [
        script.assign("call" if isinstance(x, Call) else hint, x) for hint, x in zip(hints, subjects, strict=False)
    ]
    own = getattr(args[0], "arrays", ()) if arrays else ()
    if own and len(own) == len(arrays) and all(a is b for a, b in zip(own, arrays, strict=True)):
        parts.append(f"*{parts[0]}.arrays")
    elif arrays:
        parts += [script.assign(*pair) for pair in zip(argument_names(args[0], len(arrays)), arrays, strict=True)]
    parts += [f"{key}={script.code(value, key)}" for key, value in kwargs.items()]
    return [*script.lines, f"{name}({', '.join(parts)})"]
