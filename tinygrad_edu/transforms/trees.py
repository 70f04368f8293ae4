"""Nested lists, tuples and dicts: what is done with each of their leaves. ``None`` is a nest without leaves."""

from collections.abc import Callable, Iterator
from typing import Any

from numpy import ndarray

from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors import ShapeError

__all__ = ["as_tensors", "tree_leaves", "tree_map"]


_ARRAYS = (Tensor, ndarray)


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Apply `function` to each leaf of nested lists, tuples and dicts, and to the leaves at its place in `others`."""
    if isinstance(tree, _ARRAYS):  # what most of them are
        return function(tree, *others)
    if isinstance(tree, dict):
        if any(not isinstance(other, dict) or other.keys() != tree.keys() for other in others):
            raise ShapeError(f"nested arguments differ: a dict of {list(tree)} stands beside {others}.")
        return {key: tree_map(function, tree[key], *(other[key] for other in others)) for key in tree}
    if isinstance(tree, list | tuple):
        if others and any(_length(other) != len(tree) for other in others):
            raise ShapeError(f"nested arguments differ: {len(tree)} parts stand beside {others}.")
        if others:
            parts = [tree_map(function, *parts) for parts in zip(tree, *others, strict=True)]
        else:
            parts = [tree_map(function, part) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    if tree is None:
        if any(other is not None for other in others):
            raise ShapeError(f"nested arguments differ: None stands beside {others}.")
        return None
    return function(tree, *others)


def _length(tree: Any) -> int | None:
    """Return the number of parts beside those of a list: also those of an array, which is taken row by row."""
    if isinstance(tree, list | tuple):
        return len(tree)
    shape = getattr(tree, "shape", ())
    return shape[0] if shape else None


def tree_leaves(tree: Any) -> Iterator[Any]:
    """Yield the leaves of nested lists, tuples and dicts."""
    if isinstance(tree, dict | list | tuple):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from tree_leaves(part)
    elif tree is not None:
        yield tree


def as_tensors(x: Any) -> Any:
    """Read nested lists of plain numbers as one tensor, and nests of tensors and arrays as several."""
    if isinstance(x, Tensor):
        return x
    leaves = list(tree_leaves(x)) if isinstance(x, list | tuple) else []
    plain = leaves and all(isinstance(leaf, int | float) for leaf in leaves)
    return Tensor(x) if plain else tree_map(lambda leaf: leaf if isinstance(leaf, Tensor) else Tensor(leaf), x)
