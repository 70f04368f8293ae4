"""A function of nested arguments, whoever wrote it, as what the verdict knows: of some float64 arrays, to one array."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.testing.arrays.array_tree import Nest, arrays_in
from tinygrad_edu.testing.arrays.dtypes import as_numbers, is_floating
from tinygrad_edu.testing.arrays.layouts import laid_out
from tinygrad_edu.testing.claim import Claim
from tinygrad_edu.testing.purity import require_unwritten
from tinygrad_edu.transforms import Function

__tracebackhide__ = True  # pytest shows the line of the test, and with --full-trace ours


@dataclass(frozen=True)
class PlainFunction:
    """A function at a point.

    Attributes
    ----------
    name : str
        For messages.
    f : callable
    point : Nest
        Its arguments.
    scale : float
        As in `Claim`.
    """

    name: str
    f: Function
    point: Nest
    scale: float = 0.0

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
        """Return the arguments, all arrays copied, with other ones as inputs."""
        return self.point.copied(arrays, lambda x: laid_out(x, x) if isinstance(x, np.ndarray) else x)

    def value(self, *arrays: Array) -> Array:
        """Return the result as one array."""
        return in_one_row(self._nest(self.f(*self.arguments(arrays))).arrays)

    def result(self) -> Nest:
        """Return the result at the point."""
        return self._nest(_unwritten(self.name, self.f, self.arguments(self.arrays), self.point.names))

    def derivative(self, claimed: Function, last: Sequence[Any], names: Sequence[str]) -> Any:
        """Return what a claimed derivative says at the point, of a cotangent or of tangents, so named."""
        arguments, names = (*self.arguments(self.arrays), *last), (*self.point.names, *names)
        return _unwritten(f"the derivative of {self.name}", claimed, arguments, names)

    def claim(self, value: Array, cotangent: Array, gradients: tuple[Array, ...]) -> Claim:
        """Return what is claimed of the inputs, at which the function has a value."""
        return Claim(self.name, self.value, self.arrays, self.names, value, cotangent, gradients, self.scale)

    def _nest(self, out: Any) -> Nest:
        result = Nest((out,), ("",), as_numbers)
        if not result.leaves:
            raise DTypeError(f"{self.name} returned {out!r:.80}: there is no number in it to differentiate.")
        return result


def require_inputs(name: str, arrays: Sequence[Array]) -> None:
    """Raise where there is nothing to differentiate by."""
    if not arrays:
        raise DTypeError(
            f"{name}: there is no input to differentiate by: integers, strings and objects are held fixed. "
            f"Write a number as 2.0, and give an array in float64."
        )


def as_input(value: Any) -> Array | None:
    """Return an argument in float64, and in its layout, if it is to be differentiated by; None if it is held fixed."""
    array = as_numbers(value)
    if array is None or not (isinstance(value, list) or is_floating(array.dtype) or array.dtype.kind == "c"):
        return None
    if array.dtype.kind == "c":
        raise DTypeError(f"a derivative is taken at real numbers, not at an array of dtype {array.dtype}.")
    return laid_out(array.astype(np.float64), array)


def in_one_row(arrays: Sequence[Array]) -> Array:
    """Return arrays in one row; one alone as it is."""
    return np.array(arrays[0]) if len(arrays) == 1 else np.concatenate([x.reshape(-1) for x in arrays])


def out_of_one_row(row: Array, like: Sequence[Array]) -> list[Array]:
    """Return the arrays that `in_one_row` has put in one row."""
    parts = np.split(row.reshape(-1), np.cumsum([x.size for x in like])[:-1])
    return [part.reshape(x.shape) for part, x in zip(parts, like, strict=True)]


def accepts(function: Function, count: int) -> bool:
    """Whether a function can be called with so many arguments; of one that does not say, it is taken to be so."""
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # no signature: some functions of C
        return True
    return True


def _unwritten(name: str, function: Function, arguments: Sequence[Any], names: Sequence[str]) -> Any:
    """Call a function, and raise where it writes into what it is given."""
    given = dict(zip(names, arguments, strict=True))
    before = {path: x.copy() for path, x in _numbers_in(given).items()}
    result = function(*arguments)
    after = _numbers_in(given)
    require_unwritten(name, [*before], [after.get(path, np.zeros(0)) for path in before], [*before.values()])
    return result


def _numbers_in(arguments: dict[str, Any]) -> dict[str, Array]:
    found = {path: x for name, argument in arguments.items() for path, x in arrays_in(argument, name).items()}
    return {path: x for path, x in found.items() if x.dtype.kind in "fiubc"}
