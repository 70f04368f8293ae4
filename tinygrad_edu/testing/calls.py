"""Call: an op (or any function of tensors) with the inputs and settings to call it with, printed as code."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.engine import Array, Op
from tinygrad_edu.testing.literals import code


class Call:
    """One call of an op: a function of those inputs that a derivative is asked of, the others held fixed.

    Parameters
    ----------
    function : str or callable
        The name of an op or function of `tinygrad_edu.ops`; or an `Op`, or a function of tensors.
    inputs : sequence of array_like
    differentiable : sequence of int, optional
        The positions of the inputs to differentiate by; by default every floating-point one that has a rule.
    **settings
        What else the function is called with.

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
        self.function = resolve(function) if isinstance(function, str) else function
        self.inputs = tuple(np.asarray(x) if isinstance(x, np.generic) else x for x in inputs)
        self.settings = settings
        self._given = differentiable
        self.differentiable = tuple(self._with_rules() if differentiable is None else differentiable)
        self.arrays: tuple[Array, ...] = tuple(self.inputs[k] for k in self.differentiable)
        self.names = tuple(self._all_names()[k] for k in self.differentiable)

    @property
    def name(self) -> str:
        """The name of the op or function."""
        return str(getattr(self.function, "__name__", self.function))

    def __call__(self, *arrays: Any) -> Any:
        """Call the function, with `arrays` (arrays or Tensors) in the place of the differentiable inputs."""
        inputs = list(self.inputs)
        for k, x in zip(self.differentiable, arrays, strict=True):
            inputs[k] = x
        return self.function(*inputs, **self.settings)

    def __repr__(self) -> str:
        known = resolve(self.name) is self.function
        parts = [repr(self.name) if known else self.name, code(list(self.inputs))]
        if self._given is not None:
            parts.append(f"differentiable={tuple(self._given)}")
        return f"Call({', '.join(parts + [f'{key}={code(value)}' for key, value in self.settings.items()])})"

    def replaced(self, arrays: Sequence[Any]) -> "Call":
        """Return the same call of other differentiable inputs."""
        inputs = list(self.inputs)
        for k, x in zip(self.differentiable, arrays, strict=True):
            inputs[k] = x
        return Call(self.function, inputs, self._given, **self.settings)

    def map_arrays(self, function: Callable[[Array], Array]) -> "Call":
        """Return the same call with `function` applied to every input that is an array."""
        inputs = [function(x) if isinstance(x, np.ndarray) else x for x in self.inputs]
        return Call(self.function, inputs, self._given, **self.settings)

    def _with_rules(self) -> list[int]:
        op, names = self.function, self._all_names()
        floats = [k for k, x in enumerate(self.inputs) if np.asarray(x).dtype.kind == "f"]
        if not isinstance(op, Op):
            return floats
        return [k for k in floats if (op.inputs[0] if op.variadic else names[k]) in op.functions]

    def _all_names(self) -> tuple[str, ...]:
        if isinstance(self.function, Op):
            return self.function.names(len(self.inputs))
        return argument_names(self.function, len(self.inputs))


def resolve(name: str) -> Any:
    """Return the op or function of `tinygrad_edu.ops` or its `linalg` of that name, or None."""
    return ops.registry.get(name, getattr(ops, name, getattr(ops.linalg, name, None)))


def argument_names(function: Callable[..., Any], count: int) -> tuple[str, ...]:
    """Return the names of a function's first `count` positional arguments; x0, x1, ... where it does not say."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some functions of C
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return tuple(names[k] if k < len(names) else f"x{k}" for k in range(count))
