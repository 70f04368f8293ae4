"""Record of a model's call: its variables, and the steps that compute them."""

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import signature
from types import FunctionType
from typing import Any, NamedTuple, NoReturn

import numpy as np

from tinygrad_edu.engine import (
    Array,
    Mapped,
    Op,
    Tensor,
    Trace,
    hidden,
    no_grad,
    open_levels,
    opened,
)
from tinygrad_edu.engine.mapped import joined, sample
from tinygrad_edu.errors import ExportError, MappedValueError
from tinygrad_edu.errors.caller import calling_line, is_own_file, line_of
from tinygrad_edu.interop.onnx.decompositions import DECOMPOSITIONS
from tinygrad_edu.nn import Module, functional_call
from tinygrad_edu.shared.pytree import tree_map

FIXED_BATCH = "For a file that takes only the batch size of the example, pass batch_axes=None"
_NUMPY = os.path.dirname(np.__file__)


@dataclass(frozen=True)
class Variable:
    """An input, a parameter or a result of a step.

    Attributes
    ----------
    number : int
        Position among the variables of the trace.
    shape : tuple
        The length of each axis.
    dtype : dtype
    name : str or None
        Of an input, a parameter or a buffer.
    """

    number: int
    shape: tuple[Any, ...]
    dtype: np.dtype[Any]
    name: str | None = None


def variables_in(x: Any) -> Iterator[Variable]:
    """Yield the variables in nested arguments."""
    if isinstance(x, Variable):
        yield x
    elif isinstance(x, list | tuple | dict):
        for part in x.values() if isinstance(x, dict) else x:
            yield from variables_in(part)
    elif isinstance(x, slice):
        yield from variables_in((x.start, x.stop, x.step))


def refuse(name: str, line: str, problem: str = "has no counterpart in ONNX") -> NoReturn:
    """Raise an error for a function that is called at a line."""
    raise ExportError(f"onnx.export: {name}{line and f' at {line}'} {problem}.")


class TracedStep(NamedTuple):
    """A call of an op or of another function.

    Attributes
    ----------
    function : callable
    name : str
        Name of the public function.
    inputs : tuple
        Variables, and constants.
    settings : dict
    out : Variable or nest of Variables
    line : str
        The user's line that made the call, or ``""``.
    reads : tuple of str
        The user's lines before it that read the batch size.
    """

    function: Any
    name: str
    inputs: tuple[Any, ...]
    settings: dict[str, Any]
    out: Any
    line: str
    reads: tuple[str, ...] = ()

    def refuse(self, problem: str) -> NoReturn:
        """Raise an error that names the function and the user's line."""
        refuse(self.name, self.line, problem)

    def refuse_batch(self, problem: str) -> NoReturn:
        """Raise an error for a step that depends on the batch size, with the lines that read it."""
        reads = f" The batch size is read at {', '.join(self.reads)}." if self.reads else ""
        self.refuse(f"{problem}.{reads} {FIXED_BATCH}")


class ShapeRead(NamedTuple):
    """A line of the user that reads a shape: the number of steps before it, and the shape."""

    position: int
    line: str
    shape: tuple[int, ...]


class TracedCall(NamedTuple):
    """A traced call: its inputs, parameters and buffers, the steps in their order, the outputs, and reads of shapes."""

    inputs: list[Variable]
    parameters: list[Variable]
    steps: list[TracedStep]
    outputs: Any
    reads: list[ShapeRead]


# The functions of this package that read a shape for the user: x.shape, x.size, len(x), a loop over x, np.shape(x).
_READERS = {"shape", "size", "__len__", "__iter__", "call_on_mapped", "array_function"}


class Recorder:
    """The steps of one call.

    Variables are found by the array of a traced value, which its detached values share.
    """

    def __init__(self, rules: Mapping[Any, Callable[..., Any]]) -> None:
        self.rules, self.steps, self.reads = rules, list[TracedStep](), list[ShapeRead]()
        self.level = Trace(self.record, self.read)
        self.variables: dict[int, tuple[Array, Variable]] = {}  # the array is kept, so that its id stays its own
        self.bodies: list[Any] = []  # the functions that are being called
        self.constants = set[int]()  # the variables that depend on parameters alone

    def traced(self, values: Any, name: str, is_constant: bool) -> Tensor:
        """Return an input, or a parameter, as a traced value."""
        array = np.array(values.numpy() if isinstance(values, Tensor) else values)  # a copy, since a model may write
        value = hidden(array[None], self.level)
        self._add(value, is_constant, name)
        return value

    def _add(self, value: Any, is_constant: bool, name: str | None = None) -> Variable:
        variable = Variable(len(self.variables), value.shape, value.dtype, name)
        self.variables[id(value._data)] = value._data, variable
        if is_constant:
            self.constants.add(variable.number)
        return variable

    def record(self, function: Any, name: str, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """Call a function on traced values, and record it as one step or as those of its body."""
        if function in DECOMPOSITIONS:
            return DECOMPOSITIONS[function](*inputs, **settings)
        if function not in self.rules and isinstance(function, FunctionType):
            return self.record_body(function, name, inputs, settings)
        line, (arguments, keywords) = calling_line(), self.described(_with_defaults(function, inputs, settings), name)
        row, values = sample((inputs, settings), self.level, 0)
        outside = opened(tuple(level for level in open_levels() if level is not self.level))
        with outside, np.errstate(all="ignore"):  # the values do not matter
            result = function(*row, **values)
        is_constant = not self.depends_on_inputs((arguments, keywords))
        if function not in self.rules:
            return result if is_constant else refuse(name, line)
        out = joined([result], self.level, name)
        self.steps.append(TracedStep(function, name, arguments, keywords, self._results(out, is_constant), line))
        return out

    def read(self, shape: tuple[int, ...]) -> None:
        """Note the user's line that reads the shape of a traced value."""
        frame = sys._getframe(1)
        while frame.f_code.co_name in _READERS and is_own_file(frame.f_code.co_filename) and frame.f_back is not None:
            frame = frame.f_back
        if not is_own_file(frame.f_code.co_filename):
            self.reads.append(ShapeRead(len(self.steps), line_of(frame), shape))

    def record_body(self, function: Any, name: str, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """Call a function of ops, which records the ops."""
        if function in self.bodies:  # NumPy's function of this name calls it for traced values
            refuse(name, calling_line())
        self.bodies.append(function)
        try:
            return function.__wrapped__(*inputs, **settings)
        finally:
            self.bodies.pop()

    def depends_on_inputs(self, x: Any) -> bool:
        """Return whether nested arguments depend on the inputs of the model, not on its parameters alone."""
        return any(variable.number not in self.constants for variable in variables_in(x))

    def _results(self, out: Any, is_constant: bool) -> Any:
        if isinstance(out, tuple | list):
            return tuple(self._results(part, is_constant) for part in out)
        return self._add(out, is_constant) if isinstance(out, Mapped) else out

    def described(self, x: Any, name: str) -> Any:
        """Return nested arguments with the variables of traced values, and the arrays of other Tensors."""
        if isinstance(x, Mapped):
            if id(x._data) not in self.variables:
                raise ExportError(
                    f"onnx.export: an argument of {name} at {calling_line()} is a gradient, or was computed in another "
                    f"way that is not recorded. ONNX has no gradients."
                )
            return self.variables[id(x._data)][1]
        if isinstance(x, Tensor):
            return x.numpy()
        if isinstance(x, list | tuple):
            parts = [self.described(part, name) for part in x]
            return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
        if isinstance(x, dict):
            return {key: self.described(part, name) for key, part in x.items()}
        if isinstance(x, slice):
            return slice(*(self.described(part, name) for part in (x.start, x.stop, x.step)))
        return x


def _with_defaults(function: Any, inputs: tuple[Any, ...], settings: dict[str, Any]) -> tuple[Any, Any]:
    """Return the arguments of a call, with the defaults of settings."""
    if not isinstance(function, Op | FunctionType):  # of NumPy
        return inputs, settings
    bound = signature(function.__wrapped__ if isinstance(function, Op) else function).bind(*inputs, **settings)
    bound.apply_defaults()
    return bound.args, bound.kwargs


def users_line(error: Exception) -> str:
    """Return a sentence with the innermost line outside of this package in a traceback, or nothing."""
    frames = traceback.extract_tb(error.__traceback__)
    others = [frame for frame in frames if not is_own_file(frame.filename) and not frame.filename.startswith(_NUMPY)]
    if not others:
        return ""
    return f" This is at {os.path.basename(others[-1].filename)}:{others[-1].lineno}, {others[-1].line}."


def module_that_failed(error: Exception, model: Module) -> str:
    """Return the class and the name of the innermost module whose forward is in a traceback."""
    names = {id(module): name for name, module in model.named_modules()}
    owners = [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__)]
    *_, module = [model, *(owner for owner in owners if id(owner) in names)]
    return type(module).__name__ + (f" {names[id(module)]!r}" if names[id(module)] else "")


def traced(
    model: Module, inputs: tuple[Any, ...], names: list[str], rules: Mapping[Any, Callable[..., Any]]
) -> TracedCall:
    """Call a model on traced inputs, with traced parameters and buffers, and return what it computed."""
    recorder = Recorder(rules)
    with no_grad(), opened((recorder.level,)):
        arguments = [recorder.traced(x, name, False) for x, name in zip(inputs, names, strict=True)]
        own = dict([*model.named_parameters(), *model.named_buffers()])
        state = {name: recorder.traced(tensor, name, True) for name, tensor in own.items()}
        try:
            out = functional_call(model, state, *arguments)
        except MappedValueError as error:
            problem = f"{error}{users_line(error)}".removesuffix(".")
            raise ExportError(f"{problem}.") from error
        variables = tree_map(lambda x: recorder.described(x, "the output"), out)
    if not recorder.depends_on_inputs(variables):
        raise ExportError(f"onnx.export: the output of {type(model).__name__} does not depend on its inputs.")
    known = [variable for _, variable in recorder.variables.values()]
    count = len(arguments)
    return TracedCall(known[:count], known[count : count + len(state)], recorder.steps, variables, recorder.reads)
