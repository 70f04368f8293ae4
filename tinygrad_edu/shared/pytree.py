"""Pytrees: nested lists, tuples and dicts. The functions are named as in JAX.

Any object that is not a list, tuple, dict or None is a leaf. None is a pytree without leaves.
"""

from collections.abc import Callable, Iterator
from typing import Any

from tinygrad_edu.errors import ShapeError

__all__ = ["tree_leaves", "tree_map", "tree_map_with_path"]

IsLeaf = Callable[[Any], bool]

_CONTAINERS = (dict, list, tuple)


def tree_map(f: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """Apply a function to each leaf of a pytree, and to the leaves at the same position in other pytrees.

    Parameters
    ----------
    f : callable
        Function of one leaf of each pytree.
    tree
        The result has its structure. Named tuples keep their type.
    *rest
        Pytrees with the same structure, or with larger pytrees in place of leaves. An array may replace a list or
        tuple: f receives its rows.

    Raises
    ------
    ShapeError
        The structures differ.

    Examples
    --------
    >>> tree_map(lambda x, y: x + y, {"a": 1, "b": [2, None]}, {"a": 10, "b": (20, None)})
    {'a': 11, 'b': [22, None]}
    """
    if not (tree is None or isinstance(tree, _CONTAINERS)):
        return f(tree, *rest)
    for other in rest:
        _require_same_structure(tree, other)
    if tree is None:
        return None
    if isinstance(tree, dict):
        return _rebuild(tree, [tree_map(f, part, *[other[key] for other in rest]) for key, part in tree.items()])
    if not rest:  # zip would make a tuple for each part
        return _rebuild(tree, [tree_map(f, part) for part in tree])
    return _rebuild(tree, [tree_map(f, *parts) for parts in zip(tree, *rest, strict=True)])


def tree_map_with_path(
    f: Callable[[str, Any], Any], tree: Any, path: str = "", is_leaf: IsLeaf = lambda _: False
) -> Any:
    """Return a pytree with ``f(path, leaf)`` in place of each leaf.

    Parameters
    ----------
    f : callable
    tree
    path : str
        Expression for the tree itself, with which each path begins. Default "".
    is_leaf : callable, optional
        Returns whether a list, tuple or dict is a leaf. By default, none is.

    Examples
    --------
    >>> tree_map_with_path(lambda path, leaf: path, {"w": [0.5, 1.5]}, "params")
    {'w': ["params['w'][0]", "params['w'][1]"]}
    """
    if is_leaf(tree) or not isinstance(tree, _CONTAINERS):
        return None if tree is None else f(path, tree)
    if isinstance(tree, dict):
        steps = [f"[{key!r}]" for key in tree]
    else:
        steps = [f".{field}" for field in getattr(tree, "_fields", ())] or [f"[{k}]" for k in range(len(tree))]
    parts = tree.values() if isinstance(tree, dict) else tree
    pairs = zip(steps, parts, strict=True)
    return _rebuild(tree, [tree_map_with_path(f, part, path + step, is_leaf) for step, part in pairs])


def tree_leaves(tree: Any) -> Iterator[Any]:
    """Yield the leaves of a pytree.

    Examples
    --------
    >>> list(tree_leaves({"a": 1, "b": [2, (3, None)]}))
    [1, 2, 3]
    """
    if isinstance(tree, _CONTAINERS):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from tree_leaves(part)
    elif tree is not None:
        yield tree


def _require_same_structure(tree: Any, other: Any) -> None:
    """Raise unless `other` has the keys or the length of `tree`. The length of an array is its number of rows."""
    if isinstance(tree, dict):
        if not isinstance(other, dict) or other.keys() != tree.keys():
            raise ShapeError(f"pytree structures differ: expected a dict with keys {list(tree)}, got {other!r}.")
    elif tree is None:
        if other is not None:
            raise ShapeError(f"pytree structures differ: expected None, got {other!r}.")
    else:
        length = len(other) if isinstance(other, list | tuple) else (*getattr(other, "shape", ()), None)[0]
        if length != len(tree):
            raise ShapeError(f"pytree structures differ: expected length {len(tree)}, got {other!r}.")


def _rebuild(tree: Any, parts: list[Any]) -> Any:
    """Return a list, tuple or dict like `tree` with other parts."""
    if isinstance(tree, list):
        return parts
    if isinstance(tree, dict):
        return dict(zip(tree, parts, strict=True))
    return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
