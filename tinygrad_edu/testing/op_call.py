"""Call: an op or function of tensors, with inputs and settings. Its repr is code. BoundFunction: any function."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.engine import Array, Op
from tinygrad_edu.errors import MissingVJPError
from tinygrad_edu.ops import linalg
from tinygrad_edu.testing.arrays.code_repr import Namer, code, described


class Call:
    """One call of an op, as a function of its differentiable inputs. The other inputs are constant.

    Parameters
    ----------
    function : str or callable
        An `Op`, a function of tensors, or the name of an op or function of `tinygrad_edu.ops`, or of an op in any
        imported module.
    inputs : sequence of array_like
        The arguments of the call.
    differentiable : sequence of int, optional
        The positions of the inputs to differentiate with respect to. Default: every floating-point input with a vjp.
    **settings : Any
        Keyword arguments of the call.

    Raises
    ------
    LookupError
        No op has this name.

    Attributes
    ----------
    arrays : tuple of ndarray
        The differentiable inputs.
    names : tuple of str
        Their names.

    Examples
    --------
    >>> call = Call("sum", [np.array([[1.0, 2.0]])], axis=1)
    >>> call
    Call('sum', [np.array([[1.0, 2.0]])], axis=1)
    >>> call(*call.arrays)
    array([3.])
    """

    def __init__(
        self,
        function: str | Callable[..., Any],
        inputs: Sequence[Any],
        differentiable: Sequence[int] | None = None,
        **settings: Any,
    ) -> None:
        self.function = resolve(function)
        self.inputs = tuple(np.asarray(x) if isinstance(x, np.generic) else x for x in inputs)
        self.settings = settings
        self._given = differentiable
        names = argument_names(self.function, len(self.inputs))
        self.differentiable = tuple(self._with_vjps(names) if differentiable is None else differentiable)
        self.arrays: tuple[Array, ...] = tuple(self.inputs[k] for k in self.differentiable)
        self.names = tuple(names[k] for k in self.differentiable)

    @property
    def name(self) -> str:
        """The name of the op or function."""
        return str(getattr(self.function, "__name__", self.function))

    def __call__(self, *arrays: Any) -> Any:
        """Call the function with `arrays` (arrays or Tensors) as the differentiable inputs."""
        return self.function(*self._with_differentiable(arrays), **self.settings)

    def __repr__(self) -> str:
        return self.to_code(described)

    def to_code(self, name: Namer) -> str:
        """Return the call as code, with ``name(x)`` for each value x that is not a literal."""
        is_own = _own_function(self.name) is self.function
        parts = [repr(self.name) if is_own else name(self.function), code(list(self.inputs), name)]
        if self._given is not None:
            parts.append(f"differentiable={tuple(self._given)}")
        parts += [f"{key}={code(value, name)}" for key, value in self.settings.items()]
        return f"{name(type(self))}({', '.join(parts)})"

    def with_arrays(self, arrays: Sequence[Any]) -> Call:
        """Return the call with other differentiable inputs."""
        return Call(self.function, self._with_differentiable(arrays), self._given, **self.settings)

    def map_arrays(self, function: Callable[[Array], Array]) -> Call:
        """Return the call with `function` applied to each input that is an array."""
        inputs = [function(x) if isinstance(x, np.ndarray) else x for x in self.inputs]
        return Call(self.function, inputs, self._given, **self.settings)

    def _with_differentiable(self, arrays: Sequence[Any]) -> list[Any]:
        """Return the inputs with `arrays` as the differentiable ones."""
        inputs = list(self.inputs)
        for k, x in zip(self.differentiable, arrays, strict=True):
            inputs[k] = x
        return inputs

    def _with_vjps(self, names: tuple[str, ...]) -> list[int]:
        op = self.function
        floats = [k for k, x in enumerate(self.inputs) if np.asarray(x).dtype.kind == "f"]
        if not isinstance(op, Op):
            return floats
        arguments = [op.inputs[0] if op.variadic else name for name in names]
        for k in floats:
            if arguments[k] not in op.vjp_functions and op.promoted(arguments[k]):
                raise _missing_vjp(op, arguments[k])
        return [k for k in floats if arguments[k] in op.vjp_functions]


def _missing_vjp(op: Op, argument: str) -> MissingVJPError:
    """Return the error for a promoted input without a vjp."""
    other_inputs = tuple(name for name in op.promotes if name != argument)
    return MissingVJPError(
        f"op {op.name} has no vjp for its argument {argument}: define one with {op.name}.vjps({argument}=lambda g, "
        f"...: ...). If {argument} is a condition, a mask or an index, list only the other inputs in the decorator: "
        f"@op(promotes={other_inputs})."
    )


def resolve(name: str | Callable[..., Any]) -> Any:
    """Return a function as it is, or look up a name in `tinygrad_edu.ops`, in its `linalg`, or among all modules' ops.

    Raise `LookupError` if no imported module has an op of this name.
    """
    if not isinstance(name, str):
        return name
    if (own_function := _own_function(name)) is not None:
        return own_function
    for module in list(sys.modules.values()):
        if isinstance(user_op := getattr(module, "__dict__", {}).get(name), Op):
            return user_op
    raise LookupError(f"no imported module has an op named {name!r}; pass the op itself: Call({name}, [...]).")


def _own_function(name: str) -> Any:
    return ops.registry.get(name, getattr(ops, name, getattr(linalg, name, None)))


@dataclass(frozen=True)
class BoundFunction:
    """A function of some arguments of a call, in which the others are constant. Further arguments come last."""

    function: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    keys: Sequence[int | str]  # the positions or the keywords of the arguments that are passed

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the arguments that are passed."""
        names = argument_names(self.function, len(self.args))
        return tuple(names[key] if isinstance(key, int) else key for key in self.keys)

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The values of the arguments that are passed."""
        return tuple(self.args[key] if isinstance(key, int) else self.kwargs[key] for key in self.keys)

    def __call__(self, *given: Any) -> Any:
        """Call the function."""
        passed = dict(zip(self.keys, given, strict=False))
        args = [passed.get(k, x) for k, x in enumerate(self.args)]
        kwargs = {name: passed.get(name, x) for name, x in self.kwargs.items()}
        return self.function(*args, *given[len(self.keys) :], **kwargs)


def unbound(function: Any) -> Any:
    """Return the function in a `BoundFunction`, and any other one as it is."""
    return function.function if isinstance(function, BoundFunction) else function


def argument_names(function: Callable[..., Any], count: int) -> tuple[str, ...]:
    """Return the names of a function's first `count` positional arguments; x0, x1, ... if they are unknown."""
    names: Sequence[str] = ()
    if isinstance(function, Op | Call | BoundFunction):
        names = function.names(count) if isinstance(function, Op) else function.names
    else:
        with contextlib.suppress(TypeError, ValueError):  # a function written in C may have no signature
            parameters = inspect.signature(getattr(function, "forward", function)).parameters.values()
            names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return tuple(names[k] if k < len(names) else f"x{k}" for k in range(count))


def title_of(function: Any) -> str:
    """Return the name of a function for messages, without addresses that change from run to run."""
    if isinstance(function, Op | Call):
        return f"op {function.name}"
    if isinstance(function, partial | BoundFunction):
        return title_of(function.func if isinstance(function, partial) else function.function)
    return str(getattr(function, "__name__", type(function).__name__))
