"""Joining the outputs of shards into the output of the whole batch, and splitting its gradient."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Node, Tensor, from_numpy, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.sharding import shard_error
from tinygrad_edu.shared.pytree import tree_leaves, tree_map

ARRAY, CONSTANT, DIFFERENTIABLE = range(3)  # the kinds of leaves

Detached = tuple[Any, Any]  # two pytrees of the same structure: the values of an output, and the kind of each leaf


def require_samples_first(name: str, out: Any, count: int, state: Collection[int]) -> None:
    """Raise `ShardError` unless each leaf of an output has one row per sample.

    Parameters
    ----------
    name : str
        Name of the model, for the message.
    out : pytree
    count : int
    state : set of int
        Ids of the model's own tensors, whose rows are not samples.
    """
    leaves = list(tree_leaves(out))
    if not leaves or not all(_has_length(leaf, count) and id(leaf) not in state for leaf in leaves):
        shapes = ", ".join(str(getattr(leaf, "shape", type(leaf).__name__)) for leaf in leaves) or "nothing"
        raise shard_error(f"{name}: its output for {count} samples is {shapes}; expected one row per sample")


def _has_length(leaf: Any, count: int) -> bool:
    return isinstance(leaf, Tensor | ndarray) and leaf.shape[:1] == (count,)


def detached(out: Any) -> Detached:
    """Return the values and the kinds of an output's leaves, which can be sent to other ranks.

    Raises
    ------
    ShardError
        The output is an instance of a subclass of dict, list or tuple, which cannot be rebuilt from its items.
    """
    refusal = shard_error(
        f"the output is a {type(out).__name__}, which cannot be joined; return a dict or a named tuple"
    )
    try:
        values = tree_map(values_of, out)
    except TypeError as error:
        raise refusal from error
    if isinstance(out, dict | list | tuple) and type(out) not in (type(values), OrderedDict):
        raise refusal
    return values, tree_map(_kind, out)


def _kind(leaf: Any) -> int:
    return ARRAY if isinstance(leaf, ndarray) else DIFFERENTIABLE if leaf.requires_grad else CONSTANT


def join(name: str, parts: list[Detached]) -> Any:
    """Return the output for the whole batch. Its differentiable leaves are leaves of the graph.

    Raises
    ------
    ShardError
        The outputs of the shards differ in structure, dtype or row shape.
    """
    values, kinds = zip(*parts, strict=True)
    try:
        joined, kind = tree_map(_concatenate, *values), tree_map(lambda *ks: max(ks), *kinds)
    except (ShapeError, TypeError) as error:
        problem = str(error).removesuffix(".")
        raise shard_error(f"{name}: the outputs of its shards cannot be joined: {problem}") from error
    return tree_map(lambda leaf, k: leaf if k == ARRAY else from_numpy(leaf, k == DIFFERENTIABLE), joined, kind)


def _concatenate(*parts: ndarray) -> ndarray:
    if not all(isinstance(part, ndarray) for part in parts):
        raise ShapeError("their structures differ.")
    if len({(part.dtype, part.shape[1:]) for part in parts}) > 1:
        raise ShapeError(f"their rows differ: {', '.join(f'{part.dtype} {part.shape[1:]}' for part in parts)}.")
    # In C order: a part's layout, which affects the bits of products, depends on whether it came from another rank.
    out = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
    return np.concatenate(parts, out=out)


def has_ops_between(root: Node, first: int, last: int) -> bool:
    """Return whether the graph of a node contains an op with a time between `first` and `last`."""
    seen, waiting = {root}, [root]
    while waiting:
        node = waiting.pop()
        if node.op is not None and first < node.time < last:
            return True
        new = {parent for parent in node.parents.values() if parent not in seen}
        seen |= new
        waiting += new
    return False


def shard_cotangents(joined: Any, gradients: dict[Node, ndarray], out: Any, part: slice) -> list[tuple[Node, ndarray]]:
    """Return the nodes of a shard's output, each with its rows of the gradient of the joined output."""
    cotangents: list[tuple[Node, ndarray]] = []

    def add(joined_leaf: Any, leaf: Any) -> None:
        node = joined_leaf._node if isinstance(joined_leaf, Tensor) else None
        g = None if node is None else gradients.get(node)
        if g is not None and isinstance(leaf, Tensor) and leaf._node is not None:
            cotangents.append((leaf._node, np.ascontiguousarray(g[part])))

    tree_map(add, joined, out)
    return cotangents
