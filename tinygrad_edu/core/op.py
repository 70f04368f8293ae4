"""Ops: how a function is declared to be differentiable, and what a call of it does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import deepcopy
from functools import partial, update_wrapper
from typing import Any, ClassVar, overload

import numpy as np

from tinygrad_edu.core import checks
from tinygrad_edu.core.engine import Array, Node, Storage, clock, recording
from tinygrad_edu.core.tensor import Tensor, values_of


class Op:
    """A function of arrays, `forward`, with a vjp for each input. Inputs and settings are known by their names.

    The inputs are the parameters before a ``/``, or else those without a default. The others are settings.
    `broadcasts` permits a vjp to return the shape of the result: the engine then sums over the repeated axes.
    """

    op_class: ClassVar[type[Op]]  # Op itself, set below
    call_class: ClassVar[type[Call]]  # Call, set below

    def __new__(cls, *args: Any, **settings: Any) -> Any:
        return object.__new__(cls.op_class if cls is Op else cls)

    def __init__(self, forward: Callable[..., Any], broadcasts: bool = False) -> None:
        update_wrapper(self, forward)
        self.name, self.forward, self.broadcasts = forward.__name__, forward, broadcasts
        self.signature = inspect.signature(forward)
        parameters = self.signature.parameters.values()
        before_slash = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_ONLY)
        required = tuple(p.name for p in parameters if p.default is p.empty and p.kind is not p.KEYWORD_ONLY)
        self.inputs = before_slash or required
        self.vjp_functions: dict[str, Callable[..., Any]] = {}
        self.vjp_arguments: dict[str, list[str]] = {x: [] for x in self.inputs}

    def vjps(self, **functions: Callable[..., Any]) -> None:
        """Declare the vjp of each input. It computes the gradient of the input from g, the gradient of the result.

        The names of its other parameters request values, and a call saves nothing else: ``x`` an input, ``out`` the
        result, ``axis`` a setting, ``x_shape`` and ``x_dtype``. ``exp.vjps(x=lambda g, out: g * out)`` saves no x.
        """
        checks.known_names(self, f"{self.name}.vjps", functions, self.inputs)
        for x, function in functions.items():
            arguments = self.arguments_of(function)
            checks.known_names(self, f"{self.name}.vjps({x}=...)", arguments, self.possible_arguments())
            self.vjp_functions[x], self.vjp_arguments[x] = function, arguments

    def arguments_of(self, function: Callable[..., Any]) -> list[str]:
        """Return the names of the arguments of a vjp, without g."""
        return list(inspect.signature(function).parameters)[1:]  # all but g

    def possible_arguments(self) -> list[str]:
        """Return the names of all that a vjp can request."""
        parts = [f"{x}_{part}" for x in self.inputs for part in ("shape", "dtype")]
        return [*self.signature.parameters, "out", *parts]

    def vjp(self, x: str, g: Any, saved: dict[str, Any]) -> Any:
        """Compute the gradient of the input x."""
        checks.has_vjp(self, x, g)
        return self.vjp_functions[x](g, **{name: saved[name] for name in self.vjp_arguments[x]})

    def __call__(self, *args: Any, **settings: Any) -> Any:
        return self.call_class(self, *self.bind(args, settings)).run()

    def bind(self, args: tuple[Any, ...], settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the inputs and the settings of a call, by name."""
        bound = self.signature.bind(*args, **settings)
        bound.apply_defaults()
        return {x: bound.arguments.pop(x) for x in self.inputs}, bound.arguments  # the settings remain

    def __repr__(self) -> str:
        return f"<op {self.name}>"


Op.op_class = Op


@overload
def op(forward: Callable[..., Any]) -> Op: ...
@overload
def op(*, broadcasts: bool) -> Callable[[Callable[..., Any]], Op]: ...
def op(forward: Any = None, *, broadcasts: bool = False) -> Any:
    """Make an op of a function of arrays: ``@op``, or ``@op(broadcasts=True)`` if it broadcasts its inputs."""
    return Op(forward, broadcasts) if forward else partial(Op, broadcasts=broadcasts)


class Call:
    """One call of an op: `run` computes and records. The methods after it are its steps."""

    def __init__(self, op: Op, inputs: dict[str, Any], settings: dict[str, Any]) -> None:
        self.op, self.inputs, self.settings = op, inputs, settings
        self.tensors = {x: value for x, value in inputs.items() if isinstance(value, Tensor)}

    def run(self) -> Any:
        """Compute. If an input is a Tensor, return a Tensor, with a node if an input needs a gradient."""
        self.time = next(clock)  # before the values are read: a write while they are read is newer
        self.arrays = {x: self.operand(x) for x in self.inputs}
        self.settings = {name: values_of(checks.setting(self.op, name, x)) for name, x in self.settings.items()}
        out = self.compute()
        if not self.tensors:
            return out
        out = self.promoted(np.asarray(out))
        result = Tensor._from_parts(out, self.storage(out))
        parents = {x: tensor._node for x, tensor in self.tensors.items() if tensor._node}
        if parents and recording.get() and out.dtype.kind == "f":  # "f": floating point
            result._node = self.node(result, parents)
        return result

    def operand(self, x: str) -> Any:
        """Return an input as an array, or as a Python number, which takes the dtype of the arrays."""
        value = self.inputs[x]
        return value if isinstance(value, int | float) else np.asarray(values_of(value))

    def compute(self) -> Any:
        """Compute the result."""
        return self.op.forward(*self.arrays.values(), **self.settings)

    def promoted(self, out: Array) -> Array:
        """Return the result in the common dtype of the floating-point Tensors: plain arrays must not change it."""
        floats = [t.dtype for t in self.tensors.values() if t.dtype.kind == "f"]
        if out.dtype.kind != "f" or out.dtype in floats or len(floats) == len(self.inputs):
            return out
        common = np.result_type(*(floats or [np.dtype(np.float32)]))
        self.arrays = {x: np.asarray(array, common) for x, array in self.arrays.items()}
        return np.asarray(self.compute(), common)

    def storage(self, out: Array) -> Storage:
        """Return the memory of the result: that of the Tensor of which it is a view, or new memory."""
        viewed = (t._storage for t in self.tensors.values() if np.may_share_memory(out, t._data))
        return next(viewed, None) or Storage()

    def node(self, result: Tensor, parents: dict[str, Node]) -> Node:
        """Return the record of this call. It saves what the vjps of the parents request."""
        for x, tensor in self.tensors.items():
            checks.unchanged(f"op {self.op.name}", f"argument {x}", tensor)
        values = self.values(result)
        storages = {x: tensor._storage for x, tensor in {**self.tensors, "out": result}.items()}
        names = (name for x in parents for name in self.op.vjp_arguments[x])
        saved = {name: values[name] if name in storages else self.copied(name, values[name]) for name in names}
        return Node(result.shape, result.dtype, self.op, parents, saved, storages, self.time)

    def copied(self, name: str, value: Any) -> Any:
        """Return a copy of a value to save: a plain array or a list has no version that would reveal a change."""
        return deepcopy(value)

    def values(self, result: Tensor) -> dict[str, Any]:
        """Return all that a vjp can request, by name."""
        values = {**self.settings, **self.arrays, "out": result._data}
        for x, array in self.arrays.items():
            values |= {f"{x}_shape": np.shape(array), f"{x}_dtype": getattr(array, "dtype", None)}
        return values


Op.call_class = Call
