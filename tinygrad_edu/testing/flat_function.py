"""FlatFunction: a function of nested arguments as one of float64 arrays. Claim: the gradients that it is said to have.

A complex array counts as a real one with one more axis, so numeric derivatives are real.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any, Literal

import numpy as np

from tinygrad_edu.engine import Array, Function
from tinygrad_edu.errors import DTypeError, VJPDefinitionError
from tinygrad_edu.shared.pytree import tree_map_with_path
from tinygrad_edu.testing.arrays.array_tree import ArrayTree, has_leaves
from tinygrad_edu.testing.arrays.dtypes import as_complex, as_numbers, as_real, is_complex, is_floating
from tinygrad_edu.testing.arrays.layouts import copy_with_layout_of
from tinygrad_edu.testing.differentiable import require_unwritten


@dataclass(frozen=True)
class Claim:
    """The claim that `gradients` are the gradients of ``sum(cotangent * f(*arrays))``."""

    name: str  # of the function, for messages
    f: Callable[..., Any]  # takes float64 arrays and returns an array
    arrays: tuple[Array, ...]
    names: tuple[str, ...]  # of the inputs
    value: Array  # f(*arrays)
    cotangent: Array  # of the shape of the value
    gradients: tuple[Array, ...]
    scale: float = 0.0  # as in `directional_derivative`; 0 for a function that is not itself a gradient
    rounding: float = 0.0  # the measured rounding error of the claimed derivative along the tested direction
    accuracy: float = 0.0  # the declared error of f's results, relative to the largest; for iterative solvers
    affine: int = 0  # f is affine in each of the last `affine` inputs, such as cotangents

    def __post_init__(self) -> None:
        if not 0 <= self.accuracy < 1:
            raise VJPDefinitionError(
                f"{self.name}: accuracy must be a relative error, 0 <= accuracy < 1, got {self.accuracy}."
            )

    def of_input(self, k: int) -> Callable[[Array], Any]:
        """Return f as a function of its input `k` alone."""
        return lambda x: self.f(*self.arrays[:k], x, *self.arrays[k + 1 :])


Convention = Literal["torch", "jax"]


@dataclass(frozen=True)
class FlatFunction:
    """A function of any framework, and the arguments to check its gradient at."""

    name: str  # in messages
    f: Function
    point: ArrayTree  # the arguments
    scale: float = 0.0  # as in `Claim`
    accuracy: float = 0.0  # as in `Claim`
    convention: Convention = "torch"  # of complex gradients, as in `check_gradient`

    def __post_init__(self) -> None:
        require_inputs(self.name, self.point.arrays)

    @cached_property
    def arrays(self) -> tuple[Array, ...]:
        """The inputs, with one more axis if they are complex."""
        return tuple(map(as_real, self.point.arrays))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs."""
        return tuple(leaf.name for leaf in self.point.leaves)

    @cached_property
    def result(self) -> ArrayTree:
        """The result at the point, in memory of its own."""
        return self.call(self.arguments(self.arrays), _copied_numbers)

    @property
    def returns_number(self) -> bool:
        """Whether the result is one real number."""
        return sum(as_real(x).size for x in self.result.arrays) == 1

    def arguments(self, arrays: Sequence[Array], is_copied: bool = True) -> tuple[Any, ...]:
        """Return the arguments with `arrays` as inputs, or with copies of them in the memory layouts of the point."""
        place = self.point.copied if is_copied else self.point.placed
        return place(self._inputs(arrays), lambda x: copy_with_layout_of(x, x) if isinstance(x, np.ndarray) else x)

    def tangents(self, arrays: Sequence[Array]) -> list[Any]:
        """Return tangents of the inputs, nested as each argument that contains inputs."""
        nested = self.point.copied(self._inputs(arrays), lambda _: None)
        return [tangent for tangent, part in zip(nested, self.point.parts, strict=True) if has_leaves(part)]

    def _inputs(self, arrays: Sequence[Array]) -> list[Array]:
        pairs = zip(arrays, self.point.arrays, strict=True)
        return [as_complex(x) if is_complex(like) else x for x, like in pairs]

    def value(self, *arrays: Array) -> Array:
        """Return the result as one array."""
        results = self.call(self.arguments(arrays)).arrays
        for x, like in zip(results, self.result.arrays, strict=False):
            if is_complex(x) != is_complex(like):
                raise DTypeError(
                    f"{self.name}: the result is complex at some points and real at others, near this one."
                )
        return ravel_arrays(results)

    def claim(self, cotangent: Array, gradients: tuple[Array, ...]) -> Claim:
        """Return the claim that these are the gradients at the point."""
        value = ravel_arrays(self.result.arrays)
        return Claim(
            self.name, self.value, self.arrays, self.names, value, cotangent, gradients, self.scale,
            accuracy=self.accuracy,
        )  # fmt: skip

    def conjugated(self, arrays: Sequence[Array]) -> list[Array]:
        """Convert cotangents or gradients between PyTorch's convention and that of the function."""
        return [np.conj(x) if is_complex(x) and self.convention == "jax" else x for x in arrays]

    def call(self, arguments: Sequence[Any], to_array: Callable[[Any], Array | None] = as_numbers) -> ArrayTree:
        """Call the function."""
        out = self.f(*arguments)
        result = ArrayTree((out,), ("",), to_array)
        if not result.leaves:
            raise DTypeError(f"{self.name} must return a number, an array or a pytree of them, got {out!r:.80}.")
        return result


def require_inputs(name: str, arrays: Sequence[Array]) -> None:
    """Raise `VJPDefinitionError` if there is no input to differentiate with respect to."""
    if not arrays:
        raise VJPDefinitionError(
            f"{name}: there is no input to differentiate with respect to. Integers, strings and other objects are "
            f"constants; pass floating-point numbers such as 2.0, or floating-point arrays."
        )


def as_input(value: Any) -> Array | None:
    """Return an argument as a float64 or complex128 array with its memory layout, or None if it is a constant."""
    array = as_numbers(value)
    if array is None or not (isinstance(value, list) or is_floating(array.dtype) or is_complex(array)):
        return None
    return copy_with_layout_of(array.astype(np.complex128 if is_complex(array) else np.float64), array)


def ravel_arrays(arrays: Sequence[Array]) -> Array:
    """Return several arrays, as views by `as_real`, as one 1-D array; a single array keeps its shape."""
    views = [as_real(x) for x in arrays]
    return np.array(views[0]) if len(views) == 1 else np.concatenate([x.reshape(-1) for x in views])


def unravel_arrays(vector: Array, like: Sequence[Array]) -> list[Array]:
    """Return the arrays that `ravel_arrays` joined, in the shapes of `like`."""
    shapes = [as_real(x).shape for x in like]
    bounds = accumulate(map(math.prod, shapes), initial=0)
    parts = [vector.reshape(-1)[start:end] for start, end in pairwise(bounds)]
    views = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    return [as_complex(part) if is_complex(x) else part for part, x in zip(views, like, strict=True)]


def call_unwritten(name: str, function: Function, arguments: Sequence[Any], names: Sequence[str]) -> None:
    """Call a function; raise `LawBroken` if it writes into its arguments."""
    named_arguments = dict(zip(names, arguments, strict=True))
    before = {path: x.copy() for path, x in _numbers_in(named_arguments).items()}
    function(*arguments)
    after = _numbers_in(named_arguments)
    require_unwritten(name, [*before], [after.get(path, np.zeros(0)) for path in before], [*before.values()])


def _numbers_in(arguments: dict[str, Any]) -> dict[str, Array]:
    """Return the numeric arrays among arguments by their paths."""
    leaves: dict[str, Any] = {}
    for name, argument in arguments.items():
        tree_map_with_path(leaves.__setitem__, argument, name)
    return {path: x for path, x in leaves.items() if isinstance(x, np.ndarray) and x.dtype.kind in "fiubc"}


def _copied_numbers(value: Any) -> Array | None:
    array = as_numbers(value)
    return None if array is None else copy_with_layout_of(array, array)
