"""Nests of lists, tuples and dicts, as functions take and return them: the arrays in them, by name, and put back.

A list of plain numbers is one array, as NumPy reads it; any other list, tuple or dict is a nest.
"""

import copy
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.dtypes import as_numbers
from tinygrad_edu.testing.arrays.layouts import laid_out

__tracebackhide__ = True  # pytest shows the line of the test, and with --full-trace ours


@dataclass(frozen=True)
class Leaf:
    """One array of a nest.

    Attributes
    ----------
    index : int
        Its place among all of the nest.
    name : str
        The path to it, as code: ``params['w']``.
    array : ndarray
    is_number : bool
        Whether it was given as a plain number.
    """

    index: int
    name: str
    array: Array
    is_number: bool


class Nest:
    """A row of nested values, with the arrays in it apart.

    Parameters
    ----------
    parts : sequence
    names : sequence of str
        One for each part.
    to_array : callable
        From a value to the array that it is, or to None if it is to stay as it is.

    Attributes
    ----------
    parts : tuple
        The nest, with a `Leaf` for each array.
    names : tuple of str
        Of the parts.
    leaves : list of Leaf

    Examples
    --------
    >>> nest = Nest([{"w": 1.5, "n": 3}], ["params"], lambda value: as_numbers(value) if value == 1.5 else None)
    >>> [leaf.name for leaf in nest.leaves], nest.filled([2.0], other=str)
    (["params['w']"], ({'w': 2.0, 'n': '3'},))
    """

    def __init__(self, parts: Sequence[Any], names: Sequence[str], to_array: Callable[[Any], Array | None]) -> None:
        self.leaves: list[Leaf] = []
        self.names = tuple(names)

        def visit(name: str, value: Any) -> Any:
            array = to_array(value)
            if array is None:
                return value
            is_number = isinstance(value, numbers.Number | np.generic)
            self.leaves.append(Leaf(len(self.leaves), name, array, is_number))
            return self.leaves[-1]

        self.parts = tuple(map_leaves(visit, part, name) for part, name in zip(parts, names, strict=True))

    @property
    def arrays(self) -> tuple[Array, ...]:
        """The arrays of the nest."""
        return tuple(leaf.array for leaf in self.leaves)

    def filled(self, values: Sequence[Any], other: Callable[[Any], Any]) -> tuple[Any, ...]:
        """Return the nest with `values` in the places of its arrays, and with `other` of everything else."""
        return tuple(
            map_leaves(lambda _, value: values[value.index] if isinstance(value, Leaf) else other(value), part)
            for part in self.parts
        )

    def copied(self, values: Sequence[Any], other: Callable[[Any], Any]) -> tuple[Any, ...]:
        """Return the nest with copies of `values`, each a number or laid out in memory as the array in its place."""
        pairs = zip(self.leaves, values, strict=True)
        return self.filled(
            [np.asarray(x)[()] if leaf.is_number else laid_out(x, leaf.array) for leaf, x in pairs], other
        )


def map_leaves(visit: Callable[[str, Any], Any], tree: Any, name: str = "") -> Any:
    """Return a nest with ``visit(name, value)`` in the place of each value that is no nest."""
    if isinstance(tree, dict):
        result = copy.copy(tree)  # of its own class, whatever its constructor takes
        for key, part in tree.items():
            result[key] = map_leaves(visit, part, f"{name}[{key!r}]")
        return result
    if isinstance(tree, list | tuple) and not _is_array(tree):
        fields = getattr(tree, "_fields", None)
        names = [f"{name}.{field}" for field in fields] if fields else [f"{name}[{k}]" for k in range(len(tree))]
        parts = [map_leaves(visit, part, path) for part, path in zip(tree, names, strict=True)]
        return type(tree)(*parts) if fields else parts if isinstance(tree, list) else tuple(parts)
    return visit(name, tree)


def arrays_in(tree: Any, name: str = "") -> dict[str, Array]:
    """Return the NumPy arrays of a nest, by their names."""
    found: dict[str, Array] = {}
    map_leaves(lambda path, x: found.update({path: x}) if isinstance(x, np.ndarray) else None, tree, name)
    return found


def has_leaves(part: Any) -> bool:
    """Whether a part of a `Nest` holds any of its arrays."""
    found: list[Any] = []
    map_leaves(lambda _, value: found.append(value) if isinstance(value, Leaf) else None, part)
    return bool(found)


def at_leaves(tree: Any, other: Any) -> list[Any] | None:
    """Return what stands in `other` in the places of the leaves of `tree`; None where it is nested otherwise.

    None stands for a nest of None, and an array for the list of its rows. In the places of other things than leaves
    there may be nothing, None or zeros.
    """
    if isinstance(tree, dict | list | tuple):
        others = _parts_beside(tree, other)
        if others is None:
            return None
        parts = tree.values() if isinstance(tree, dict) else tree
        found = [at_leaves(*pair) for pair in zip(parts, others, strict=True)]
        return None if any(part is None for part in found) else [x for part in found for x in part or ()]
    nothing = other is None or _is_float0(other)
    numbers = None if nothing else as_numbers(other)
    if isinstance(tree, Leaf):
        return [None] if nothing else None if numbers is None else [other]
    return [] if nothing or (numbers is not None and not numbers.any()) else None


def _parts_beside(tree: Any, other: Any) -> list[Any] | None:
    """Return the parts of `other`, one for each of `tree`; None where they are others."""
    if other is None:
        return [None] * len(tree)
    if isinstance(tree, dict):
        known = isinstance(other, Mapping) and other.keys() <= tree.keys()
        fits = known and all(key in other or not has_leaves(part) for key, part in tree.items())
        return [other.get(key) for key in tree] if fits else None
    length = len(other) if isinstance(other, list | tuple) else (*getattr(other, "shape", ()), None)[0]
    return list(other) if length == len(tree) else None


def _is_float0(value: Any) -> bool:
    """Whether a value is what JAX returns as the gradient of an integer."""
    return getattr(getattr(value, "dtype", None), "names", None) == ("float0",)


class _Words(str):
    """Words that are their own repr."""

    __slots__ = ()
    __repr__ = str.__str__


def outline(tree: Any) -> str:
    """Return how a nest is made, with shapes for arrays."""

    def words(_: str, value: Any) -> _Words:
        array = value.array if isinstance(value, Leaf) else as_numbers(value)
        of_shape = f"an array of shape {array.shape}" if array is not None and array.shape else "a number"
        return _Words(f"{value!r:.40}" if array is None else of_shape)

    return repr(map_leaves(words, tree))


def _is_array(tree: Any) -> bool:
    """Whether a list holds plain numbers, in rows of one length."""
    if not isinstance(tree, list) or not tree:
        return False
    if all(isinstance(part, list) for part in tree):
        return all(map(_is_array, tree)) and len({np.shape(part) for part in tree}) == 1
    return all(isinstance(part, numbers.Real) and not isinstance(part, bool) for part in tree)
