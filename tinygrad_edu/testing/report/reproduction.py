"""Code that reproduces a failure, appended to its message, and the first failure of a Hypothesis test."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import itertools
import os
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors import TinygradError
from tinygrad_edu.shared.pytree import tree_leaves, tree_map
from tinygrad_edu.testing.arrays.layouts import copy_with_strides
from tinygrad_edu.testing.op_call import Call, argument_names
from tinygrad_edu.testing.report.repro_script import MOST_NUMBERS, Script
from tinygrad_edu.testing.verdict import is_in_hypothesis_test

_P = ParamSpec("_P")
_R = TypeVar("_R")


def reproducible(check: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorate a check so that its errors contain code that repeats the call, with copies of the original arguments."""

    @functools.wraps(check)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        drawn = any(hasattr(x, "example") for x in args)  # for a strategy, the inner call of the check fails
        snapshots = {} if drawn else {"args": _snapshot(args, {}), "kwargs": _snapshot(kwargs, {})}
        try:
            return check(*args, **kwargs)
        except TinygradError as error:
            if snapshots:
                inner = error.args[0] if error.args else None  # a Message if this check called another one
                text = inner.text if isinstance(inner, Message) else message_of(error, args)
                error.args = (Message(text, checked, **snapshots, error=error),)
            raise

    return checked


class Message:
    """The message of an error, with code that reproduces it. The code is generated when the message is read."""

    def __init__(self, text: str, check: Callable[..., Any], args: Any, kwargs: Any, error: TinygradError) -> None:
        self.text, self._call, self._taken = text, (check, args, kwargs), False
        self._failure = type(error), getattr(error, "element", None)

    @functools.cached_property
    def _code(self) -> tuple[str, str]:
        """The heading, which says what the code lacks, and the code."""
        try:
            check, args, kwargs = self._call
            return _code(check, *_reduced(check, (args, kwargs), *self._failure))
        except Exception as error:  # it must not hide the failure
            return "To reproduce", f"# The code could not be generated: {error!r}"

    def take(self) -> str:
        """Return the code. From then on, the message refers to the code instead of containing it."""
        self._taken = True
        return self._code[1]

    def __str__(self) -> str:
        heading, code = self._code
        return f"{self.text}\n{heading}:" + (" see below." if self._taken else f"\n{code}")

    def __repr__(self) -> str:
        return repr(str(self))

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return str, (str(self),)


def reproduction_lines(error: BaseException) -> str:
    """Return the code in the message of an error or an exception group, for printing without a margin."""
    errors = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    own_lines = [message.take() for message in error.args[:1] if isinstance(message, Message)]
    return "\n\n".join([*own_lines, *filter(None, map(reproduction_lines, errors))])


def remove_explanation(error: BaseException) -> None:
    """Remove the notes in which Hypothesis lists lines of the check that ran only for failing examples."""
    for part in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        remove_explanation(part)
    notes = getattr(error, "__notes__", [])
    if isinstance(next(iter(error.args), None), Message) and "Explanation:" in notes:
        start = notes.index("Explanation:")
        indented = itertools.takewhile(lambda note: note.startswith("    "), notes[start + 1 :])
        del notes[start : start + 1 + len(list(indented))]


def _snapshot(arguments: Any, copies: dict[int, Any]) -> Any:
    """Return a pytree with copies of its arrays, tensors, calls and Generators. `copies` maps ids to copies."""
    return tree_map(lambda x: copies.setdefault(id(x), _copied(x, copies)), arguments)


def _copied(value: Any, copies: dict[int, Any]) -> Any:
    if id(value) in copies:
        return copies[id(value)]
    if isinstance(value, np.ndarray):
        array: Any = copy_with_strides(value)
        array.flags.writeable = value.flags.writeable
        return array
    if isinstance(value, Tensor):
        return Tensor(value.numpy().copy(), value.requires_grad)
    if isinstance(value, Call):
        return value.map_arrays(lambda x: copies.setdefault(id(x), _copied(x, copies)))
    return copy.deepcopy(value) if isinstance(value, np.random.Generator) else value


def _reduced(check: Any, call: Any, kind: type[Exception], element: Any) -> Any:
    """Return the arguments, or small parts of large arrays around a wrong element if the check fails for them, too."""
    sizes = [np.prod(np.shape(x)) for x in tree_leaves(call) if hasattr(x, "shape")]
    if element is None or max(sizes, default=0) <= MOST_NUMBERS:
        return call
    for n in (4, 16):
        starts = {length: min(i, length - n) for length, i in zip(*element, strict=True) if length > 16}
        part = tree_map(lambda x, starts=starts, n=n: _window(x, starts, n), call)
        with contextlib.suppress(Exception):
            try:
                args, kwargs = _snapshot(part, {})
                check.__wrapped__(*args, **kwargs)
            except kind:
                return part
    return call


def _window(x: Any, starts: dict[int, int], n: int) -> Any:
    """Return n elements of an array along each axis whose length has a start."""
    if not hasattr(x, "shape") or not hasattr(x, "__getitem__"):
        return x
    return x[tuple(slice(starts[m], starts[m] + n) if m in starts else slice(None) for m in x.shape)]


def _code(check: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, str]:
    """Return a heading and the code that calls a check."""
    script = Script()
    name = script.code(check)
    hints = [p.name for p in inspect.signature(check).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    subjects, arrays = args[: len(hints)], args[len(hints) :]
    parts = [
        script.assign("call" if isinstance(x, Call) else hint, x) for hint, x in zip(hints, subjects, strict=False)
    ]
    call_arrays = getattr(args[0], "arrays", ()) if arrays else ()
    if (
        call_arrays
        and len(call_arrays) == len(arrays)
        and all(a is b for a, b in zip(call_arrays, arrays, strict=True))
    ):
        parts.append(f"*{parts[0]}.arrays")
    elif arrays:
        parts += [script.assign(*pair) for pair in zip(argument_names(args[0], len(arrays)), arrays, strict=True)]
    parts += [f"{key}={script.code(value, key)}" for key, value in kwargs.items()]
    lacks = "; ".join(f"{name} ({reason})" for name, reason in script.missing.items())
    heading = f"To reproduce, fill in what cannot be written as code, {lacks}" if lacks else "To reproduce"
    return heading, "\n".join([*script.lines, f"{name}({', '.join(parts)})"])


# --- The first failure of a Hypothesis test under pytest, before shrinking simplifies its example ---


class _Failure(NamedTuple):
    """The first line of a message, and the shapes of the arrays."""

    headline: str
    shapes: str


# The first failure of the running test for each error class, because Hypothesis shrinks each class separately.
_first_failures: dict[tuple[str, type], _Failure] = {}


def message_of(error: Exception, inputs: tuple[Any, ...]) -> str:
    """Return the message of an error. In a Hypothesis test, append the first failure if its message differs."""
    text, test = str(error), _running_test()
    if test is None:
        return text
    for key in [key for key in _first_failures if key[0] != test]:
        del _first_failures[key]
    first = _first_failures.setdefault((test, type(error)), _Failure(text.split("\n")[0], _shapes(inputs)))
    if text.split("\n")[0] == first.headline:
        return text
    return f"{text}\n  First failure, with {first.shapes}: {first.headline}"


def is_shrinking(kind: type) -> bool:
    """Whether Hypothesis is shrinking a failure of this class, so that the message is not shown."""
    if (_running_test(), kind) not in _first_failures:
        return False
    from hypothesis.control import current_build_context

    return not current_build_context().is_final


def _running_test() -> str | None:
    """Return the name of the running test if it is a Hypothesis test under pytest, else None."""
    return os.environ.get("PYTEST_CURRENT_TEST") if is_in_hypothesis_test() else None


def _shapes(inputs: tuple[Any, ...]) -> str:
    """Return the shapes of the arrays among inputs. An array that is given both alone and in a `Call` counts once."""
    leaves = (leaf for part in inputs for leaf in tree_leaves(getattr(part, "arrays", part)))
    arrays = {id(x): x for x in leaves if hasattr(x, "shape") or isinstance(x, float)}
    shapes = [str(tuple(np.shape(x))) for x in arrays.values()]
    return f"shape{'s' * (len(shapes) > 1)} {', '.join(shapes) or '()'}"
