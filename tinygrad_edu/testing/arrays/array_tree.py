"""ArrayTree: nested arguments or results of a function, and the arrays in them with their paths.

A list of plain numbers is one array, as in NumPy. Any other list, tuple or dict is a pytree.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.shared.pytree import tree_leaves, tree_map, tree_map_with_path
from tinygrad_edu.testing.arrays.dtypes import as_numbers
from tinygrad_edu.testing.arrays.layouts import copy_with_layout_of


@dataclass(frozen=True)
class Leaf:
    """One array of an `ArrayTree`."""

    index: int  # its position among the arrays of the tree
    name: str  # its path as code, such as ``params['w']``
    array: Array
    given: Any  # the value before its conversion

    @property
    def is_number(self) -> bool:
        """Whether it was given as a plain number."""
        return isinstance(self.given, numbers.Number | np.generic)


class ArrayTree:
    """The pytrees `parts`, named by `names`, with a `Leaf` in place of each array.

    `leaves` lists all leaves, and `arrays` their arrays.
    `to_array` converts a value to an array, or returns None for a value that stays as it is.

    Examples
    --------
    >>> tree = ArrayTree([{"w": 1.5, "n": 3}], ["params"], lambda value: as_numbers(value) if value == 1.5 else None)
    >>> [leaf.name for leaf in tree.leaves], tree.filled([2.0], other=str)
    (["params['w']"], ({'w': 2.0, 'n': '3'},))
    """

    def __init__(self, parts: Sequence[Any], names: Sequence[str], to_array: Callable[[Any], Array | None]) -> None:
        self.leaves: list[Leaf] = []
        self.names = tuple(names)

        def visit(path: str, value: Any) -> Any:
            array = to_array(value)
            if array is None:
                return value
            self.leaves.append(Leaf(len(self.leaves), path, array, value))
            return self.leaves[-1]

        pairs = zip(parts, names, strict=True)
        self.parts = tuple(tree_map_with_path(visit, part, name, is_number_list) for part, name in pairs)
        self.arrays: tuple[Array, ...] = tuple(leaf.array for leaf in self.leaves)

    def filled(self, values: Sequence[Any], other: Callable[[Any], Any]) -> tuple[Any, ...]:
        """Return the parts with `values` in place of the arrays, and ``other(x)`` in place of every other leaf x."""
        filled: tuple[Any, ...] = tree_map(lambda x: values[x.index] if isinstance(x, Leaf) else other(x), self.parts)
        return filled

    def placed(self, values: Sequence[Any], other: Callable[[Any], Any]) -> tuple[Any, ...]:
        """Return the parts as `filled` does, with a NumPy scalar in place of a plain number."""
        pairs = zip(self.leaves, values, strict=True)
        return self.filled([np.asarray(x)[()] if leaf.is_number else x for leaf, x in pairs], other)

    def copied(self, values: Sequence[Any], other: Callable[[Any], Any]) -> tuple[Any, ...]:
        """Return the parts as `placed` does, with copies of `values` in the memory layouts of the arrays."""
        pairs = zip(values, self.arrays, strict=True)
        return self.placed([copy_with_layout_of(np.asarray(x), like) for x, like in pairs], other)


def has_leaves(part: Any) -> bool:
    """Whether a part of an `ArrayTree` contains an array."""
    return any(isinstance(leaf, Leaf) for leaf in tree_leaves(part))


def match_leaves(tree: Any, other: Any, of_any_type: bool = False) -> list[Any] | None:
    """Return the values in `other` at the leaves of `tree`, or None if the structures differ.

    In `other`, None matches a whole pytree, and an array matches a list of its rows. A dict key without leaves may be
    missing, and its value may be None or zeros. The values are numbers or None, unless they may be `of_any_type`.
    """
    if of_any_type and isinstance(tree, Leaf):
        return [other]
    if isinstance(tree, dict | list | tuple):
        other_parts = _matching_parts(tree, other)
        if other_parts is None:
            return None
        parts = tree.values() if isinstance(tree, dict) else tree
        matches = [match_leaves(*pair, of_any_type) for pair in zip(parts, other_parts, strict=True)]
        return None if any(part is None for part in matches) else [x for part in matches for x in part or ()]
    is_float0 = getattr(getattr(other, "dtype", None), "names", None) == ("float0",)  # JAX's gradient of an integer
    nothing = other is None or is_float0
    numbers = None if nothing else as_numbers(other)
    if isinstance(tree, Leaf):
        return [None] if nothing else None if numbers is None else [other]
    return [] if nothing or (numbers is not None and not numbers.any()) else None


def _matching_parts(tree: Any, other: Any) -> list[Any] | None:
    """Return the parts of `other` that match those of `tree`, or None if they do not match."""
    if other is None:
        return [None] * len(tree)
    if isinstance(tree, dict):
        has_known_keys = isinstance(other, Mapping) and other.keys() <= tree.keys()
        matches = has_known_keys and all(key in other or not has_leaves(part) for key, part in tree.items())
        return [other.get(key) for key in tree] if matches else None
    length = len(other) if isinstance(other, list | tuple) else (*getattr(other, "shape", ()), None)[0]
    return list(other) if length == len(tree) else None


class _Words(str):
    """A string whose repr has no quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def outline(tree: Any) -> str:
    """Return the repr of a pytree, with shapes in place of arrays."""

    def words(_: str, value: Any) -> _Words:
        array = value.array if isinstance(value, Leaf) else as_numbers(value)
        description = f"an array of shape {array.shape}" if array is not None and array.shape else "a number"
        return _Words(f"{value!r:.40}" if array is None else description)

    return repr(tree_map_with_path(words, tree, is_leaf=is_number_list))


def is_number_list(tree: Any) -> bool:
    """Whether a value is a list of plain numbers, or a list of such lists with equal lengths."""
    if not isinstance(tree, list) or not tree:
        return False
    if all(isinstance(part, list) for part in tree):
        return all(map(is_number_list, tree)) and len({np.shape(part) for part in tree}) == 1
    return all(isinstance(part, numbers.Complex) and not isinstance(part, bool) for part in tree)
