"""ModuleCall: a call of a module that can be repeated, and the gradients of a recorded call."""

import dataclasses
import numbers
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from tinygrad_edu.engine import Array, Tensor, from_numpy, no_grad, values_of
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.nn import Module
from tinygrad_edu.ops import concatenate, reshape
from tinygrad_edu.testing.arrays.array_tree import ArrayTree
from tinygrad_edu.testing.arrays.dtypes import as_numbers
from tinygrad_edu.testing.differentiable import copies
from tinygrad_edu.testing.laws.module_replay import generators, same_randomness, same_state, state_of
from tinygrad_edu.testing.numeric.finite_differences import largest
from tinygrad_edu.testing.op_call import argument_names
from tinygrad_edu.transforms.captured import CapturedState


@dataclasses.dataclass(frozen=True)
class ModuleCall:
    """A call of a module: its inputs, with `arrays` in place of the arrays of `tree`, and keyword arguments."""

    module: Any
    tree: ArrayTree
    arrays: tuple[Array, ...]
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, module: Any, inputs: Sequence[Any], settings: Mapping[str, Any] | None = None) -> Self:
        """Return a call with nested inputs. Integers, booleans, None and strings stay as they are."""
        tree = ArrayTree(inputs, argument_names(module, len(inputs)), _as_input)
        return cls(module, tree, tree.arrays, settings or {})

    @property
    def title(self) -> str:
        """The module for messages."""
        return f"module {type(self.module).__name__}"

    @property
    def floating(self) -> tuple[Array, ...]:
        """The floating-point arrays."""
        return tuple(x for x in self.arrays if x.dtype.kind == "f")

    def with_floating(self, floating: Sequence[Array]) -> Self:
        """Return the call with other floating-point arrays."""
        remaining = iter(floating)
        return self.with_arrays([next(remaining) if x.dtype.kind == "f" else x for x in self.arrays])

    def with_arrays(self, arrays: Sequence[Array]) -> Self:
        """Return the call with other arrays."""
        return dataclasses.replace(self, arrays=tuple(arrays))

    def astype(self, dtype: Any) -> Self:
        """Return the call with its floating-point arrays in another dtype."""
        return self.with_floating([x.astype(dtype) for x in self.floating])

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the module that are not frozen, by name."""
        return {name: p for name, p in self.module.named_parameters() if p.requires_grad}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the floating-point arrays and of the parameters."""
        pairs = zip(self.tree.leaves, self.arrays, strict=True)
        return (*(leaf.name for leaf, x in pairs if x.dtype.kind == "f"), *self.parameters)

    def tensors(self, requires_grad: bool = False) -> list[Tensor]:
        """Return copies of the arrays as Tensors."""
        return [from_numpy(x, requires_grad=requires_grad and x.dtype.kind == "f") for x in copies(self.arrays)]

    def __call__(self, tensors: Sequence[Tensor] | None = None) -> Any:
        """Call the module with Tensors in place of the arrays. Default: `tensors`."""
        values = self.tensors() if tensors is None else tensors
        return self.module(*self.tree.filled(values, other=lambda x: x), **self.settings)

    def settle(self) -> None:
        """Call the module once: the first call may create and initialize parameters and buffers."""
        with same_randomness(self.module):
            self()

    def results(self, state: CapturedState | None = None) -> dict[str, Array]:
        """Return the arrays and numbers in the result by their paths. Generators and buffers do not change."""
        with no_grad(), (state or state_of(self.module)).restored():
            return {path: np.asarray(values_of(x)) for path, x in leaves_of(self())}

    def is_random(self) -> bool:
        """Whether a call draws random numbers from a Generator in the module."""
        with same_randomness(self.module) as before:
            self()
            return [generator.bit_generator.state for generator in generators(self.module)] != before


def _as_input(value: Any) -> Array | None:
    return None if isinstance(value, numbers.Integral) else as_numbers(value)


class RecordedCall:
    """A recorded call: the differentiable arrays in its result, joined to one, and its pullback.

    Those are the Tensors that require a gradient, or all floating-point arrays if none does.
    """

    def __init__(self, call: ModuleCall) -> None:
        self._inputs = call.tensors(requires_grad=True)
        with same_state(call.module):
            self.leaves = dict(leaves_of(call(self._inputs)))
        self._targets = [*(x for x in self._inputs if x.requires_grad), *call.parameters.values()]
        arrays = {
            path: x for path, x in self.leaves.items() if not isinstance(x, numbers.Number) and x.dtype.kind == "f"
        }
        if not arrays:
            raise DTypeError(
                f"{call.title}: the result must contain a floating-point array, got types "
                f"{[type(x).__name__ for x in self.leaves.values()]}. Return the values that a loss uses, too."
            )
        smooth = [path for path, x in arrays.items() if isinstance(x, Tensor) and x.requires_grad]
        self.paths = smooth or list(arrays)
        self.constants = [path for path in arrays if path not in self.paths]
        parts = [arrays[path] for path in self.paths]
        out = parts[0] if len(parts) == 1 else concatenate([reshape(x, -1) for x in parts])
        self.out = out if isinstance(out, Tensor) else from_numpy(out)

    @property
    def inputs(self) -> list[Array]:
        """The arrays that were passed to the module."""
        return [x.numpy() for x in self._inputs]

    def backward(self, g: Array) -> list[Array | None]:
        """Return the gradients of the floating-point inputs and of the parameters; None outside of the graph."""
        for x in self._targets:
            x.grad = None
        if self.out.requires_grad:
            self.out.backward(g, retain_graph=True)
        return [x.grad for x in self._targets]

    def pullback(self, g: Array) -> tuple[Array, ...]:
        """Return the gradients, with zeros for None."""
        pairs = zip(self._targets, self.backward(g), strict=True)
        return tuple(np.zeros(x.shape, x.dtype) if gradient is None else gradient for x, gradient in pairs)

    def of(self, results: Mapping[str, Array]) -> Array:
        """Return the differentiable arrays in the results of another call, joined to one."""
        parts = [results[path] for path in self.paths]
        return parts[0] if len(parts) == 1 else np.concatenate([x.reshape(-1) for x in parts])


def leaves_of(result: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of each Tensor, array and number in a nested result.

    Containers are lists, tuples, mappings and objects with attributes, such as dataclasses.
    """
    if isinstance(result, Tensor | np.ndarray | numbers.Number):
        yield path, result
    elif isinstance(result, Mapping):
        for key, part in result.items():
            yield from leaves_of(part, f"{path}[{key!r}]")
    elif isinstance(result, list | tuple):
        steps = [f".{name}" for name in getattr(result, "_fields", ())] or [f"[{k}]" for k in range(len(result))]
        for step, part in zip(steps, result, strict=True):
            yield from leaves_of(part, path + step)
    elif not isinstance(result, Module | type) and not callable(result):
        fields = dataclasses.fields(result) if dataclasses.is_dataclass(result) else ()
        for name in [field.name for field in fields] or getattr(result, "__dict__", {}):
            yield from leaves_of(getattr(result, name), f"{path}.{name}")


def are_close(actual: Array, expected: Array) -> bool:
    """Whether two arrays are equal up to rounding errors relative to their largest element, or to 1."""
    if actual.shape != expected.shape or expected.dtype.kind != "f":
        return np.array_equal(actual, expected)
    rounding = 1e-9 if expected.dtype == np.float64 else 1e-5
    size = max(1, largest(actual), largest(expected))
    return np.allclose(actual, expected, rtol=rounding, atol=rounding * size, equal_nan=True)
