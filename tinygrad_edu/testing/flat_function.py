"""FlatFunction: a function of nested arguments, as a function of float64 arrays that returns one array."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.pytree import tree_map_with_path
from tinygrad_edu.testing.arrays.array_tree import ArrayTree
from tinygrad_edu.testing.arrays.dtypes import as_numbers, is_floating
from tinygrad_edu.testing.arrays.layouts import copy_with_layout_of
from tinygrad_edu.testing.claim import Claim
from tinygrad_edu.testing.purity import require_unwritten
from tinygrad_edu.transforms import Function


@dataclass(frozen=True)
class FlatFunction:
    """A function of any framework, and the arguments to check its gradient at."""

    name: str  # in messages
    f: Function
    point: ArrayTree  # the arguments
    scale: float = 0.0  # as in `Claim`

    def __post_init__(self) -> None:
        require_inputs(self.name, self.arrays)

    @property
    def arrays(self) -> tuple[Array, ...]:
        """The inputs."""
        return self.point.arrays

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs."""
        return tuple(leaf.name for leaf in self.point.leaves)

    def arguments(self, arrays: Sequence[Array]) -> tuple[Any, ...]:
        """Return the arguments with `arrays` as inputs. All arrays are copied."""
        return self.point.copied(arrays, lambda x: copy_with_layout_of(x, x) if isinstance(x, np.ndarray) else x)

    def value(self, *arrays: Array) -> Array:
        """Return the result as one array."""
        return ravel_arrays(self._tree(self.f(*self.arguments(arrays))).arrays)

    def result(self) -> ArrayTree:
        """Return the result at the point."""
        return self._tree(_unwritten(self.name, self.f, self.arguments(self.arrays), self.point.names))

    def derivative(self, claimed: Function, extra: Sequence[Any], names: Sequence[str]) -> Any:
        """Return a claimed derivative at the point. `extra` is a cotangent or tangents, `names` their names."""
        arguments, names = (*self.arguments(self.arrays), *extra), (*self.point.names, *names)
        return _unwritten(f"the derivative of {self.name}", claimed, arguments, names)

    def claim(self, value: Array, cotangent: Array, gradients: tuple[Array, ...]) -> Claim:
        """Return the claim that these are the gradients at the point."""
        return Claim(self.name, self.value, self.arrays, self.names, value, cotangent, gradients, self.scale)

    def _tree(self, out: Any) -> ArrayTree:
        result = ArrayTree((out,), ("",), as_numbers)
        if not result.leaves:
            raise DTypeError(f"{self.name} must return a number, an array or a pytree of them, got {out!r:.80}.")
        return result


def require_inputs(name: str, arrays: Sequence[Array]) -> None:
    """Raise `DTypeError` if there is no input to differentiate with respect to."""
    if not arrays:
        raise DTypeError(
            f"{name}: there is no input to differentiate with respect to. Integers, strings and other objects are "
            f"constants; pass floating-point numbers such as 2.0, or floating-point arrays."
        )


def as_input(value: Any) -> Array | None:
    """Return an argument as a float64 array with its memory layout, or None if it is a constant."""
    array = as_numbers(value)
    if array is None or not (isinstance(value, list) or is_floating(array.dtype) or array.dtype.kind == "c"):
        return None
    if array.dtype.kind == "c":
        raise DTypeError(f"inputs to differentiate with respect to must be real, got an array of dtype {array.dtype}.")
    return copy_with_layout_of(array.astype(np.float64), array)


def ravel_arrays(arrays: Sequence[Array]) -> Array:
    """Return several arrays as one 1-D array; a single array keeps its shape."""
    return np.array(arrays[0]) if len(arrays) == 1 else np.concatenate([x.reshape(-1) for x in arrays])


def unravel_arrays(vector: Array, like: Sequence[Array]) -> list[Array]:
    """Return the arrays that `ravel_arrays` joined, in the shapes of `like`."""
    parts = np.split(vector.reshape(-1), np.cumsum([x.size for x in like]))[:-1]
    return [part.reshape(x.shape) for part, x in zip(parts, like, strict=True)]


def accepts(function: Function, count: int) -> bool:
    """Whether a function can be called with `count` arguments; True if its signature is unknown."""
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # no signature: some functions of C
        return True
    return True


def _unwritten(name: str, function: Function, arguments: Sequence[Any], names: Sequence[str]) -> Any:
    """Call a function; raise `LawBroken` if it writes into its arguments."""
    named_arguments = dict(zip(names, arguments, strict=True))
    before = {path: x.copy() for path, x in _numbers_in(named_arguments).items()}
    result = function(*arguments)
    after = _numbers_in(named_arguments)
    require_unwritten(name, [*before], [after.get(path, np.zeros(0)) for path in before], [*before.values()])
    return result


def _numbers_in(arguments: dict[str, Any]) -> dict[str, Array]:
    """Return the numeric arrays among arguments by their paths."""
    leaves: dict[str, Any] = {}
    for name, argument in arguments.items():
        tree_map_with_path(leaves.__setitem__, argument, name)
    return {path: x for path, x in leaves.items() if isinstance(x, np.ndarray) and x.dtype.kind in "fiubc"}
